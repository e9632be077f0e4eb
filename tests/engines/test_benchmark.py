"""The benchmark of the engines: what it needs, what it prints, and that it counts work as it can be counted by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.shared.workspace import ROOT

#: What the workflow needs beside torch, numpy and fairseq; a machine that only trains may lack it.
NOT_NEEDED = ["jinja2", "matplotlib", "pandas", "scipy", "snakemake", "statsmodels", "yaml"]
RUN = f"""
import runpy, sys
for name in {NOT_NEEDED}:
    sys.modules[name] = None  # importing it fails
sys.argv = ["engines.py", *sys.argv[1:]]
runpy.run_path({str(ROOT / "benchmarks" / "engines.py")!r}, run_name="__main__")
"""
FLAGS = ["--task", "add-or-mul", "--size", "5", "--updates", "3", "--device", "cpu", "--json"]


def rows(*flags: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-c", RUN, *FLAGS, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, Any]]:
    found = rows("--learner", "lstm", "transformer", "--seeds", "1", "2")
    assert [(row["learner"], row["seeds"]) for row in found] == [
        (n, s) for n in ("lstm", "transformer") for s in (1, 2)
    ]
    return {row["learner"]: row for row in found if row["seeds"] == 2}


def test_it_prints_a_row_per_learner(measured: dict[str, dict[str, Any]]) -> None:
    assert list(measured) == ["lstm", "transformer"]
    for row in measured.values():
        assert (row["seeds"], row["updates"], row["device"], row["threads"]) == (2, 3, "cpu", 1)
        assert row["seconds_reference"] > 0 and row["seconds_fused"] > 0
        assert row["ratio"] == pytest.approx(row["seconds_reference"] / row["seconds_fused"])
        assert 0 < row["limit_share"] < 1.5


def test_several_blocks_give_a_row_each() -> None:
    found = rows("--learner", "transformer", "--block", "0", "2", "--seeds", "1", "--candidate", "mul")
    assert [(row["block"], row["seeds"]) for row in found] == [(0, 1), (2, 1)]
    assert [row["shape"].split("x")[0] for row in found] == ["1", "3"]  # T, and a block of one input each
    assert all(row["spread_reference"][0] <= row["seconds_reference"] <= row["spread_reference"][1] for row in found)


def test_it_counts_an_lstms_work(measured: dict[str, dict[str, Any]]) -> None:
    """At add-or-mul/5: 6 source and 11 target symbols, one example; hidden size 512, embedding 16, 8 symbols."""
    encoder, decoder = 2048 * (16 + 512), 2048 * (16 + 512 + 512)
    # forward, backward, and the gradient of the weights
    operations = 2 * 3 * (6 * encoder + 11 * (decoder + 8 * 512))
    assert measured["lstm"]["megaflop_per_update"] == pytest.approx(operations / 1e6, rel=0.01)
    # weights and two moments, each read and written, in single precision
    assert measured["lstm"]["adam_megabytes_per_update"] == pytest.approx(3_223_816 * 24 / 1e6, rel=0.01)
    # each weight matrix is read once per symbol, forward and backward
    read = 2 * 4 * (6 * encoder + 11 * decoder)
    assert measured["lstm"]["product_megabytes_per_update"] == pytest.approx(read / 1e6, rel=0.05)
