"""Tasks of the critique, of SCAN and of this project: the same bytes everywhere, the critique's to its own files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from indoubt.data.families.scan import commands, meaning, read_scan
from indoubt.data.task import Symbols, Task, line, load_tasks, words
from indoubt.errors import UserError
from tests.shared.workspace import ROOT

TASKS = load_tasks()
REFERENCE = ROOT / "tests/shared/reference"


def digest(lines: Iterable[Symbols]) -> str:
    return hashlib.sha256("".join(f"{line(each)}\n" for each in lines).encode()).hexdigest()


def references(name: str) -> list[tuple[str, str]]:
    lines = (REFERENCE / name).read_text().splitlines()
    return [(text.split("  ")[0], text.split("  ")[1]) for text in lines]


def released_file(task: Task, size: int, dataset: str, name: str) -> list[Symbols]:
    """A file of the critique's. Its tests of mirror strings and compositions hold H alone, where ours hold T too."""
    if name.startswith("train."):
        return [pair[name.endswith("dst")] for pair in task.training_set(size)]
    tested = task.test_inputs(size) if task.name == "oddone-or-linear" else task.holdout_inputs(size)
    return tested if name.endswith("src") else [()] * len(tested)


def test_all_checksums_of_the_critiques_data_hold() -> None:
    wrong, seen = [], set()
    for checksum, path in references("critique.sha256"):
        _, name, size, dataset, file = path.split("/")
        if dataset != "fpa":
            continue
        seen.add(name)
        if digest(released_file(TASKS[name], int(size), dataset, file)) != checksum:
            wrong.append(path)
    assert wrong == [] and len(seen) == 8


def test_the_critiques_odd_one_out_code_is_the_papers_hierarchical_one() -> None:
    """Its `oddone` and `linear` datasets hold centred strings only, and so are those of hierar-or-linear."""
    task = TASKS["hierar-or-linear"]
    for theirs, ours in (("linear", "linear"), ("oddone", "hierar")):
        sums = {p.split("/")[-1]: c for c, p in references("critique.sha256") if f"/4/{theirs}/" in p}
        pairs = task.training_set(4) + task.holdout_set(4, ours)
        assert digest(source for source, _ in pairs) == sums["train.src"]
        assert digest(target for _, target in pairs) == sums["train.dst"]


def test_all_checksums_of_the_other_tasks_hold() -> None:
    wrong = []
    for checksum, what in references("tasks.sha256"):
        place, part, of = what.split(" ")
        task, size = TASKS[place.split("/")[0]], int(place.split("/")[1])
        training = task.training_set(size)
        if part == "T":
            lines = [pair[of == "targets"] for pair in training]
        else:
            labelled = task.holdout_set(size, of) if of != "sources" else []
            lines = [target for _, target in labelled] if labelled else task.holdout_inputs(size)
        if not digest(lines).startswith(checksum):
            wrong.append(what)
    assert wrong == []


def test_scan_is_scan() -> None:
    assert len(set(commands())) == 20_910
    assert digest(commands()) == "47e0562335f42ee4dc63a5dcc6714b5f909e629a717037e5993464dda1040f95"
    assert digest(map(meaning, commands())) == "a49d4168529ba88b7b1d7634351585dbf50fc0ab4bf9012fc25a1efdaf113a87"
    assert max(map(len, commands())) == 9 and max(len(meaning(command)) for command in commands()) == 48
    assert line(meaning(words("jump opposite left twice after turn around right"))) == " ".join(
        ["I_TURN_RIGHT"] * 4 + ["I_TURN_LEFT", "I_TURN_LEFT", "I_JUMP"] * 2
    )


