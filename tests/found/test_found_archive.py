"""What is found in the archive of the findings: known cells, and how many have words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from indoubt.data.task import Symbols, load_tasks
from indoubt.found.found_rules import found_tables
from indoubt.found.functions import function
from indoubt.found.library import grammar_of
from indoubt.measures.classify import predictions
from indoubt.measures.rows import Row
from indoubt.report.rebuild import rows_of
from indoubt.schema import CELL
from indoubt.workflow.archive import unpack
from indoubt.workflow.plan import Plan
from tests.shared.workspace import ROOT

TASKS = load_tasks()
ARCHIVE = ROOT / "docs/findings/atlas.tar.gz"
pytestmark = [pytest.mark.xdist_group("found_archive"), pytest.mark.long]


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    results: Path = tmp_path_factory.mktemp("archive")
    config, _ = unpack(ARCHIVE, results)
    plan = Plan(yaml.safe_load(config.read_text()), results / ".cache")
    rows: list[Row] = []
    for cell in plan.cells.values():
        if "fpa" in cell.datasets:
            decodes = [row for row in rows_of(plan, cell, results / "ledger") if row["kind"] == "decode"]
            rows += predictions(plan.tasks[cell.task], cell.size, decodes)
    return rows


@pytest.fixture(scope="module")
def found(predicted: list[Row]) -> pd.DataFrame:
    return found_tables(predicted, TASKS)[0]


def cell(found: pd.DataFrame, task: str, learner: str) -> pd.DataFrame:
    return found[(found["task"] == task) & (found["learner"] == learner)]


def test_gpt2_is_two_rules_wholly(found: pd.DataFrame) -> None:
    rows = cell(found, "first-last-majority-parity", "hf-gpt2")
    assert set(rows["form"]) == {"split"} and sorted(rows["n_part"]) == [19, 23]
    assert (rows["throughout"] == 1).all() and (rows["n_seeds"] == 42).all()


@pytest.mark.parametrize(
    ("task", "learner", "form", "share"),
    [
        ("first-last-majority-parity", "hf-llama", "rule", 0.97),
        ("first-last-majority-parity", "gru-64", "rule", 0.97),
        ("odd-or-place", "decoder-nope", "split", 0.99),
        ("oddone-or-linear", "hf-llama", "rule", 0.96),
        ("count-wrap-saturate", "gru-64", "rule", 0.95),
        ("comp-or-mem", "hf-gpt2", "mixture", 0.96),
    ],
)
def test_known_cells_have_known_forms_and_shares(
    found: pd.DataFrame, task: str, learner: str, form: str, share: float
) -> None:
    rows = cell(found, task, learner)
    rows = rows[rows["size"] == {"comp-or-mem": 5}.get(task, rows["size"].min())]
    assert set(rows["form"]) == {form}
    assert rows["share"].iloc[0] == pytest.approx(share, abs=0.011)


def test_rotary_decoders_find_a_place_modulo_one_turn(found: pd.DataFrame) -> None:
    for learner in ("hf-llama", "decoder-rope"):
        row = cell(found, "oddone-or-linear", learner).iloc[0]
        assert "11th from the end" in row["words"] and row["stable"] == "True", row["words"]


def test_three_answers_are_drawn_from(found: pd.DataFrame) -> None:
    rows = cell(found, "comp-or-mem", "hf-gpt2")
    outputs = said(rows[rows["size"] == 5], "comp-or-mem", 5, ("F", "c"))
    assert outputs == {("C",), ("A", "A", "A"), ("C", "A", "A")}


def test_the_cnn_gives_the_first_and_third_symbol_mirrored(found: pd.DataFrame) -> None:
    rows = cell(found, "copy-or-reverse", "cnn")
    assert ("a", "b", "b", "a") in said(rows[:1], "copy-or-reverse", 4, ("a", "a", "b", "b"))
    assert rows["best_share"].iloc[0] == pytest.approx(0.76, abs=0.011)


def said(rows: pd.DataFrame, task: str, size: int, source: Symbols) -> set[Symbols | None]:
    """What the rules of some rows give for a source."""
    training = dict(TASKS[task].training_set(size))
    grammar = grammar_of(training, TASKS[task].holdout_inputs(size))
    return {function(python, size, training, grammar)(source, size) for python in rows["python"]}


def test_most_cells_of_no_rule_have_words_that_hold(found: pd.DataFrame, predicted: list[Row]) -> None:
    """116 cells have more such seeds than others; 75 of them must have words, none against its own share."""
    cells = found.drop_duplicates(CELL)
    least = {"rule": 0.8, "split": 0.8, "given": 0.8, "mixture": 0.8, "kind": 0.9}
    for row in cells.itertuples():
        if row.form in least:
            assert row.share >= least[row.form]
        elif row.form == "about":
            assert row.within_one >= 0.9
    seeds = pd.DataFrame(predicted, columns=[*CELL, "seed"]).groupby(CELL)["seed"].nunique().rename("n_all")
    mostly = cells.merge(seeds, on=CELL).query("n_seeds > n_all / 2")
    with_words = mostly["form"].isin([*least, "about"])
    assert len(mostly) == 116 and with_words.sum() >= 75
