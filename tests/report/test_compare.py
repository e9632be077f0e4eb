"""Two results folders compared."""

from __future__ import annotations

import math
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from indoubt.data.task import load_tasks
from indoubt.errors import UserError
from indoubt.measures.classify import predictions
from indoubt.report.archived_tables import tables_of
from indoubt.report.comparison import compare_results
from indoubt.tables.tables import build_tables, write_tables
from tests.shared.made_up import Row, code, decode, follow
from tests.shared.workspace import indoubt

TASKS = load_tasks()
COUNT = TASKS["count-or-mem"]


def rows(factor: float = 1.0, seeds: range = range(1, 9), rule: str = "mem", **changes: Any) -> list[Row]:
    found = [r for s in seeds for c, b in (("count", 20.0), ("mem", 3.0)) for r in code(COUNT, 10, c, "lstm", s, b + s)]
    for row in found:
        row["nats"] *= factor if row["dataset"] == "count" else 1
    decoded = [decode(seed=s, outputs=follow(COUNT, 10, rule)) for s in seeds]
    return [row | changes for row in found + decoded]


def folder(path: Path, made: list[Row]) -> Path:
    scores, decodes = ([r for r in made if r["kind"] == k] for k in ("score", "decode"))
    write_tables(build_tables(scores, decodes, predictions(COUNT, 10, decodes), TASKS), path / "tables")
    return path


def compared(tmp_path: Path, a: list[Row], b: list[Row]) -> dict[str, dict[str, Any]]:
    first, second = folder(tmp_path / "a", a), folder(tmp_path / "b", b)
    changes, _ = compare_results(first / "tables", second / "tables")
    records: list[dict[Any, Any]] = changes.to_dict("records")
    return {str(row["candidate"]) or "classes": row for row in records}


def test_equal_results(tmp_path: Path) -> None:
    found = compared(tmp_path, rows(), rows())
    assert {row["state"] for row in found.values()} == {"equal"}


def test_a_change_beyond_seed_noise(tmp_path: Path) -> None:
    found = compared(tmp_path, rows(), rows(factor=1.5, rule="count"))
    assert found["count"]["state"] == "beyond seed noise" and found["mem"]["state"] == "equal"
    assert found["count"]["change"] == pytest.approx(0.5 * 24.5) and found["count"]["n_equal"] == 0
    assert found["classes"]["state"] == "beyond seed noise" and found["classes"]["change"] == 1


def test_a_change_within_seed_noise(tmp_path: Path) -> None:
    other = rows()
    for row in other:
        if row["kind"] == "score":
            row["nats"] *= 1 + 0.01 * (-1) ** row["seed"]
    found = compared(tmp_path, rows(), other)
    assert found["count"]["state"] == "within seed noise" and found["count"]["n_common"] == 8


def test_other_seeds_and_missing_cells(tmp_path: Path) -> None:
    later = [r for r in rows(seeds=range(11, 19)) if r["kind"] == "decode" or r["dataset"] == "mem"]
    found = compared(tmp_path, rows(), later)
    assert found["count"]["state"] == "only in A"
    assert found["mem"]["method"] == "Mann-Whitney U" and found["mem"]["n_common"] == 0
    assert found["classes"]["state"] == "within seed noise"


def test_one_seed_tells_nothing(tmp_path: Path) -> None:
    found = compared(tmp_path, rows(seeds=range(1, 2)), rows(1.5, range(1, 2)))
    assert found["count"]["state"] == "too few seeds" and found["count"]["seeds_needed"] == 6


def classes_of(labels: list[str], learner: str = "lstm", first: int = 1) -> list[Row]:
    outputs = {label: follow(COUNT, 10, label) for label in set(labels)}
    return [decode(seed=s, learner=learner, outputs=outputs[label]) for s, label in enumerate(labels, first)]


def test_classes_of_the_same_seeds_are_compared_seed_by_seed(tmp_path: Path) -> None:
    """7 of 24 seeds flip one way: Fisher's test of 12 against 19 gives .06, McNemar's of 7 against 0 2 / 2^7."""
    before = ["mem"] * 12 + ["count"] * 12
    found = compared(tmp_path / "x", classes_of(before), classes_of(["count"] * 7 + before[7:]))["classes"]
    assert found["p"] == found["p_holm"] == pytest.approx(2 / 128)
    assert (found["state"], found["n_equal"], found["change"]) == ("beyond seed noise", 17, pytest.approx(7 / 24))
    assert found["method"] == "paired over seeds: exact McNemar"
    both_ways = ["count"] * 7 + ["mem"] * 5 + ["mem"] * 7 + ["count"] * 5
    found = compared(tmp_path / "y", classes_of(before), classes_of(both_ways))["classes"]
    assert (found["state"], found["p"]) == ("within seed noise", pytest.approx(1))
    for place, sides in enumerate([(before, before[:6]), (before[:6], before)]):  # whichever has more seeds
        found = compared(tmp_path / str(place), *(classes_of(each) for each in sides))["classes"]
        assert found["state"] == "equal in common seeds"
    half = compared(tmp_path / "half", classes_of(before), classes_of(["count"] * 3 + before[:3]))["classes"]
    assert (half["n_a"], half["n_common"], half["change"]) == (24, 6, 0.5)


