"""The ledger under what happens to files: kills, full disks, cut lines, many writers."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from indoubt.data.datasets import Dataset
from indoubt.engines.fairseq.models import dictionary_of
from indoubt.errors import UserError
from indoubt.learner import FairseqLearner
from indoubt.training import Decode, Example, Protocol, Result, Score, Training
from indoubt.workflow.ledger import FROM_KEPT, Ledger, read_label, read_records, shelf_of
from indoubt.workflow.required_trainings import Cell, chains
from tests.shared.workspace import ROOT

SYMBOLS = ("<s>", "<pad>", "</s>", "<unk>", "a", "b")
T = (Example((4, 2), (4, 2)),)
NEXT = Score((Example((5, 2), (5, 2)),))
NOTE = {"task": "made-up", "size": 1, "learner": "none", "seed": 1, "block": 0}


def training(seed: int = 1, **changed: object) -> Training:
    made = Training(FairseqLearner({"arch": "none"}, 3), Protocol(), seed, SYMBOLS, SYMBOLS, (T,), None, (NEXT,))
    return replace(made, **changed)  # type: ignore[arg-type]


def result(of: Training, nats: float = 1.5) -> Result:
    return Result(of.key, "ok", 2.0, 3, {score.key: nats for score in of.scores})


def shelf(folder: Path) -> Path:
    return folder / "code" / shelf_of(training())


def test_what_is_recorded_is_found_by_another_process(tmp_path: Path) -> None:
    ours = Ledger(tmp_path, "code")
    assert ours.find(training()) is None
    ours.add(training(), result(training()), NOTE)
    for ledger in (ours, Ledger(tmp_path, "code")):
        found = ledger.find(training())
        assert found is not None and found.nats == {NEXT.key: 1.5}
    assert Ledger(tmp_path, "other code").find(training()) is None
    assert ours.find(training(seed=2)) is None
    (record,) = read_records(shelf(tmp_path))
    assert record.note == NOTE and time.time() - record.time < 60
    assert read_label(shelf(tmp_path))["learner"]["arguments"] == {"arch": "none"}


def test_a_training_of_which_more_is_asked_is_not_found_until_it_is_there(tmp_path: Path) -> None:
    decode = Decode(((4, 2),), 0)
    asked = training(decodes=(decode,))
    ledger = Ledger(tmp_path, "code")
    ledger.add(training(), replace(result(training()), engine="fused", device="cuda", host="one"), NOTE)
    assert ledger.find(asked) is None
    read_off = Result(asked.key, "ok", 0.1, 3, {}, {decode.key: [[4]]}, device="cpu", engine="fairseq", host="other")
    ledger.add(asked, read_off, NOTE)
    for each in (ledger, Ledger(tmp_path, "code")):
        found = each.find(asked)
        assert found is not None and found.nats and found.outputs == {decode.key: [[4]]} and found.seconds == 2.0
        assert (found.engine, found.device, found.host) == ("fused", "cuda", "one"), "who trained, not who looked"


def test_duplicates_are_harmless(tmp_path: Path) -> None:
    for _ in range(3):
        Ledger(tmp_path, "code").add(training(), result(training()), NOTE)
    assert len(list(read_records(shelf(tmp_path)))) == 3
    assert Ledger(tmp_path, "code").find(training()) == result(training())


def test_a_line_cut_off_anywhere_is_dropped_and_what_came_before_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger(tmp_path, "code")
    for seed in (1, 2):
        ledger.add(training(seed), result(training(seed)), NOTE)
    (path,) = shelf(tmp_path).glob("*.jsonl")
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in [*range(first, len(whole) - 1, 7), len(whole) - 2]:
        path.write_bytes(whole[:length])
        again = Ledger(tmp_path, "code")
        assert again.find(training(1)) is not None and again.find(training(2)) is None
    assert f"dropped line 2 of {path}" in capsys.readouterr().err
    path.write_bytes(whole[:-1])  # only the newline is missing: the record is whole
    assert Ledger(tmp_path, "code").find(training(2)) is not None
    path.write_bytes(whole[:first] + b"\0" * 200 + b"\n" + b"[1]\n" + whole[first:])  # what a crash may leave in a file
    assert Ledger(tmp_path, "code").find(training(2)) is not None


def test_a_full_disk_is_said_so_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "code")
    ledger.add(training(1), result(training(1)), NOTE)
    (path,) = shelf(tmp_path).glob("*.jsonl")
    size = path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, before[1]))  # the next record is cut after 20 bytes
    try:
        with pytest.raises(UserError, match=r"the ledger .* cannot be written: .*; free space .* and run again"):
            ledger.add(training(2), result(training(2)), NOTE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.stat().st_size == size
    assert ledger.find(training(2)) is None
    ledger.add(training(2), result(training(2)), NOTE)  # there is space again
    assert Ledger(tmp_path, "code").find(training(2)) is not None


def test_a_small_disk_that_fills_up(tmp_path: Path) -> None:
    """The same on a file system of 64 KB, where this machine lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root; run the tests as root in a container")
    try:
        ledger, n = Ledger(disk, "code"), 0
        with pytest.raises(UserError, match="No space left"):  # noqa: PT012  (which record it is cannot be told before)
            for n in range(10_000):
                ledger.add(training(n), result(training(n)), NOTE)
        again = Ledger(disk, "code")
        assert n > 50 and all(again.find(training(seed)) is not None for seed in range(n))
        assert again.find(training(n)) is None
    finally:
        subprocess.run(["umount", disk], check=True)


