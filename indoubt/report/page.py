"""The whole page, from the tables and figures of a results folder."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from indoubt.data.task import Task
from indoubt.figures import ATLAS, ATLAS_CAPTION, STARTS, STARTS_CAPTION
from indoubt.figures.style import Palette
from indoubt.measures.rows import either
from indoubt.report import provenance
from indoubt.report.answer import STATES, Answers
from indoubt.report.sections import learner_section, missing, read_panels, task_section
from indoubt.report.table_columns import AGREEMENT, CLAIMS, COSTS, GLOSSARY, MISSING, page_table
from indoubt.schema import ORIGIN, PROTOCOL, RUN
from indoubt.schema.wording import counted, duration
from indoubt.statistics.claim_tests import CONTRADICTED, SUPPORTED, TOO_FEW, UNDECIDED
from indoubt.tables.tables import read_found, read_table

HERE = Path(__file__).parent
CLAIM_STATES = (SUPPORTED, CONTRADICTED, TOO_FEW, UNDECIDED)
ASSETS = (
    *("pico.min.css", "sortable-base.min.css", "sortable.min.js", "sortable.a11y.min.js"),
    *("report.css", "report.js"),
)


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
        expected: what was to be run, so that the page can say what is missing (`sections.missing`); tasks and learners
            stand in its order, else by name.

    Raises:
        UserError: a table or figure is missing.
    """
    read = {name: read_table(tables, name) for name in RUN} | read_found(tables)
    verdicts, costs, claims = read["verdicts"], read["costs"], read["claims"]
    task_names = _in_order(verdicts["task"], [cell["task"] for cell in expected or []])
    learner_names = _in_order(verdicts["learner"], [cell["learner"] for cell in expected or []])
    order = {state: place for place, state in enumerate(CLAIM_STATES)}
    claims = claims.assign(order=claims["state"].map(order)).sort_values("order", kind="stable").drop(columns="order")
    run = claims[claims["n_run"] > 0]
    absent = missing(expected, read) if expected is not None else None
    atlas = len(task_names) > 1 and len(learner_names) > 1
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"colour": Palette(read["fpa"], read["code_length"]).colour, "counted": counted}
    return environment.get_template("page.html.j2").render(
        assets={name: Markup((HERE / "assets" / name).read_text(encoding="utf-8")) for name in ASSETS},
        made=datetime.date.today().isoformat(),
        answer=Answers(read).matrix(task_names, learner_names),
        states=STATES,
        atlas=read_panels(figures / ATLAS[-1], ATLAS_CAPTION)[0][0] if atlas else "",
        starts=read_panels(figures / STARTS[-1], STARTS_CAPTION)[0][0] if len(read["starts"]) else "",
        protocol={part: either(verdicts[part]) for part in PROTOCOL},
        origin={part: either(costs[part]).removeprefix("mixed: ") for part in ORIGIN},
        tasks=[task_section(name, tasks.get(name), read, figures) for name in task_names],
        learners=[learner_section(name, verdicts, (made_by or {}).get(f"learner.{name}")) for name in learner_names],
        claims=page_table("claims", "Published claims on what was run", run, CLAIMS),
        claims_not_run=claims[claims["n_run"] == 0].to_dict("records"),
        claim_states={state: n for state in CLAIM_STATES if (n := int((run["state"] == state).sum()))},
        agreement=page_table("agreement", "Agreement of the two measures", read["agreement"], AGREEMENT),
        costs=page_table("costs", "Trainings and their time", costs, COSTS),
        trainings=int(costs["n_trainings"].sum()),
        diverged=int(costs["n_diverged"].sum()),
        time=duration(float(costs["seconds"].sum())),
        missing=None if absent is None else page_table("missing", "What is missing", absent, MISSING),
        made_by=provenance.of_this_machine() if made_by is None else made_by,
        config=config,
        glossary=GLOSSARY,
    )


def _in_order(there: pd.Series, order: Iterable[str]) -> list[str]:
    """Each name that is there, once: first those of an order, then others by name."""
    names = set(there)
    return [name for name in dict.fromkeys([*order, *sorted(names)]) if name in names]