def test_too_few_seeds_are_no_seed_noise(tmp_path: Path) -> None:
    """Five seeds cannot tell anything, six can where one row changed, and seven are needed where two did."""
    a, b = rows(seeds=range(1, 6)), rows(1.5, range(1, 6), rule="count")
    found = compared(tmp_path / "five", a, b)
    for name in ("count", "classes"):
        assert (found[name]["state"], found[name]["seeds_needed"]) == ("too few seeds", 6)
    found = compared(tmp_path / "six", rows(seeds=range(1, 7)), rows(1.5, range(1, 7)))
    assert (found["count"]["state"], found["count"]["p_holm"]) == ("beyond seed noise", pytest.approx(2 / 64))
    found = compared(tmp_path / "two", rows(seeds=range(1, 7)), rows(1.5, range(1, 7), rule="count"))
    for name in ("count", "classes"):
        assert (found[name]["state"], found[name]["seeds_needed"]) == ("too few seeds", 7)
        assert (found[name]["p"], found[name]["p_holm"]) == (pytest.approx(2 / 64), pytest.approx(4 / 64))
    enough = compared(tmp_path / "seven", rows(seeds=range(1, 8)), rows(1.5, range(1, 8), rule="count"))
    assert {row["state"] for row in enough.values()} == {"equal", "beyond seed noise"}


def test_what_is_beyond_noise_is_so_after_the_correction(tmp_path: Path) -> None:
    """Raw .031 (sign flips of eight seeds, one of which goes the other way a little), .063 beside another change."""
    wavering = rows(seeds=range(1, 9))
    for row in wavering:
        if row["kind"] == "score" and row["dataset"] == "count":
            row["nats"] *= 1 + (-0.0525 if row["seed"] == 1 else 0.015 * row["seed"])
    first = compared(tmp_path / "one", rows(), wavering)["count"]
    assert first["p"] == pytest.approx(8 / 256) and first["state"] == "beyond seed noise"
    other = [r for r in wavering if r["kind"] == "score"] + classes_of(["count"] + ["mem"] * 7)
    both = compared(tmp_path / "two", rows(), other)
    assert both["count"]["p_holm"] == pytest.approx(16 / 256)
    assert both["count"]["state"] == both["classes"]["state"] == "within seed noise"


def test_rows_that_could_not_be_decided_take_no_part_in_the_correction(tmp_path: Path) -> None:
    """Nine learners of two seeds each are no reason to doubt what eight seeds of a tenth show."""
    few = [r for i in range(9) for r in classes_of(["mem", "count"], f"few{i}")]
    swapped = [r for i in range(9) for r in classes_of(["count", "mem"], f"few{i}")]
    a = folder_of_classes(tmp_path / "a", few + classes_of(["mem"] * 8))
    b = folder_of_classes(tmp_path / "b", swapped + classes_of(["count"] * 8))
    changes, _ = compare_results(a, b)
    states = dict(zip(changes["learner"], changes["state"], strict=True))
    assert states.pop("lstm") == "beyond seed noise" and set(states.values()) == {"too few seeds"}


def folder_of_classes(path: Path, decodes: list[Row]) -> Path:
    lines = [line for learner in dict.fromkeys(r["learner"] for r in decodes)
             for line in predictions(COUNT, 10, [r for r in decodes if r["learner"] == learner])]  # fmt: skip
    write_tables(build_tables([], decodes, lines, TASKS), path / "tables")
    return path / "tables"


def test_other_seeds_are_compared_as_two_samples(tmp_path: Path) -> None:
    a, b = classes_of(["mem"] * 8), classes_of(["count"] * 7 + ["mem"], first=100)
    found = compared(tmp_path / "x", a, b)["classes"]
    assert found["method"] == "Fisher exact" and found["p"] == pytest.approx(2 * 9 / 12870)
    assert found["state"] == "beyond seed noise" and math.isnan(found["change"])
    few = compared(tmp_path / "y", classes_of(["mem"] * 3), classes_of(["count"] * 3, first=100))["classes"]
    assert (few["state"], few["seeds_needed"]) == ("too few seeds", 4)  # 2 / C(6, 3) = .1, 2 / C(8, 4) = .029


def test_seeds_that_diverge_in_one_of_the_two_are_told(tmp_path: Path) -> None:
    lost = rows()
    for row in lost:
        if row["kind"] == "score" and row["seed"] < 4 and row["dataset"] == "mem":
            row |= {"nats": None, "status": "diverged"}
    first, second = folder(tmp_path / "a", rows()), folder(tmp_path / "b", lost)
    changes, remarks = compare_results(first / "tables", second / "tables")
    states = dict(zip(changes["candidate"], changes["state"], strict=True))
    assert states == {"count": "equal", "mem": "equal in common seeds", "": "equal"}
    assert remarks == ["count-or-mem/10/lstm/mem: of 3 seeds the code is complete in A and diverged in B"]


def test_empty_results(tmp_path: Path) -> None:
    assert compared(tmp_path, [], []) == {}


def test_the_command_line_and_archives(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a", rows()), folder(tmp_path / "b", rows(1.5, engine="another"))
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        archive.add(b, "results")
    command = indoubt("compare", a, tmp_path / "b.tar.gz", "--csv", tmp_path / "x.csv")
    done = subprocess.run([*command, "--strict"], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "count-or-mem/10/lstm/count" in done.stdout and "1 beyond seed noise" in done.stdout
    assert "engine: made-up in A, another in B" in done.stdout
    few = folder(tmp_path / "few", rows(1.5, range(1, 4)))
    done = subprocess.run(indoubt("compare", a, few, "--strict"), capture_output=True, text=True)
    assert done.returncode == 0 and "too few seeds (3; 6 needed)" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "x.csv").read_text().startswith("measure,task")


@pytest.mark.parametrize(
    ("name", "said"), [("none", "does not exist"), ("text", "neither"), ("empty", "holds no tables")]
)
def test_what_is_no_results(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "text").write_text("no archive")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=said), tables_of(tmp_path / name):
        pass
