"""Code lengths by the first block, by a race, in full and in blocks that double: all out of one ledger."""

from __future__ import annotations

import json
import math
import random
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import spearmanr

from indoubt.data.codes import CodeKind, race
from indoubt.data.datasets import Dataset, dataset_in_memory
from indoubt.errors import UserError
from indoubt.measures.code_length import blocks_table
from indoubt.training import Result, Training
from indoubt.workflow.config_files import content_of
from indoubt.workflow.estimate import estimates, in_lines
from indoubt.workflow.job import Job, Places
from indoubt.workflow.jobs import measured
from indoubt.workflow.ledger import read_records
from indoubt.workflow.missing import standings
from indoubt.workflow.plan import Plan
from tests.shared.workspace import ROOT
from tests.workflow.test_kept import HEADS

#: What differs from one training of the same to the next.
CHANCE = ("seconds", "looking", "host", "codes", "blocks")


class Nobody:
    def begin(self, total: int, to_do: int) -> None: ...

    def trained(self, training: Training, result: Result) -> None: ...


class Folder:
    """A results folder in which a small Transformer is measured on add-or-mul/5: three rules, six blocks."""

    def __init__(self, folder: Path, **of_all: Any) -> None:
        self.folder, self.of_all = folder, of_all

    def plan(self, seeds: Any = "1-3", measures: tuple[str, ...] = ("code_length",), **asked: Any) -> Plan:
        about = {"task": "add-or-mul", "sizes": [5], "learners": ["transformer"]} | asked
        experiment = about | {"seeds": seeds, "measures": list(measures)}
        content = content_of([], []) | {"experiments": [experiment], "updates": 120, "seeds_per_job": 3} | self.of_all
        quick = {"warmup_updates": 10, "lr": 5e-3, "dropout": 0.0}  # so that it fits T, and `mem` has the shortest code
        content["learners"] = {"transformer": content["learners"]["transformer"] | HEADS | quick}
        return Plan(content, self.folder.parent / "cache")

    def measure(self, observer: Nobody | None = None, **asked: Any) -> list[dict[str, Any]]:
        """The rows of all jobs, without what is chance."""
        plan = self.plan(**asked)
        rows: list[dict[str, Any]] = []
        for cell in plan.cells.values():
            for chunk in plan.chunks(cell):
                job = Job.from_json(json.dumps(plan.job(cell, chunk)))
                datasets = {name: of(cell.task, cell.size, name, plan) for name in plan.datasets(cell, chunk)}
                rows += measured(
                    job, datasets, Places(self.folder / "ledger"), torch.device("cpu"), observer or Nobody()
                )
        return [{key: value for key, value in row.items() if key not in CHANCE} for row in rows]

    def trained(self) -> list[str]:
        """The keys of the trainings that were done, each as often as it was."""
        return [record.result.key for shelf in self.folder.glob("ledger/*/*/") for record in read_records(shelf)]


def of(task: str, size: int, name: str, plan: Plan) -> Dataset:
    return dataset_in_memory(plan.tasks[task], size, name)


def bits_of(rows: list[dict[str, Any]]) -> dict[tuple[str, int, int], float]:
    return {(row["dataset"], row["seed"], row["block"]): row["nats"] for row in rows if row["kind"] == "score"}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder in which full codes were measured."""
    folder = Folder(tmp_path_factory.mktemp("codes") / "full")
    folder.measure(codes="full")
    return folder


@pytest.fixture
def empty(full: Folder, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder in which nothing was measured."""
    return Folder(tmp_path_factory.mktemp("codes", numbered=True) / "it")


@pytest.mark.parametrize(
    ("n", "doubling"), [(0, [0]), (1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2]), (5, [0, 1, 2, 4]),
                        (6, [0, 1, 2, 4]), (9, [0, 1, 2, 4, 8]), (19, [0, 1, 2, 4, 8, 16]), (20, [0, 1, 2, 4, 8, 16])],
)  # fmt: skip
def test_after_which_blocks_is_trained(n: int, doubling: list[int]) -> None:
    assert CodeKind("full", "doubling").trained(n) == CodeKind("race", "doubling").trained(n) == doubling
    assert CodeKind().trained(n) == list(range(max(n, 1))) and CodeKind("first").trained(n) == [0]