WRITER = """
import sys
from pathlib import Path
from indoubt.workflow.ledger import Ledger
from tests.workflow.test_ledger import NOTE, result, training
ledger = Ledger(Path(sys.argv[1]), "code")
for seed in range(int(sys.argv[2]), int(sys.argv[3])):
    ledger.add(training(seed), result(training(seed)), NOTE)
    print(seed, flush=True)  # only now does the training count as done
"""


def writer(folder: Path, first: int, last: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(first), str(last)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "."})


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    """Six processes, some with the same trainings."""
    writers = [writer(tmp_path, first, first + 60) for first in (0, 0, 60, 60, 120, 120)]
    assert all(process.wait() == 0 for process in writers)
    counts = Counter(record.result.key for record in read_records(shelf(tmp_path)))
    assert counts == {training(seed).key: 2 for seed in range(180)}
    for process in writers:
        assert process.stdout is not None
        process.stdout.close()


def test_killed_writers_have_lost_nothing_that_they_had_recorded(tmp_path: Path) -> None:
    recorded: set[int] = set()
    chance = random.Random(1)
    for start in range(0, 4000, 1000):
        process = writer(tmp_path, start, start + 1000)
        assert process.stdout is not None
        recorded.add(int(process.stdout.readline()))
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        recorded |= {int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")}
        process.wait()
        process.stdout.close()
    ledger = Ledger(tmp_path, "code")
    assert len(recorded) > 4 and all(ledger.find(training(seed)) is not None for seed in recorded)


def test_a_diverged_training_is_a_result(tmp_path: Path) -> None:
    diverged = Result(training().key, "diverged", 1.0, 1)
    Ledger(tmp_path, "code").add(training(), diverged, NOTE)
    assert Ledger(tmp_path, "code").find(training()) == diverged
    (path,) = shelf(tmp_path).glob("*.jsonl")
    assert json.loads(path.read_text())["status"] == "diverged"


DECODE = Decode(((4, 2),), 0)


def record(folder: Path, name: str, time_: float, of: Training, made: Result, **note: object) -> None:
    """A record of some time, in a file of some name, as a run or an archive leaves it."""
    path = folder / "code" / shelf_of(of) / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({**asdict(made), "note": {**NOTE, **note}, "time": time_}) + "\n")


def test_of_two_records_the_later_counts_as_a_whole_whatever_its_file_is_called(tmp_path: Path) -> None:
    first = replace(result(training(), 1.5), engine="fused", device="cuda", seconds=90.0, outputs={DECODE.key: [[4]]})
    later = replace(result(training(), 2.5), engine="fairseq", device="cpu", seconds=3.0)
    record(tmp_path, "z", 100.0, training(), first)
    record(tmp_path, "a", 200.0, training(), later)
    ledger = Ledger(tmp_path, "code")
    assert ledger.find(training()) == later, "not the first's engine, device or outputs"
    assert ledger.results(training()) == [first, later]
    both = training(decodes=(DECODE,))
    assert ledger.find(both) == first, "the latest that has all that is asked, and not a part of each"
    record(tmp_path, "m", 300.0, training(), first)
    assert Ledger(tmp_path, "code").find(training()) == first


def test_records_of_earlier_names_are_taken_by_their_times_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indoubt.workflow.ledger.same_numbers", lambda name: (name, "code"))
    Ledger(tmp_path, "today").add(training(), result(training(), 2.5), NOTE)
    record(tmp_path, "a", 100.0, training(), result(training(), 1.5))
    found = Ledger(tmp_path, "today").find(training())
    assert found is not None and found.nats == {NEXT.key: 2.5}


