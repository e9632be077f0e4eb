"""Texts whose numbers come from tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from indoubt.data.task import load_tasks
from indoubt.errors import UserError
from indoubt.measures.classify import predictions
from indoubt.tables.tables import Tables, build_tables, write_tables
from scripts.quote import quoted
from tests.shared.made_up import code, decode, follow
from tests.shared.workspace import ROOT
from tests.statistics.test_starts_table import table

TASKS = load_tasks()
COUNT = TASKS["count-or-mem"]
CELL = "count-or-mem/10/lstm"


@pytest.fixture(scope="module")
def tables() -> Tables:
    """Three seeds that count and one that memorizes; counting costs 2 and 4 bits."""
    decodes = [decode(seed=s, outputs=follow(COUNT, 10, "count" if s < 4 else "mem")) for s in range(1, 5)]
    scores = [
        r for s in (1, 2) for c, b in (("count", 2.0 * s), ("mem", 31.0)) for r in code(COUNT, 10, c, "lstm", s, b)
    ]
    return build_tables(scores, decodes, predictions(COUNT, 10, decodes), TASKS)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (f'seeds("{CELL}", "count")', "3 of 4 seeds (0.75 [0.30, 0.95])"),  # Wilson's interval of 3 of 4
        (f'fit("{CELL}")', "4 of 4 seeds"),
        (f'bits("{CELL}", "count")', "3.00 bits"),
        (f'bits("{CELL}", "mem")', "31.0 bits"),
        (f'responses("{CELL}", "count")', "0.75 [0.25, 1.00] of the responses of 4 seeds"),
        (f'preferred("{CELL}")', "none"),
        ('claim("cnn-linear")', "**undecided** ("),
    ],
)
def test_numbers_are_looked_up_and_say_their_n(tables: Tables, asked: str, said: str) -> None:
    assert quoted(f"So: {{{{ {asked} }}}}.\n", tables).startswith(f"So: {said}")


def test_tables_have_a_row_for_each_learner(tables: Tables) -> None:
    lines = quoted('{{ shares("count-or-mem/10") }}', tables).splitlines()
    assert lines[0].startswith("| learner | n | fit T | count | mem |") and len(lines) == 3
    assert lines[2].startswith("| lstm | 4 | 4 | 3 [0.30, 0.95] | 1 [0.05, 0.70] |")
    assert (
        quoted('{{ codes("count-or-mem/10") }}', tables).splitlines()[0] == "| learner | n | count | mem | preferred |"
    )
    assert quoted('{{ answers("count-or-mem/10", "mem") }}', tables).splitlines()[2].startswith("| lstm | 4 | 4 | 0.")
    assert "| all |  | 80 |" in quoted("{{ costs() }}", tables)


def test_learners_that_cannot_tell_order_have_a_mark(tables: Tables) -> None:
    blind = {**tables, "verdicts": tables["verdicts"].assign(cannot_tell="order")}
    for asked in ('shares("count-or-mem/10")', 'codes("count-or-mem/10")', 'answers("count-or-mem/10", "mem")'):
        assert quoted(f"{{{{ {asked} }}}}", blind).splitlines()[2].startswith("| lstm † | ")


def test_starts_stand_by_tasks_bold_where_they_differ_from_none() -> None:
    """Eight seeds of ten move from `oddone` to `left`: p = 2/256; one has not learned the start."""
    starts, fpa = table("oooooooooo", "lllllllloo", "yyyyyyyyyn"), pd.DataFrame(
        [{"task": "odd-or-place", "size": 4, "learner": learner, "class": "left", "n": n, "n_seeds": 10}
         for learner, n in (("plain", 0), ("after", 8))]
    )  # fmt: skip
    tables = {"starts": starts, "fpa": fpa}
    assert quoted('{{ starts("plain") }}', tables).splitlines() == [
        "| learned before | odd-or-place/4 |",
        "| --- | --- |",
        "| none | oddone 10/10 |",
        "| hierar-or-linear 4 linear | **left 8/10** (1 not learned) |",
    ]
    said = quoted('{{ started("odd-or-place/4/after", "left") }}', tables)
    assert said == "8 of 10 seeds, without it 0 (corrected p = 0.0078)"
    with pytest.raises(UserError, match="starts of 'lstm'; they were measured of plain"):
        quoted('{{ starts("lstm") }}', tables)


def test_claims_with_a_cell_that_was_run_are_all_there_and_no_others(tables: Tables) -> None:
    run = tables["claims"][tables["claims"]["n_run"] > 0]
    assert len(run)
    lines = quoted("{{ claims() }}", tables).splitlines()
    assert len(lines) == 2 + len(run) and "**" in lines[2]
    assert quoted("{{ n_learners() }} on {{ n_tasks() }}", tables) == "1 on 1"


def test_a_table_of_codes_says_the_seeds_of_the_candidate_that_has_the_fewest(tables: Tables) -> None:
    more = {name: table.copy() for name, table in tables.items()}
    more["code_length"].loc[more["code_length"]["candidate"] == "mem", "n_seeds"] = 7
    assert quoted('{{ codes("count-or-mem/10") }}', more).splitlines()[2].startswith("| lstm | 2 |")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{{ seeds("count-or-mem/10/cnn", "count") }}', "asks for count-or-mem/10/cnn, of which the table fpa has"),
        (f'{{{{ seeds("{CELL}", "cuont") }}}}', "asks for class 'cuont'"),
        ('{{ claim("none") }}', "asks for claim 'none'; there are"),
        ("{{ sedes() }}", "'sedes' is undefined"),
        ("\n{{ seeds( }}", "line 2: "),
    ],
)
def test_what_was_not_measured_is_not_said(tables: Tables, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        quoted(text, tables)


def test_the_script_writes_the_text(tables: Tables, tmp_path: Path) -> None:
    write_tables(tables, tmp_path / "tables")
    (tmp_path / "text.md.j2").write_text(f'{{{{ fit("{CELL}") }}}} fit.\n')
    script = [
        sys.executable,
        str(ROOT / "scripts/quote.py"),
        "text.md.j2",
        "--tables",
        "tables",
        "--output",
        "text.md",
    ]
    subprocess.run(script, cwd=tmp_path, check=True)
    assert (tmp_path / "text.md").read_text() == "4 of 4 seeds fit.\n"
    script[2] = "none"
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("error: the text none cannot be read")
