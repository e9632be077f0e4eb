"""The page's sections: per task what was asked and found, per learner its verdicts, the claims, what is missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from indoubt.data.task import Task
from indoubt.figures import FIGURES, TaskFigure, files
from indoubt.files import read_text
from indoubt.found.wording import by_cell, sentence
from indoubt.measures.classify import NO_RULE
from indoubt.measures.code_length import block_quartiles
from indoubt.measures.responses import with_shares
from indoubt.report import table_columns as columns
from indoubt.report.notes import notes
from indoubt.report.question import Example, example, only_classify, question
from indoubt.report.table_columns import PageTable, page_table
from indoubt.schema import CELL
from indoubt.statistics.preferences import NOT_MEASURED

#: Outputs shown per class and input at most, and inputs per class that follows no rule.
MOST_OUTPUTS, MOST_INPUTS = 3, 12


@dataclass(frozen=True)
class PageFigure:
    """A figure of the page: its panels as SVG, notes below them, and its data (CSV, or the table that has it)."""

    name: str
    title: str
    panels: list[str]
    notes: str
    csv: str
    table: str = ""


@dataclass(frozen=True)
class TaskSection:
    """One task's part of the page."""

    name: str
    question: str
    example: Example | None
    figures: list[PageFigure]
    tables: list[PageTable]
    notes: list[str]
    found: list[tuple[str, str]]


@dataclass(frozen=True)
class LearnerSection:
    """One learner: what it is, and the verdicts on it."""

    name: str
    description: str | None
    table: PageTable


def task_section(name: str, task: Task | None, tables: Mapping[str, pd.DataFrame], figures: Path) -> TaskSection:
    """What was asked and found in one task."""
    of = {key: table[table["task"] == name] for key, table in tables.items() if "task" in table}
    sizes = sorted(set(of["verdicts"]["size"]))
    pairs = of["preferences"]
    page_tables = [
        page_table(f"fpa-{name}", "Which rule seeds follow (FPA)", _of_some(of["fpa"]), columns.FPA),
        page_table(
            f"responses-{name}",
            "Which rule single responses follow",
            _of_some(of["responses"]),
            columns.RESPONSES,
        ),
        page_table(f"code-length-{name}", "Code lengths", of["code_length"], columns.CODE_LENGTH),
        page_table(
            f"preferences-{name}",
            "Rules compared pair by pair, by code length",
            pairs[pairs["level"] != NOT_MEASURED],
            columns.PREFERENCES,
        ),
        page_table(
            f"fpa-preferences-{name}",
            "Rules compared pair by pair, by FPA",
            pairs[pairs["fpa_n_seeds"] > 0],
            columns.FPA_PREFERENCES,
        ),
        page_table(f"paths-{name}", "Each seed's path through training", of["seed_paths"], columns.PATHS),
        page_table(
            f"outputs-{name}", _title_of_outputs(of["fpa"]), with_shares(_outputs(of["outputs"])), columns.OUTPUTS
        ),
    ]
    extra = [only_classify(task, sizes)] if task else []
    return TaskSection(
        name,
        question(task, sizes) if task else "This task's file was not found.",
        example(task, sizes) if task else None,
        [_figure(name, figure, of, figures) for figure in FIGURES.values() if _is_measured(figure, of)],
        [table for table in page_tables if table.rows],
        [*filter(None, extra), *notes(of)],
        [
            (f"{learner} {size}" if len(sizes) > 1 else learner, sentence(rows))
            for (_, size, learner), rows in by_cell(of["found_rules"])
        ],
    )


def _of_some(rows: pd.DataFrame) -> pd.DataFrame:
    """The classes, or rules, that some seed or response is of, the commonest of each cell first."""
    return rows[rows["n"] > 0].sort_values(["size", "learner", "n"], ascending=[True, True, False], kind="stable")


