"""The summary in the terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.console import Console

from indoubt.data.rules import with_random
from indoubt.data.task import load_tasks
from indoubt.measures.classify import predictions
from indoubt.report.summary import summary
from indoubt.schema.wording import duration
from indoubt.tables.tables import build_tables, write_tables
from tests.shared.made_up import Row, code, decode, follow

TASKS = {name: with_random(task) for name, task in load_tasks().items()}
COUNT = TASKS["count-or-mem"]


def said(folder: Path, rows: list[Row], styles: bool = False) -> str:
    scores, decodes = ([r for r in rows if r["kind"] == k] for k in ("score", "decode"))
    write_tables(build_tables(scores, decodes, predictions(COUNT, 10, decodes), TASKS), folder / "tables")
    console = Console(
        width=80, color_system="standard", force_terminal=True, record=True, file=(folder.parent / "terminal").open("w")
    )
    console.print(summary(folder / "tables"))
    return console.export_text(styles=styles)


def test_rule_share_and_code_lengths_are_said(tmp_path: Path) -> None:
    rows = [decode(seed=s, outputs=follow(COUNT, 10, "count" if s < 4 else "mem")) for s in range(1, 5)]
    rows += [r for s in (1, 2) for c, b in (("count", 2.5), ("mem", 31.0)) for r in code(COUNT, 10, c, "lstm", s, b)]
    (tmp_path / "figures").mkdir()
    text = said(tmp_path, rows)
    assert "count-or-mem" in text and "lstm" in text
    for part in ("count", "3/4 (.30–.95)", "2.50", "31.0", "adam_state fresh", "80 trainings"):
        assert part in text, part
    assert "figures" in text and "index.html" not in text


def test_the_shortest_code_is_bold_and_random_labels_never_are(tmp_path: Path) -> None:
    task = with_random(COUNT)
    rows = [r for c, b in (("count", 25.0), ("mem", 5.0), ("random", 1.5)) for r in code(task, 10, c, "lstm", 1, b)]
    text = said(tmp_path, rows, styles=True)
    assert re.search(r"\x1b\[1m *5\.00", text), text
    assert "1.50" in text and not re.search(r"\x1b\[1m *(1\.50|25\.0)", text)


def test_seeds_that_differ_in_number_and_classes_that_tie_are_said(tmp_path: Path) -> None:
    rows = [decode(seed=s, outputs=follow(COUNT, 10, ("count", "mem")[s % 2])) for s in (1, 2)]
    rows += [r for s in (1, 2, 3) for r in code(COUNT, 10, "count", "lstm", s, 2.0)]
    rows += [r for s in (1, 2) for r in code(COUNT, 10, "mem", "lstm", s, 9.0)][:-1]
    text = said(tmp_path, rows)
    assert "count = mem" in text and "1–3, 1 incomplete" in text


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