def test_records_that_agree_are_one_training_and_what_reads_kept_weights_is_not_who_trained(tmp_path: Path) -> None:
    trained = replace(result(training(), 1.5), engine="fused", seconds=0.3)
    read_off = replace(result(training(), 1.50002), engine="fairseq", seconds=0.2, outputs={DECODE.key: [[4]]})
    record(tmp_path, "a", 100.0, training(), trained)
    record(tmp_path, "b", 200.0, training(), read_off, **{FROM_KEPT: True})
    (one,) = Ledger(tmp_path, "code").results(training())
    assert (one.engine, one.seconds, one.outputs) == ("fused", 0.3, {DECODE.key: [[4]]})
    assert one.nats == {NEXT.key: 1.50002}


@pytest.mark.parametrize("diverged_last", [True, False])
def test_a_diverged_record_and_an_ok_one_are_never_put_together(tmp_path: Path, diverged_last: bool) -> None:
    ok = replace(result(training(), 1.5), engine="fused")
    diverged = Result(training().key, "diverged", 90.0, 1, engine="fairseq")
    record(tmp_path, "a", 200.0 if diverged_last else 100.0, training(), diverged)
    record(tmp_path, "b", 150.0, training(), ok)
    assert Ledger(tmp_path, "code").find(training()) == (diverged if diverged_last else ok)


@pytest.mark.parametrize(
    ("written", "asked", "same"),
    [
        ({"dropout": 0}, {"dropout": 0.0}, True),
        ({"dropout": 0.0}, {"dropout": 0}, True),
        ({"config": {"width": 64.0, "rates": [1, 0.5]}}, {"config": {"width": 64, "rates": [1.0, 0.5]}}, True),
        ({"adam_betas": "(0,0.98)"}, {"adam_betas": "(0.0, 0.98)"}, True),
        ({"dropout": 1}, {"dropout": True}, False),
        ({"dropout": 0}, {"dropout": 0.1}, False),
        ({"encoder": "0"}, {"encoder": 0}, False),
    ],
)
def test_what_was_filed_under_a_number_is_found_however_it_is_written(
    tmp_path: Path, written: dict[str, Any], asked: dict[str, Any], same: bool
) -> None:
    first, then = (training(learner=FairseqLearner({"arch": "none"} | each, 3)) for each in (written, asked))
    assert first.key != then.key, "ledgers of before have both keys"
    Ledger(tmp_path, "code").add(first, result(first), NOTE)
    found = Ledger(tmp_path, "code").find(then)
    assert found == (replace(result(first), key=then.key) if same else None)


def test_what_identifies_a_training_and_what_does_not() -> None:
    """Each part of what decides its numbers is in its key; where a plug-in lies, and what is asked of it, is not."""
    one = training()
    others = [
        training(seed=2),
        training(learner=FairseqLearner({"arch": "another"}, 3)),
        training(learner=FairseqLearner({"arch": "none"}, 4)),
        training(learner=FairseqLearner({"arch": "none"}, 3, batch_size=2)),
        training(protocol=Protocol("carried")),
        training(protocol=Protocol(rng_streams="released")),
        training(source_symbols=(*SYMBOLS, "c")),
        training(target_symbols=(*SYMBOLS, "c")),
        training(blocks=(T, NEXT.examples)),
        training(blocks=((Example((4, 2), (5, 2)),),)),
        training(chain=(3, "digest")),
    ]
    assert len({each.key for each in [one, *others]}) == len(others) + 1
    same = [
        training(learner=FairseqLearner({"arch": "none"}, 3, plugins="elsewhere")),
        training(scores=(), decodes=(DECODE,)),
    ]
    assert {each.key for each in same} == {one.key}


def test_a_plug_in_that_was_moved_is_found(tmp_path: Path) -> None:
    learners = (FairseqLearner({"arch": "none"}, 3, plugins=folder) for folder in ("here", "there"))
    here, there = (training(learner=learner) for learner in learners)
    Ledger(tmp_path, "code").add(here, result(here), NOTE)
    assert Ledger(tmp_path, "code").find(there) == result(here)


def test_t_under_two_target_dictionaries_is_two_trainings() -> None:
    """Through what makes trainings of datasets: T is shared where its dictionaries are the same, and only there."""
    dictionary, longer = dictionary_of(SYMBOLS), dictionary_of((*SYMBOLS, "c"))
    data = [Dataset(dictionary, target, (*T, *NEXT.examples), ((4, 2),)) for target in (dictionary, dictionary, longer)]
    datasets = dict(zip(("fpa", "one", "other"), data, strict=True))
    cell = Cell(datasets, 1, 1, FairseqLearner({"arch": "none"}, 3), Protocol())
    assert len(chains(cell, [("fpa", 1), ("one", 1)], [0])) == 1
    assert len(chains(cell, [("fpa", 1), ("one", 1), ("other", 1)], [0])) == 2
