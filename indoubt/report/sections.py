"""The page's sections: per task what was asked and found, per learner its profile, the claims, what is missing."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from indoubt.data.rules import RANDOM, rules
from indoubt.data.task import Symbols, Task, line
from indoubt.figures import OF_CODE_MILESTONES, OF_FPA_MILESTONES, OF_SWEEPS, files
from indoubt.found.wording import by_cell, sentence
from indoubt.measures.classify import NO_RULE
from indoubt.measures.responses import with_shares
from indoubt.report import table_columns as columns
from indoubt.report.answer import Finding, findings
from indoubt.report.over_time import over_time
from indoubt.report.question import in_numbers, question
from indoubt.report.svg import Panels, panels
from indoubt.report.table_columns import PageTable, page_table
from indoubt.statistics.paired import ALPHA
from indoubt.tables.wording import p_text

#: Outputs shown per class and input at most, and inputs per class that follows no rule.
MOST_OUTPUTS, MOST_INPUTS = 4, 40
FIGURES = {
    "rule_shares": "Which rule do seeds follow?",
    "code_lengths": "How many bits does each rule's hold-out take?",
    "code_curves": "How does the code get shorter, block by block?",
    OF_FPA_MILESTONES: "When in training is a rule chosen?",
    OF_CODE_MILESTONES: "How does the code get shorter, update by update?",
    OF_SWEEPS: "How much hangs on hyperparameters?",
}


@dataclass(frozen=True)
class PageFigure:
    """A figure in panels, and the data beside it (CSV)."""

    name: str
    title: str
    panels: Panels
    csv: str


@dataclass(frozen=True)
class Example:
    """The ambiguous example written out: T's examples, and one hold-out input with what each rule says."""

    size: int
    training: list[tuple[str, str]]
    n_training: int
    source: str
    outputs: list[tuple[str, str, str]]


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
    """One learner's bias profile."""

    name: str
    what: str | None
    findings: list[tuple[str, list[Finding]]]
    table: PageTable


def task_section(name: str, task: Task | None, tables: Mapping[str, pd.DataFrame], figures: Path) -> TaskSection:
    """What was asked and found in one task."""
    of = {key: table[table["task"] == name] for key, table in tables.items() if "task" in table}
    sizes = sorted(set(of["verdicts"]["size"]))
    example = _example(task, sizes) if task else None
    page_tables = [
        page_table(
            f"fpa-{name}",
            "Shares of seeds per rule that some follow (FPA), with Wilson 95 % intervals",
            _happened(of["fpa"]),
            columns.FPA,
        ),
        page_table(
            f"responses-{name}",
            "Shares of single responses per rule that gives some, with bootstrap 95 % intervals over seeds",
            _given(of["responses"]),
            columns.RESPONSES,
        ),
        page_table(f"code-length-{name}", "Code lengths (bits)", of["code_length"], columns.CODE_LENGTH),
        page_table(f"preferences-{name}", "Preferences, tested pair by pair", of["preferences"], columns.PREFERENCES),
        page_table(f"paths-{name}", "Each seed's path through training", of["seed_paths"], columns.PATHS),
        page_table(
            f"outputs-{name}", _title_of_outputs(of["fpa"]), with_shares(_outputs(of["outputs"])), columns.OUTPUTS
        ),
    ]
    return TaskSection(
        name,
        question(task, sizes) if task else "This task's file was not found.",
        example,
        [_figure(name, figure, of, figures) for figure in FIGURES if _is_measured(figure, of)],
        [table for table in page_tables if table.rows],
        [*(_only_classify(task, sizes) if task else []), *_notes(of)],
        [
            (f"{learner} {size}" if len(sizes) > 1 else learner, sentence(rows))
            for (_, size, learner), rows in by_cell(of["found_rules"])
        ],
    )


def _only_classify(task: Task, sizes: list[int]) -> list[str]:
    """The rules and answers that a task is also classified by, in a sentence."""
    named = [
        f"{name} ({in_numbers((inspect.getdoc(rule) or 'no description').split(chr(10))[0], [min(sizes)]).rstrip('.')})"
        for name, rule in (*task.further_rules.items(), *task.answers.items())
    ]
    return [f"Also classified by, but not sent, so that they have no code length: {'; '.join(named)}."] if named else []


