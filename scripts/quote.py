"""A text whose numbers are filled in from the tables of a run, so that none is typed by hand.

    .venv/bin/python scripts/quote.py text.md.j2 --tables results/tables --output text.md

A text is Markdown with Jinja's braces. What stands in them looks numbers up and writes each with n and interval:
`{{ seeds("hierar-or-linear/4/transformer", "hierar") }}` becomes `31 of 48 seeds (.65 [.50, .77])`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.data.codes import CodeKind
from indoubt.engines.registry import OF_PROMPTS
from indoubt.errors import UserError, exit_on_user_error
from indoubt.files import write_atomically
from indoubt.measures.classify import UNFIT
from indoubt.schema import RUN
from indoubt.schema.wording import bits_text, number, share, span
from indoubt.tables.tables import read_table


def quoted(text: str, tables: Mapping[str, pd.DataFrame]) -> str:
    """The text with everything in braces looked up.

    Raises:
        UserError: a cell, rule or claim that was not measured, or a fault in what stands in braces.
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    quotes = Quotes(tables)
    given = {name: getattr(quotes, name) for name in dir(quotes) if not name.startswith("_")}
    try:
        return environment.from_string(text).render(given)
    except jinja2.TemplateError as error:
        line = f"line {error.lineno}: " if isinstance(error, jinja2.TemplateSyntaxError) else ""
        raise UserError(f"the text cannot be filled in: {line}{error.message}") from None