def test_a_race_finds_the_shortest_code_and_what_it_leaves_is_at_least_as_long() -> None:
    """On random codes, with ties and with parts of no bits among them."""
    stream = random.Random(0)
    for _ in range(2000):
        n_rules, n_parts = stream.randint(2, 5), stream.randint(1, 8)
        rules = [f"rule {i}" for i in range(n_rules)]
        lengths = {rule: [stream.choice([0.0, 1.0, stream.expovariate(1)]) for _ in range(n_parts)] for rule in rules}
        ran = race(rules, n_parts, lambda rule, part: lengths[rule][part])  # noqa: B023  (called here)
        totals = {rule: sum(parts) for rule, parts in lengths.items()}
        bounds = {rule: sum(lengths[rule][: ran.parts[rule]]) for rule in rules}
        whole = [rule for rule in rules if ran.parts[rule] == n_parts]
        assert not ran.needed and min(totals.values()) == pytest.approx(min(totals[rule] for rule in whole))
        assert all(bounds[rule] >= min(totals.values()) - 1e-9 for rule in rules)
        assert all(totals[rule] >= bounds[rule] - 1e-9 for rule in rules)


def test_a_race_asks_for_one_part_at_a_time_and_for_none_that_cannot_matter() -> None:
    lengths: dict[str, list[float]] = {"a": [3, 3, 3], "b": [5, 1, 1], "c": [9, 0, 0]}
    known: set[tuple[str, int]] = set()
    asked = []

    def part(rule: str, place: int) -> float | None:
        return lengths[rule][place] if (rule, place) in known else None

    while needed := race(list(lengths), 3, part).needed:
        asked.append(needed)
        known |= set(needed)
    first = (("a", 0), ("b", 0), ("c", 0))
    assert asked == [first, (("a", 1),), (("b", 1),), (("a", 2),), (("b", 2),)]  # b, at 6 then 7, wins over a at 9


def test_a_rule_whose_training_diverged_is_out_and_the_others_go_on() -> None:
    lengths: dict[str, list[float]] = {"a": [1, math.inf, 1], "b": [5, 1, 1]}
    assert race(["a", "b"], 3, lambda rule, part: lengths[rule][part]).parts == {"a": 2, "b": 3}
    lost = race(["a", "b"], 3, lambda rule, part: math.inf)
    assert lost.parts == {"a": 1, "b": 1} and not lost.needed


def test_first_then_race_then_full_is_full(full: Folder, empty: Folder) -> None:
    """Each trains what is missing, no training is done twice, and the rows of the end are those of `full` alone."""
    before = 0
    for codes in ("first", "race", "full"):
        rows = empty.measure(codes=codes)
        keys = empty.trained()
        assert len(keys) == len(set(keys)) > before
        before = len(keys)
        if codes == "first":
            assert len(keys) == 3  # T of three seeds
    assert set(empty.trained()) == set(full.trained()) and len(full.trained()) == 3 * 16
    assert rows == full.measure(codes="full")


def test_a_race_has_the_shortest_code_of_each_seed_to_the_bit(full: Folder, empty: Folder) -> None:
    whole, raced = bits_of(full.measure(codes="full")), bits_of(empty.measure(codes="race"))
    assert raced.items() <= whole.items() and len(empty.trained()) < len(full.trained())
    for seed in (1, 2, 3):
        totals = {rule: math.fsum(whole[rule, seed, k] for k in range(1, 7)) for rule in ("add", "mul", "mem")}
        n = {rule: sum((rule, seed, k) in raced for k in range(1, 7)) for rule in totals}
        winner = min(totals, key=lambda rule: totals[rule])
        assert n[winner] == 6
        for rule in totals:
            assert math.fsum(raced[rule, seed, k] for k in range(1, n[rule] + 1)) >= totals[winner] or n[rule] == 6
    assert full.measure(codes="race") == empty.measure(codes="race")  # whatever else a ledger holds


#: A job that is killed as by a machine that dies, once so many trainings are recorded.
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.workflow.test_codes import Folder, Nobody

class Killer(Nobody):
    left = int(sys.argv[2])
    def trained(self, training, result):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