def _given(responses: pd.DataFrame) -> pd.DataFrame:
    """The rules that some response of a cell is of, the commonest first."""
    return responses[responses["n"] > 0].sort_values(
        ["size", "learner", "share"], ascending=[True, True, False], kind="stable"
    )


def _example(task: Task, sizes: list[int]) -> Example:
    """The smallest size's T and the hold-out input on which the rules differ most."""
    size = min(sizes)
    holdout = [s for s in task.holdout_inputs(size) if s]
    source: Symbols = max(holdout, key=lambda s: (len({rule(s, size) for rule in rules(task).values()}), -len(s)))
    said = [
        (name, line(rule(source, size)), in_numbers((inspect.getdoc(rule) or "").split("\n")[0], [size]))
        for name, rule in rules(task).items()
    ]
    training = task.training_set(size)
    shown = training if len(training) <= 4 else [*training[:2], *training[-1:]]
    return Example(size, [(line(s), line(t)) for s, t in shown], len(training), line(source), said)


def _figure(task: str, name: str, of: Mapping[str, pd.DataFrame], figures: Path) -> PageFigure:
    """One figure; the data beside it is what it shows."""
    if name == "rule_shares":
        data = of["fpa"]
        label = f"Bars: share of seeds per rule in {task}; the numbers stand in the table below"
    elif name == "code_lengths":
        data = of["seed_code_lengths"][["size", "learner", "candidate", "seed", "bits", "state"]]
        label = f"Points: code length of each seed in {task}, per candidate; summed up in the table below"
    elif name in (OF_FPA_MILESTONES, OF_CODE_MILESTONES):
        data = of[name]
        said = "share of seeds per rule" if name == OF_FPA_MILESTONES else "mean code length per candidate"
        label = f"Lines: {said} in {task}, over updates"
    elif name == OF_SWEEPS:
        data = of[name]
        label = f"Shares of seeds that follow the leading rule, and that fit T, in {task}, by swept arguments"
    else:
        data = curves(of["blocks"])
        label = f"Lines: median code length of each block in {task}, per candidate"
    drawn = panels(figures / task / files(name)[-1], f"{task}-{list(FIGURES).index(name)}-", label)
    return PageFigure(
        f"{name}-{task}", FIGURES[name], drawn, data.to_csv(index=False, lineterminator="\n", float_format="%.6g")
    )


def _is_measured(figure: str, of: Mapping[str, pd.DataFrame]) -> bool:
    """Whether there is anything to show in a figure."""
    if figure == "rule_shares":
        return len(of["fpa"]) > 0
    if figure in (OF_FPA_MILESTONES, OF_CODE_MILESTONES, OF_SWEEPS):
        return len(of[figure]) > 0
    return bool(of["blocks"]["bits"].notna().any())


def _happened(fpa: pd.DataFrame) -> pd.DataFrame:
    """The classes that some seed is of, the commonest of each cell first."""
    return fpa[fpa["n"] > 0].sort_values(["size", "learner", "n"], ascending=[True, True, False], kind="stable")


def curves(blocks: pd.DataFrame) -> pd.DataFrame:
    """Quartiles over seeds of each block's bits per example."""
    scored = blocks.assign(bits_per_example=blocks["bits"] / blocks["n_examples"])
    if scored.empty:
        return pd.DataFrame(columns=["size", "learner", "dataset", "block", "n", "quarter", "median", "three_quarters"])
    grouped = scored.groupby(["size", "learner", "dataset", "block"])["bits_per_example"]
    quartiles = grouped.describe()[["count", "25%", "50%", "75%"]]
    return quartiles.set_axis(["n", "quarter", "median", "three_quarters"], axis=1).reset_index()


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


