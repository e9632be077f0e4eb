"""The whole page, from the tables and figures of a results folder."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from indoubt.data.task import Task
from indoubt.figures.style import NO_RULE_COLOURS, RULE_COLOURS, rules_of
from indoubt.measures.rows import either
from indoubt.report import provenance
from indoubt.report.answer import SURE, answer, with_seeds_needed
from indoubt.report.sections import learner_section, missing, task_section
from indoubt.report.table_columns import AGREEMENT, CLAIMS, COSTS, MISSING, PageTable, page_table
from indoubt.schema import ORIGIN, PROTOCOL, RUN
from indoubt.statistics.judging import CONTRADICTED, SUPPORTED, TOO_FEW, UNDECIDED
from indoubt.tables.tables import read_found, read_table
from indoubt.tables.wording import duration

HERE = Path(__file__).parent
STATES = (SUPPORTED, CONTRADICTED, TOO_FEW, UNDECIDED)


def build_page(
    tables: Path,
    figures: Path,
    tasks: Mapping[str, Task],
    made_by: Mapping[str, str] | None = None,
    config: str = "",
    expected: list[dict[str, Any]] | None = None,
) -> str:
    """The report as HTML.

    Args:
        tables: folder of the tables.
        figures: folder of the figures.
        tasks: all tasks, for their questions and examples.
        made_by: what made the results, in lines; None: what makes the report.
        config: the resolved configuration, shown as it is.
        expected: what was to be run, so that the page can say what is missing (`sections.missing`).

    Raises:
        UserError: a table or figure is missing.
    """
    read = {name: read_table(tables, name) for name in RUN} | read_found(tables)
    verdicts, costs, claims = with_seeds_needed(read["verdicts"], read["preferences"]), read["costs"], read["claims"]
    names = sorted(set(verdicts["task"]))
    order = {state: place for place, state in enumerate(STATES)}
    claims = claims.assign(order=claims["state"].map(order)).sort_values("order", kind="stable").drop(columns="order")
    lost = missing(expected, read) if expected is not None else None
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["colour"] = _colours(read["fpa"], read["code_length"])
    return environment.get_template("page.html.j2").render(
        assets={name: Markup((HERE / "assets" / name).read_text(encoding="utf-8")) for name in _assets()},
        made=datetime.date.today().isoformat(),
        answer=answer(verdicts, read["code_length"]),
        sure=SURE,
        protocol={part: either(verdicts[part]) for part in PROTOCOL},
        origin={part: either(costs[part]) for part in ORIGIN},
        made_up="made-up" in set(costs["engine"]),
        tasks=[task_section(name, tasks.get(name), read, figures) for name in names],
        learners=[
            learner_section(name, verdicts, (made_by or {}).get(f"learner.{name}"))
            for name in sorted(set(verdicts["learner"]))
        ],
        claims=page_table("claims", "Published claims", claims, CLAIMS),
        claim_states={state: int((claims["state"] == state).sum()) for state in STATES},
        agreement=page_table("agreement", "Agreement of the two measures", read["agreement"], AGREEMENT),
        costs=page_table("costs", "Trainings and their time", costs, COSTS),
        trainings=int(costs["n_trainings"].sum()),
        diverged=int(costs["n_diverged"].sum()),
        time=duration(float(costs["seconds"].sum())),
        missing=_missing(lost),
        made_by=provenance.of_this_machine() if made_by is None else made_by,
        config=config,
    )


def _missing(lost: pd.DataFrame | None) -> PageTable | None:
    return None if lost is None else page_table("missing", "What is missing", lost, MISSING)


def _assets() -> list[str]:
    return [
        "pico.min.css",
        "sortable-base.min.css",
        "sortable.min.js",
        "sortable.a11y.min.js",
        "report.css",
        "report.js",
    ]


def _colours(fpa: pd.DataFrame, code: pd.DataFrame) -> Any:
    """The colour of a task's rule, as in the figures."""
    rules = {
        task: rules_of([*fpa.loc[fpa["task"] == task, "class"], *code.loc[code["task"] == task, "candidate"]])
        for task in {*fpa["task"], *code["task"]}
    }

    def colour(task: str, rule: str) -> str:
        known = rules.get(task, [])
        return RULE_COLOURS[known.index(rule) % len(RULE_COLOURS)] if rule in known else NO_RULE_COLOURS["other"]

    return colour