def _figure(task: str, figure: TaskFigure, of: Mapping[str, pd.DataFrame], figures: Path) -> PageFigure:
    """One figure; the data beside it is what it shows."""
    data = {
        "code_lengths": of["seed_code_lengths"][
            ["size", "learner", "candidate", "seed", "bits", "state", "bits_at_least"]
        ],
        "code_curves": block_quartiles(of["blocks"]),
    }.get(figure.name, of[figure.table])
    csv = "" if figure.table == "fpa" else data.to_csv(index=False, lineterminator="\n", float_format="%.6g")
    panels, below = read_panels(figures / task / files(figure.name)[-1], f"{figure.title} {task}")
    name, table = f"{figure.name}-{task}", f"fpa-{task}" if figure.table == "fpa" else ""
    return PageFigure(name, figure.title, panels, below, csv, table)


def read_panels(path: Path, label: str) -> tuple[list[str], str]:
    """The panels of a figure as elements of the page, and what is said below them.

    Args:
        path: a file of `indoubt.figures.style.save_panels`.
        label: the alternative text of a panel, before its own title.

    Raises:
        UserError: the figure is missing.
    """
    drawing = json.loads(read_text(path, "make it with `snakemake figures --cores 1`"))
    panels = []
    for panel in drawing["panels"]:
        named = escape(f"{label}: {panel['title']}", quote=True)
        panels.append(panel["svg"].replace("<svg ", f'<svg role="img" aria-label="{named}" ', 1))
    return panels, drawing["notes"]


def _is_measured(figure: TaskFigure, of: Mapping[str, pd.DataFrame]) -> bool:
    """Whether there is anything to show in a figure."""
    if figure.table == "code_length":
        return bool(of["blocks"]["bits"].notna().any())
    return len(of[figure.table]) > 0


def _title_of_outputs(fpa: pd.DataFrame) -> str:
    """What the table of outputs shows: of a large H not all."""
    large = len(fpa) > 0 and fpa["n_holdout"].max() > MOST_INPUTS
    return "What learners output" + f" (of a class at most {MOST_INPUTS} inputs; outputs.csv has all)" * bool(large)


def _outputs(outputs: pd.DataFrame) -> pd.DataFrame:
    """The commonest outputs per cell, class and input; inputs of T only where they are answered wrongly."""
    fits = outputs["in_training"].astype(str).eq("True") & ~outputs["class"].isin(["unfit"])
    ranked = outputs[~fits].sort_values("n_seeds", ascending=False, kind="stable")
    most = ranked.groupby(["size", "learner", "class", "src"], sort=False).head(MOST_OUTPUTS)
    # of what follows a rule one input tells all; what follows none is shown in full, but of a large H a part
    following = most[~most["class"].isin(NO_RULE)].groupby(["size", "learner", "class"], sort=False).head(1)
    astray = most[most["class"].isin(NO_RULE)]
    inputs = astray.groupby(["size", "learner", "class"], sort=False)["src"].transform(lambda of: pd.factorize(of)[0])
    shown = pd.concat([astray[inputs < MOST_INPUTS], following])
    return shown.sort_values(["size", "learner", "class"], kind="stable")


def learner_section(name: str, verdicts: pd.DataFrame, description: str | None) -> LearnerSection:
    """The verdicts on a learner over all tasks; `description` says what it is."""
    of = verdicts[verdicts["learner"] == name]
    return LearnerSection(name, description, page_table(f"profile-{name}", f"Verdicts on {name}", of, columns.PROFILE))


def missing(expected: list[dict[str, Any]], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Seeds that were to be run and are not, or not wholly, in the tables.

    Args:
        expected: mappings with task, size, learner, seeds (numbers) and datasets (`fpa` and candidates).
    """
    classes, lengths = tables["seed_classes"], tables["seed_code_lengths"]
    done = {(*k, "fpa"): set(g["seed"]) for k, g in classes.groupby(CELL)}
    complete = lengths[lengths["state"] != "incomplete"]
    done |= {k: set(g["seed"]) for k, g in complete.groupby([*CELL, "candidate"])}
    rows = []
    for cell in expected:
        for dataset in cell["datasets"]:
            there = done.get((cell["task"], cell["size"], cell["learner"], dataset), set())
            n = len(set(cell["seeds"]) - there)
            if n:
                counts = {"n_seeds": len(cell["seeds"]), "n_missing": n}
                rows.append({key: cell[key] for key in CELL} | {"dataset": dataset} | counts)
    return pd.DataFrame(rows, columns=[*CELL, "dataset", "n_seeds", "n_missing"])
