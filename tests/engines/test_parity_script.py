"""The comparison of the engines in distribution: its numbers are the measures', and it goes on where it stopped."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from doubt.engines.reference import engine as reference
from scripts import parity

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
            nats += sum(result.nats.values())
        assert outcomes["fairseq", dataset, 1] == pytest.approx(nats / math.log(2), rel=1e-6)
    assert outcomes["fairseq", "hierar", 1] != outcomes["fairseq", "linear", 1]


def test_several_at_a_time_and_one_set_give_the_same(tmp_path: Path) -> None:
    outcomes = parity.run(CASE, UPDATES, tmp_path)
    (tmp_path / "jobs").mkdir()
    in_jobs = parity.run(CASE, UPDATES, tmp_path / "jobs", sets=1, jobs=2)
    assert {seed for _, _, seed in in_jobs} == {1}
    assert in_jobs == {each: outcomes[each] for each in in_jobs}