Folder(Path(sys.argv[1])).measure(Killer(), codes="race")
"""


@pytest.mark.real_start
@pytest.mark.parametrize("after", [2, 4, 8])  # while T is recorded; within a round of the race; later
def test_a_race_that_is_killed_goes_on_to_the_same_rows(full: Folder, empty: Folder, after: int) -> None:
    words = [sys.executable, "-c", KILLED, str(empty.folder), str(after)]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    before = empty.trained()
    assert len(before) == after
    assert empty.measure(codes="race") == full.measure(codes="race")
    assert len(empty.trained()) == len(set(empty.trained())) and set(before) <= set(empty.trained())


def test_however_many_seeds_a_job_of_a_race_has(full: Folder, tmp_path: Path) -> None:
    alone = Folder(tmp_path / "it", seeds_per_job=1)
    assert alone.measure(codes="race") == full.measure(codes="race")


def test_the_first_block_beside_fpa_trains_nothing_and_is_that_of_the_full_code(full: Folder, empty: Folder) -> None:
    empty.measure(measures=("fpa",))
    before = empty.trained()
    first = bits_of(empty.measure(measures=("fpa",), codes="first"))
    assert empty.trained() == before and len(first) == 9
    assert first.items() <= bits_of(full.measure(codes="full")).items()


def test_a_ledger_of_an_earlier_version_trains_t_again_for_the_first_blocks_and_nothing_for_fpa(empty: Folder) -> None:
    empty.measure(measures=("fpa",))
    for path in empty.folder.glob("ledger/*/*/*.jsonl"):
        records = [json.loads(line) | {"nats": {}} for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    empty.measure(measures=("fpa",))
    assert len(empty.trained()) == 3
    empty.measure(measures=("fpa",), codes="first")
    assert len(empty.trained()) == 6


def test_blocks_that_double_take_their_trainings_from_the_task_s(full: Folder, empty: Folder) -> None:
    """Each block by the last training before it that is done; full codes then train only the rest."""
    doubled = bits_of(empty.measure(codes="full", blocks="doubling"))
    assert len(empty.trained()) == 3 * (1 + 3 * 3)  # T, and after 1, 2 and 4 blocks for three rules
    whole = bits_of(full.measure(codes="full"))
    assert doubled.keys() == whole.keys()
    same = {(1,), (2,), (3,), (5,)}  # the first ones after 0, 1, 2 and 4
    assert all((doubled[key] == whole[key]) == ((key[2],) in same) for key in whole)
    before = set(empty.trained())
    assert empty.measure(codes="full") == full.measure(codes="full")
    assert len(empty.trained()) == 3 * 16 and before <= set(empty.trained())
    assert bits_of(full.measure(blocks="doubling")) == doubled and len(full.trained()) == 3 * 16  # nothing again


@pytest.mark.long
def test_a_transformer_s_codes_in_blocks_that_double_say_what_full_ones_say(tmp_path: Path) -> None:
    """hierar-or-linear/4, the configured Transformer, sixteen seeds of 3,000 updates: bits within two standard errors
    of a measurement on another CPU (2.10 and 42.4 in full, 2.38 and 43.2 in blocks that double; errors .95 and 1.95).
    """
    about = {"task": "hierar-or-linear", "sizes": [4], "learners": ["transformer"], "seeds": "1-16"}
    content = content_of([], []) | {"experiments": [about | {"measures": ["code_length"]}], "seeds_per_job": 16}
    plans = {blocks: Plan(content | {"blocks": blocks}, tmp_path / "cache") for blocks in ("task", "doubling")}
    bits: dict[str, dict[str, list[float]]] = {}
    for blocks, plan in plans.items():
        (cell,) = plan.cells.values()
        (chunk,) = plan.chunks(cell)
        job = Job.from_json(json.dumps(plan.job(cell, chunk)))
        datasets = {name: of(cell.task, cell.size, name, plan) for name in plan.datasets(cell, chunk)}
        rows = bits_of(measured(job, datasets, Places(tmp_path / "ledger"), torch.device("cpu"), Nobody()))
        sums = {rule: [math.fsum(nats for (name, s, _), nats in rows.items() if (name, s) == (rule, seed))
                       / math.log(2) for seed in range(1, 17)] for rule in ("hierar", "linear")}  # fmt: skip
        bits[blocks] = sums
        assert sum(a < b for a, b in zip(*sums.values(), strict=True)) == 16
    means = {blocks: [statistics.fmean(of_rule) for of_rule in sums.values()] for blocks, sums in bits.items()}
    assert means["task"] == [pytest.approx(2.10, abs=1.9), pytest.approx(42.4, abs=3.9)]
    assert means["doubling"] == [pytest.approx(2.38, abs=1.9), pytest.approx(43.2, abs=3.9)]
    for rule in ("hierar", "linear"):
        assert spearmanr(bits["task"][rule], bits["doubling"][rule]).statistic >= 0.8


def test_up_to_two_blocks_are_those_of_the_task(tmp_path: Path) -> None:
    of_task, doubled = (
        bits_of(Folder(tmp_path / blocks).measure(task="copy-or-reverse", sizes=[4], seeds="1-2", blocks=blocks))
        for blocks in ("task", "doubling")
    )
    assert of_task and of_task == doubled


def test_a_race_in_blocks_that_double(full: Folder) -> None:
    raced = bits_of(full.measure(codes="race", blocks="doubling"))
    assert raced.items() <= bits_of(full.measure(codes="full", blocks="doubling")).items()


def test_with_adam_carried_a_race_sends_the_leader_s_chain_whole(tmp_path: Path) -> None:
    raced, whole = (
        bits_of(Folder(tmp_path / codes, adam_state="carried").measure(codes=codes, seeds=1))
        for codes in ("race", "full")
    )
    assert raced.items() <= whole.items() and {key[2] for key in raced} == set(range(1, 7))


REFUSED = {
    "codes: a race is between rules, and there is one": {"codes": "race", "candidates": ["add"]},
    "codes: in a race each training hangs on those before": {"codes": "race", "blocks_per_job": 2},
    "codes: code lengths at milestones are of all blocks": {
        "codes": "race", "milestones": [10], "milestone_measures": ["code_length"],
    },
    "no code length is measured here": {"blocks": "doubling", "measures": ("fpa",)},
    "`blocks: doubling` passes over blocks": {"blocks": "doubling", "adam_state": "carried"},
    "codes: 'half' is not allowed": {"codes": "half"},
}  # fmt: skip


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_measured_is_refused_in_a_sentence(said: str, tmp_path: Path) -> None:
    asked: dict[str, Any] = dict(REFUSED[said])
    of_all = {key: asked.pop(key) for key in ("blocks_per_job", "adam_state") if key in asked}
    with pytest.raises(UserError, match=said.replace("(", r"\(")) as refused:
        Folder(tmp_path / "it", **of_all).plan(**asked)
    assert len(str(refused.value).splitlines()) <= 2


def test_a_cell_has_one_kind_of_codes(tmp_path: Path) -> None:
    about = {"task": "add-or-mul", "sizes": [5], "learners": ["transformer"]}
    experiments = [about | {"seeds": "1-2", "codes": "race"}, about | {"seeds": "3-4", "blocks": "doubling"}]
    with pytest.raises(UserError, match=r"add-or-mul/5/transformer: one experiment .* give all of its seeds one"):
        Folder(tmp_path / "it", experiments=experiments).plan()
    rows = [
        {"task": "t", "size": 1, "learner": "l", "dataset": "a", "seed": seed, "block": 1, "nats": 1.0, "codes": codes}
        for seed, codes in ((1, "race"), (2, "full"))
    ]
    with pytest.raises(UserError, match="measured in two ways in one table: t/1/l"):
        blocks_table(rows)


def test_by_default_first_blocks_are_told_where_t_gave_them_and_nothing_is_trained_for_them(empty: Folder) -> None:
    """`codes: first` at the top: cells of FPA alone have them beside, of seeds whose T was trained with them."""
    empty.measure(measures=("fpa",), seeds="1-2")
    for path in empty.folder.glob("ledger/*/*/*.jsonl"):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        records = [each | {"nats": {} if each["note"]["seed"] == 1 else each["nats"]} for each in records]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    empty.of_all = {"codes": "first"}
    first = bits_of(empty.measure(measures=("fpa",)))
    assert set(first) == {(rule, seed, 1) for rule in ("add", "mul", "mem") for seed in (2, 3)}
    assert len(empty.trained()) == 3
    about = {"task": "add-or-mul", "learners": ["transformer"], "seeds": "1-2"}
    experiments = [
        about | {"sizes": [5, 10], "measures": ["fpa"]},
        about | {"sizes": [5], "measures": ["code_length"], "codes": "full"},
    ]
    plan = Folder(empty.folder, experiments=experiments, codes="first").plan()
    kinds = {size: plan.cell("add-or-mul", size, "transformer").code for size in (5, 10)}
    assert kinds == {5: CodeKind("full"), 10: CodeKind("first")}


def trainings(plan: Plan, fewest: bool) -> int:
    return sum(plan.n_trainings(cell, chunk, fewest) for cell in plan.cells.values() for chunk in plan.chunks(cell))


@pytest.mark.parametrize(
    ("codes", "blocks", "most", "least"),
    [("full", "task", 48, 48), ("first", "task", 3, 3), ("race", "task", 48, 18), ("full", "doubling", 30, 30),
     ("race", "doubling", 30, 12)],
)  # fmt: skip
def test_the_fewest_and_the_most_trainings(codes: str, blocks: str, most: int, least: int, tmp_path: Path) -> None:
    plan = Folder(tmp_path / "it").plan(codes=codes, blocks=blocks)
    assert (trainings(plan, False), trainings(plan, True)) == (most, least)
    (found,) = estimates(plan, tmp_path)
    assert (found.n_trainings, found.fewest) == (most, least) and (found.fewest_hours < found.hours) == (
        codes == "race"
    )
    assert any("race" in line for line in in_lines([found])) == (codes == "race")


def test_where_a_race_stands(empty: Folder) -> None:
    (before,) = standings(empty.plan(codes="race"), empty.folder / "ledger")
    assert len(before.missing) == 3 and not before.done  # T's; what comes after hangs on them
    empty.measure(codes="race")
    (after,) = standings(empty.plan(codes="race"), empty.folder / "ledger")
    assert not after.missing and len(after.done) == len(empty.trained())