def _notes(of: Mapping[str, pd.DataFrame]) -> list[str]:
    """What a reader must know about the numbers of a task."""
    notes = []
    fpa, code = of["fpa"], of["code_length"]
    notes += ["FPA was not measured on this task."] * fpa.empty
    notes += ["Code length was not measured on this task."] * code.empty
    numbers = ["size", "n_holdout", "n_holdout_separating"]
    ambiguous = fpa.loc[fpa["n_holdout_ambiguous"] > 0, numbers].drop_duplicates()
    notes += [
        f"Size {r['size']}: any two candidates differ on {r['n_holdout_separating']} or more of the {r['n_holdout']} "
        "hold-out inputs."
        for r in ambiguous.to_dict("records")
    ]
    notes += _corrected_together(of["preferences"])
    for word in ("diverged", "incomplete"):
        lost = code[code[f"n_{word}"] > 0]
        notes += [
            f"{int(lost[f'n_{word}'].sum())} codes {'are ' if word == 'incomplete' else ''}{word} and take no part."
        ] * (len(lost) > 0)
    two = code[(code["bimodal"] == "True") & (code["candidate"] != RANDOM)]
    if len(two):
        cells = [f"{r['learner']} {r['size']} {r['candidate']}" for r in two.to_dict("records")]
        named = ", ".join(cells[:6]) + (f" and {len(cells) - 6} more" if len(cells) > 6 else "")
        notes.append(
            f"Seeds fall into two or more groups (dip test, p < .05): {named}. Look at the points, not the mean."
        )
    notes += [f"{r['learner']}, size {r['size']}: {r['why']}." for r in of["stops"].to_dict("records")]
    notes += [_matters(row) for row in of["sweep_tests"].to_dict("records")]
    notes += over_time(of["trajectories"], of["seed_paths"], of["costs"])
    if len(code) and RANDOM not in set(code["candidate"]):
        notes.append("The ceiling (code length of random labels) was not measured.")
    return notes


def _corrected_together(pairs: pd.DataFrame) -> list[str]:
    """Of how many tests each is one: with another learner or size in the folder they are more."""
    families = {"code length": pairs["n_family"].max(), "FPA": pairs["fpa_n_family"].max()} if len(pairs) else {}
    counts = [f"{int(n)} by {measure}" for measure, n in families.items() if n > 1]
    if not counts:
        return []
    return [
        "How sure it is depends on what else was run: the pairs of all learners and sizes of this task in this folder "
        f"are corrected together (Holm; {' and '.join(counts)}), so that more of them ask for more seeds."
    ]


def _matters(row: Mapping[Any, Any]) -> str:
    """Whether a swept argument matters, in a sentence."""
    decided = "matters" if row["p_holm"] < ALPHA else "is not seen to matter"
    corrected = f"p = {p_text(row['p_holm'])}, permutation over {row['n_seeds']} seeds, Holm over {row['n_tests']:.0f}"
    return f"{row['sweep']}, size {row['size']}: {row['said']}; {row['argument']} {decided} ({corrected})."


def learner_section(name: str, verdicts: pd.DataFrame, what: str | None) -> LearnerSection:
    """A learner's bias profile over all tasks; `what` says what it is."""
    of = verdicts[verdicts["learner"] == name]
    found = [(task, findings(of[of["task"] == task])) for task in sorted(set(of["task"]))]
    table = page_table(f"profile-{name}", f"All verdicts on {name}", of, columns.PROFILE)
    return LearnerSection(name, what, found, table)


def missing(expected: list[dict[str, Any]], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Seeds that were to be run and are not, or not wholly, in the tables.

    Args:
        expected: mappings with task, size, learner, seeds (numbers) and datasets (`fpa` and candidates).
    """
    classes, lengths = tables["seed_classes"], tables["seed_code_lengths"]
    keys = ["task", "size", "learner"]
    done = {(*k, "fpa"): set(g["seed"]) for k, g in classes.groupby(keys)}
    complete = lengths[lengths["state"] != "incomplete"]
    done |= {k: set(g["seed"]) for k, g in complete.groupby([*keys, "candidate"])}
    rows = []
    for cell in expected:
        for dataset in cell["datasets"]:
            there = done.get((cell["task"], cell["size"], cell["learner"], dataset), set())
            lost = sorted(set(cell["seeds"]) - there)
            if lost:
                rows.append(
                    {
                        **{k: cell[k] for k in keys},
                        "dataset": dataset,
                        "n_seeds": len(cell["seeds"]),
                        "n_missing": len(lost),
                    }
                )
    return pd.DataFrame(rows, columns=[*keys, "dataset", "n_seeds", "n_missing"])
