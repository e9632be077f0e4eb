"""The summary in the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from doubt.data.task import load_tasks
from doubt.measures.classify import predictions
from doubt.report.summary import duration, summary
from doubt.tables.tables import build_tables, write_tables
from tests.shared.made_up import Row, code, decode, follow

TASKS = load_tasks()
COUNT = TASKS["count-or-mem"]


def said(folder: Path, rows: list[Row]) -> str:
    scores, decodes = ([r for r in rows if r["kind"] == k] for k in ("score", "decode"))
    write_tables(build_tables(scores, decodes, predictions(COUNT, 10, decodes), TASKS), folder / "tables")
    console = Console(width=80, record=True, file=(folder.parent / "terminal").open("w"))
    console.print(summary(folder / "tables"))
    return console.export_text()


def test_rule_share_and_code_lengths_are_said(tmp_path: Path) -> None:
    rows = [decode(seed=s, outputs=follow(COUNT, 10, "count" if s < 4 else "mem")) for s in range(1, 5)]
    rows += [r for s in (1, 2) for c, b in (("count", 2.5), ("mem", 31.0)) for r in code(COUNT, 10, c, "lstm", s, b)]
    (tmp_path / "figures").mkdir()
    text = said(tmp_path, rows)
    assert "count-or-mem" in text and "lstm" in text
    for part in ("count", "3/4 (.30–.95)", "2.50", "31.0", "adam_state fresh", "80 trainings"):
        assert part in text, part
    assert "figures" in text and "index.html" not in text


def test_one_measure_alone(tmp_path: Path) -> None:
    assert "not measured" in said(tmp_path / "a", code(COUNT, 10, "mem", "lstm", 1, 2.0))
    assert "1/1" in said(tmp_path / "b", [decode(outputs=follow(COUNT, 10, "mem"))])


def test_diverged_seeds_are_said(tmp_path: Path) -> None:
    rows = [{**r, "nats": None, "status": "diverged"} for r in code(COUNT, 10, "mem", "lstm", 1, 2.0)]
    text = said(tmp_path, [*rows, decode()])
    assert "(diverged)" in text and "1 diverged" in text


def test_a_rule_that_only_classifies_is_marked(tmp_path: Path) -> None:
    lengths = [len(source) for source in COUNT.test_inputs(10)]
    total = [" ".join("b" * (20 - n)) for n in lengths]
    text = said(tmp_path / "a", [decode(outputs=total)])
    assert "total*" in text and "*: a rule that only classifies and has no code length." in text
    assert "only classifies" not in said(tmp_path / "b", [decode(outputs=follow(COUNT, 10, "mem"))])


def test_nothing_was_measured(tmp_path: Path) -> None:
    assert "Nothing was measured" in said(tmp_path, [])


@pytest.mark.parametrize(("seconds", "words"), [(42, "42 s"), (720, "12 min"), (12240, "3.4 h"), (1e6, "11.6 days")])
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