class Quotes:
    """What a text can ask for. A cell is written as everywhere: `task/size/learner`."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables = tables

    def seeds(self, cell: str, rule: str) -> str:
        """How many seeds are of a class (a rule, `other`, `unfit`), their share and its Wilson interval."""
        row = self._row("fpa", cell, "class", rule)
        return f"{row['n']} of {row['n_seeds']} {_seeds(row)} ({share(row['fpa'])} {_interval(row, share)})"

    def fit(self, cell: str) -> str:
        """How many seeds fit T."""
        rows = self._of("fpa", cell)
        return f"{rows['n_fit'].iloc[0]} of {rows['n_seeds'].iloc[0]} {_seeds(rows.iloc[0])}"

    def responses(self, cell: str, rule: str) -> str:
        """The share of responses to H that a rule gives, with its bootstrap interval over seeds."""
        row = self._row("responses", cell, "rule", rule)
        said = _interval(row, share) or "all seeds equal"
        return f"{share(row['share'])} {said} of the responses of {row['n_seeds']} {_seeds(row)}"

    def bits(self, cell: str, candidate: str) -> str:
        """A candidate's mean code length, with its interval."""
        row = self._row("code_length", cell, "candidate", candidate)
        if row["n_at_least"]:
            kind = CodeKind(row["codes"], row["blocks"]).words
            return f"at least {number(row['bits_at_least'])} bits ({kind}; n = {row['n_seeds'] + row['n_at_least']})"
        return f"{number(row['bits_mean'])} bits {_interval(row, number)} (n = {row['n_seeds']})"

    def uniform(self, cell: str) -> str:
        """What each candidate costs a cell's learner that knows nothing: `20.7 (mem_prim), 41.4 (compo)` bits."""
        rows = self._of("code_length", cell)
        said = (f"{number(bits)} ({name})" for name, bits in zip(rows["candidate"], rows["uniform_bits"], strict=True))
        return f"{', '.join(said)} bits"

    def outside(self, cell: str, candidate: str) -> str:
        """What it costs beside to say symbols of the task at all, of a language model that is read in context."""
        return f"{number(self._row('code_length', cell, 'candidate', candidate)['outside_bits'])} bits"

    def verdict(self, cell: str) -> str:
        """Which rule a cell prefers, by which measure, in the words of the report."""
        return str(self._of("verdicts", cell)["verdict"].iloc[0])

    def preferred(self, cell: str) -> str:
        """The rule that the corrected test gives, or `none`."""
        return str(self._of("verdicts", cell)["rule"].iloc[0]) or "none"

    def claim(self, name: str) -> str:
        """What the claims' own test says of a published claim, and why."""
        claims = self._tables["claims"]
        found = claims[claims["id"] == name]
        if found.empty:
            raise UserError(f"the text asks for claim {name!r}; there are {', '.join(claims['id'])}")
        return f"**{found['state'].iloc[0]}** ({found['why'].iloc[0]})"

    def claims(self) -> str:
        """A table of all published claims of which a cell was run: who says it, in which words, and what is seen."""
        lines = [["claim", "source", "state", "what is seen"]]
        lines += [
            [row["statement"], row["source"].split(",")[0], f"**{row['state']}**", row["why"]]
            for row in self._tables["claims"].to_dict("records")
            if row["n_run"]
        ]
        return _markdown(lines)

    def n_learners(self) -> str:
        """How many learners have a verdict."""
        return str(self._tables["verdicts"]["learner"].nunique())

    def n_tasks(self) -> str:
        """How many tasks have one."""
        return str(self._tables["verdicts"]["task"].nunique())

    def shares(self, *task_sizes: str) -> str:
        """A table for each (task, size): of each learner how many seeds fit T, and how many are of each class."""
        parts = []
        for name in task_sizes:
            rows = self._of_task("fpa", name)
            classes = [c for c in dict.fromkeys(rows["class"]) if rows.loc[rows["class"] == c, "n"].sum() or c == UNFIT]
            lines = [["learner", "n", "fit T", *classes]]
            for learner, of in _by(rows, "class"):
                cells = [f"{of[c]['n']} {_interval(of[c], share)}" if c in of and of[c]["n"] else "0" for c in classes]
                first = next(iter(of.values()))
                lines.append([self._marked(learner), str(first["n_seeds"]), str(first["n_fit"]), *cells])
            parts.append(_markdown(lines))
        return "\n\n".join(parts)

    def codes(self, name: str) -> str:
        """A table of a (task, size): of each learner the candidates' mean code lengths in bits, and the verdict."""
        rows = self._of_task("code_length", name)
        candidates = list(dict.fromkeys(rows["candidate"]))
        lines = [["learner", "n", *candidates, "preferred"]]
        for learner, of in _by(rows, "candidate"):
            cells = [bits_text(of[c]) for c in candidates]
            verdict = self._of("verdicts", f"{name}/{learner}").iloc[0]
            n = min(row["n_seeds"] + row["n_at_least"] for row in of.values())
            lines.append([self._marked(learner), str(n), *cells, str(verdict["code_rule"]) or "–"])
        return _markdown(lines)

    def answers(self, name: str, *rules: str) -> str:
        """A table of a (task, size): for each learner the shares of responses that rules give, and that none gives."""
        rows = self._of_task("responses", name)
        fitting = self._tables["fpa"].drop_duplicates(["task", "size", "learner"])
        n_fit = fitting.set_index(fitting["task"] + "/" + fitting["size"].astype(str) + "/" + fitting["learner"])[
            "n_fit"
        ]
        lines = [["learner", "n", "fit T", *rules]]
        for learner, of in _by(rows, "rule"):
            cells = [f"{share(of[r]['share'])} {_interval(of[r], share)}".rstrip() for r in rules]
            n_seeds = next(iter(of.values()))["n_seeds"]
            lines.append([self._marked(learner), str(n_seeds), str(n_fit[f"{name}/{learner}"]), *cells])
        return _markdown(lines)

    def starts(self, base: str) -> str:
        """The matrix of a learner's starts by tasks: what most seeds do then, bold where that differs from no start."""
        rows = self._tables["starts"]
        rows = rows[(rows["base"] == base) | (rows["learner"] == base)]
        if rows.empty:
            known = ", ".join(sorted({*self._tables["starts"]["base"]} - {""}))
            raise UserError(f"the text asks for starts of {base!r}; they were measured of {known or 'no learner'}")
        tasks = list(dict.fromkeys(zip(rows["task"], rows["size"], strict=True)))
        lines = [["learned before", *(f"{task}/{size}" for task, size in tasks)]]
        for start in sorted(dict.fromkeys(rows["start"]), key=lambda name: name != "none"):
            of = rows[rows["start"] == start].set_index(["task", "size"])
            lines.append([start, *(_moved(of.loc[place]) if place in of.index else "–" for place in tasks)])
        return _markdown(lines)

    def started(self, cell: str, rule: str) -> str:
        """How many seeds of a learner with a start are of a class, beside those without it; p is of all classes."""
        row = self._of("starts", cell).iloc[0]
        task, size, _ = cell.split("/")
        before = self._row("fpa", f"{task}/{size}/{row['base']}", "class", rule)["n"]
        after = self._row("fpa", cell, "class", rule)
        return f"{after['n']} of {after['n_seeds']} seeds, without it {before} (corrected p = {row['p_holm']:.2g})"

    def costs(self) -> str:
        """A table of what was spent: for each learner its trainings, hours on the clock, and seconds per training."""
        costs = self._tables["costs"].groupby(["learner", "engine"], as_index=False)[["n_trainings", "seconds"]].sum()
        lines = [["learner", "engine", "trainings", "hours", "s per training"]]
        for row in costs.to_dict("records"):
            each, hours = row["seconds"] / row["n_trainings"], row["seconds"] / 3600
            lines.append([row["learner"], row["engine"], f"{row['n_trainings']:,}", f"{hours:.2f}", f"{each:.1f}"])
        n, hours = costs["n_trainings"].sum(), costs["seconds"].sum() / 3600
        return _markdown([*lines, ["all", "", f"{n:,}", f"{hours:.1f}", ""]])

    def _marked(self, learner: str) -> str:
        """A learner's name, with a mark if it cannot tell order."""
        rows = self._tables["verdicts"]
        kinds = rows.loc[rows["learner"] == learner, "cannot_tell"]
        return f"{learner} †" if kinds.str.contains("order").any() else learner

    def _of(self, table: str, cell: str) -> pd.DataFrame:
        """A cell's rows."""
        task, size, learner = cell.split("/")
        rows = self._tables[table]
        found = rows[(rows["task"] == task) & (rows["size"].astype(str) == size) & (rows["learner"] == learner)]
        if found.empty:
            raise UserError(f"the text asks for {cell}, of which the table {table} has nothing")
        return found

    def _of_task(self, table: str, name: str) -> pd.DataFrame:
        """The rows of all learners on a (task, size)."""
        task, size = name.split("/")
        rows = self._tables[table]
        found = rows[(rows["task"] == task) & (rows["size"].astype(str) == size)]
        if found.empty:
            raise UserError(f"the text asks for {name}, of which the table {table} has nothing")
        return found

    def _row(self, table: str, cell: str, column: str, value: str) -> Any:
        """The one row of a cell with this value."""
        rows = self._of(table, cell)
        found = rows[rows[column] == value]
        if len(found) != 1:
            known = ", ".join(rows[column])
            raise UserError(f"the text asks for {column} {value!r} of {cell}, where the table {table} has {known}")
        return found.iloc[0]