@pytest.mark.parametrize(
    ("name", "n_held_out", "sorted_lines", "sources", "targets"),
    [
        (
            "scan-addprim-jump",
            7706,
            "2a550abbd32c7c4a66a303cb27c4fad870a3b29f13df8bb88c5b486bd80adea7",
            "41c2225fc4fda19eeb688ec314964a85051878b1e14ab65e543410b2725e97b5",
            "cd68a4c7ecc5ecbff9e463a62566d8242797f2b880dd5fdcba79e1f1a288d81a",
        ),
        (
            "scan-addtwicethrice-jump",
            5334,
            "4838701bc319e27716b433bc30b65d82fa866bb56b5980f3627d74cb59863f6a",
            "568b7c1355104be843b34bd049ea9ee1184ca8e9e7283d7ac7da037861b7086e",
            "a7d4c42430f5cbe6b272d2b4273b862dad42f8415334798fdb0f627005f48495",
        ),
    ],
)
def test_the_critiques_splits_of_scan(
    name: str, n_held_out: int, sorted_lines: str, sources: str, targets: str
) -> None:
    """Its T is shuffled, so that the lines are the same and their order is not."""
    task = TASKS[name]
    lines = sorted(f"{line(source)}\t{line(target)}\n" for source, target in task.training_set(1))
    assert len(lines) == 20_910 and hashlib.sha256("".join(lines).encode()).hexdigest() == sorted_lines
    holdout = task.holdout_inputs(1)
    assert len(holdout) == n_held_out and digest(holdout) == sources
    assert digest(task.candidates["compo"](source, 1) for source in holdout) == targets


def test_scan_for_code_lengths_sends_64_of_7706() -> None:
    task = TASKS["scan-jump"]
    training = task.training_set(1)
    assert len(training) == 14_670 and len(task.holdout_inputs(1)) == 7706 and task.n_blocks(1) == 4
    assert digest(source for source, _ in training).startswith("d2568a19ba7c0fa5")
    assert digest(target for _, target in training).startswith("001f42dee0febce1")
    lines = sorted(f"{line(source)}\t{line(target)}\n" for source, target in training)  # those of SCAN's own split
    original = "84c912b45efb8c2a6077367f7d00a8f66003253cef25fbcbbeb377888d9a31dd"
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == original
    assert digest(task.scored_inputs(1)).startswith("b1580ccb12e7e400")
    assert digest(target for _, target in task.holdout_set(1, "compo")).startswith("d51a4c3885feb4c5")


SCAN_TASK = '''
from indoubt.data.families.scan import ScanFiles

class AddJump(ScanFiles):
    """The public split: does `jump` compose?"""
    name = "add-jump-from-files"
    training_file = "train.txt"
    test_file = "test.txt"
'''


def test_scans_own_files_make_a_task(tmp_path: Path) -> None:
    (tmp_path / "add_jump.py").write_text(SCAN_TASK)
    (tmp_path / "train.txt").write_text(
        "IN: walk OUT: I_WALK\nIN: walk twice OUT: I_WALK I_WALK\nIN: jump OUT: I_JUMP\n" * 2
    )
    (tmp_path / "test.txt").write_text("IN: jump twice OUT: I_JUMP I_JUMP\n")
    task = load_tasks([tmp_path])["add-jump-from-files"]
    assert len(task.training_set(1)) == 6 and len(task.fit_inputs(1)) == 3
    assert task.holdout_set(1, "compo") == [(("jump", "twice"), ("I_JUMP", "I_JUMP"))]
    assert task.files == (tmp_path / "add_jump.py", tmp_path / "train.txt", tmp_path / "test.txt")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("", "is empty"),
        ("IN: walk OUT: I_WALK\nwalk -> I_WALK\n", "line 2 is not `IN: command OUT: actions`: 'walk -> I_WALK'"),
        ("IN: OUT: I_WALK\n", "line 1 is not"),
        ("IN: walk OUT: I_WALK\nIN: walk OUT: I_RUN\n", "gives 'walk' two meanings"),
    ],
)
def test_a_file_that_is_not_scans_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "scan.txt").write_text(text)
    with pytest.raises(UserError, match=said):
        read_scan(tmp_path / "scan.txt")
