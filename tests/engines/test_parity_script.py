"""The comparison of the engines in distribution: its numbers are the measures', and it goes on where it stopped."""

from __future__ import annotations

import json
import math
import shutil
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import parity
from indoubt.engines.fairseq import engine as reference
from indoubt.training import Result, Training
from tests.shared.workspace import ROOT

CASE, UPDATES = parity.Case("transformer", "hierar-or-linear", 4, "code_length", 1), 3


def test_code_lengths_are_sums_over_each_candidates_own_blocks(tmp_path: Path) -> None:
    outcomes = parity.run(CASE, UPDATES, tmp_path)
    (ledger,) = tmp_path.iterdir()
    written = ledger.read_text()
    assert parity.run(CASE, UPDATES, tmp_path) == outcomes
    assert ledger.read_text() == written, "trained again what was there"
    cell = parity.cell_of(CASE, UPDATES)
    assert {(dataset, seed) for _, dataset, seed in outcomes} == {(d, s) for d in ("hierar", "linear") for s in (1, 2)}
    for dataset in ("hierar", "linear"):
        nats = 0.0
        for training in cell.sequence(dataset, 1):
            (result,) = reference.train_chain([training], parity.CPU)
            nats += sum(result.nats[score.key] for score in training.scores)
        assert outcomes["fairseq", dataset, 1] == pytest.approx(nats / math.log(2), rel=1e-6)
    assert outcomes["fairseq", "hierar", 1] != outcomes["fairseq", "linear", 1]


def test_a_training_that_scored_less_than_is_asked_is_done_again(tmp_path: Path) -> None:
    outcomes = parity.run(CASE, UPDATES, tmp_path, sets=1)
    (ledger,) = tmp_path.iterdir()
    rows = [json.loads(line) for line in ledger.read_text().splitlines()]
    first = parity.cell_of(CASE, UPDATES).sequence("linear", 1)[0]  # T, scored for both candidates
    of_both = [row for row in rows if row["key"] == first.key]
    assert [row["engine"] for row in of_both] == ["fused", "fairseq"]
    for row in of_both:
        del row["nats"][first.scores[0].key]
    ledger.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert parity.run(CASE, UPDATES, tmp_path, sets=1) == outcomes
    assert len(ledger.read_text().splitlines()) == len(rows) + 2


def test_several_at_a_time_and_one_set_give_the_same(tmp_path: Path) -> None:
    outcomes = parity.run(CASE, UPDATES, tmp_path)
    (tmp_path / "jobs").mkdir()
    in_jobs = parity.run(CASE, UPDATES, tmp_path / "jobs", sets=1, jobs=2)
    assert {seed for _, _, seed in in_jobs} == {1}
    assert in_jobs == {each: outcomes[each] for each in in_jobs}


def test_what_the_docs_say_is_in_the_ledgers_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained: `docs/findings/parity` has each training of the table's cases with one set of seeds."""

    def train(engine: str, missing: list[Training], *others: object) -> Iterator[Result]:
        assert not missing
        return iter(())

    monkeypatch.setattr(parity, "_train", train)
    shutil.copytree(ROOT / "docs/findings/parity", tmp_path / "ledgers")
    page, checked = (ROOT / "docs/engines.md").read_text(encoding="utf-8"), []
    for case in parity.CASES:
        if (tmp_path / "ledgers" / f"{case.name.replace('/', '_')}_3000.jsonl").exists():
            rows = rows_of(page, case.learner, case.measure)
            chosen = replace(case, seeds=int(rows[0][2]))
            outcomes = parity.run(chosen, 3000, tmp_path / "ledgers", sets=1)
            for _, what, n, ours, theirs, *_ in rows:
                for engine, printed in (("fused", ours), ("fairseq", theirs)):
                    found = [
                        of
                        for (of_engine, dataset, _), of in outcomes.items()
                        if of_engine == engine and (case.measure == "fpa" or dataset == what)
                    ]
                    assert len(found) == int(n)
                    value = found.count(what) if case.measure == "fpa" else statistics.fmean(map(float, found))
                    assert float(printed) == pytest.approx(value, rel=6e-3), (case.name, what, engine)
                    checked.append((case.name, what, engine))
    assert len(checked) == 2 * (2 + 2 + 2)


def rows_of(page: str, learner: str, measure: str) -> list[list[str]]:
    """The rows of a learner in the tables of classes (`fpa`) or of code lengths, which have no second set of seeds."""
    head = "| learner, task | candidate |" if measure == "code_length" else "| learner, task | what |"
    table = page[page.index(head) :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    first = next(i for i, row in enumerate(cells) if row[0] == f"{learner}, hierar-or-linear/4")
    last = next((i for i, row in enumerate(cells[first + 1 :], first + 1) if row[0]), len(cells))
    return cells[first:last]