def _by(rows: pd.DataFrame, column: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each learner's rows by the value of a column."""
    for learner, found in rows.groupby("learner"):
        yield str(learner), {str(row[column]): row for row in found.to_dict("records")}


def _moved(row: Any) -> str:
    """What most seeds do after a start, of how many, and how many had not learned it."""
    said = f"{row['class']} {row['n']}/{row['n_seeds']}"
    said = f"**{said}**" if str(row["differs"]) == "True" else said
    return said + (f" ({int(row['n_not_learned'])} not learned)" if row["n_not_learned"] > 0 else "")


def _seeds(row: Any) -> str:
    """What a row's seeds are: of a language model that is read in context, prompts."""
    return "prompts" if row["engine"] in OF_PROMPTS else "seeds"


def _interval(row: Any, form: Any) -> str:
    return span(float(row["ci_low"]), float(row["ci_high"]), form)


def _markdown(lines: list[list[str]]) -> str:
    """A table, its first line the header."""
    head, *rest = lines
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rest])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--tables", type=Path, default=Path("results/tables"), metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    try:
        text = arguments.text.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"the text {arguments.text} cannot be read: {error.strerror}") from None
    write_atomically(arguments.output, quoted(text, {name: read_table(arguments.tables, name) for name in RUN}))


if __name__ == "__main__":
    exit_on_user_error(main)
