"""The tables of the paper: one per task, rows learner x size, columns FPA and code length per candidate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from indoubt.data.rules import CANDIDATE, RANDOM
from indoubt.files import write_atomically
from indoubt.measures.rows import either
from indoubt.schema import CELL, PROTOCOL
from indoubt.schema.wording import number, share, span


@dataclass(frozen=True)
class Entry:
    """One entry: a value with its interval, `bold` where it is the row's shortest code; `mark`: its significance."""

    value: str
    interval: str = ""
    bold: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Line:
    """One row: a learner at a size."""

    learner: str
    size: int
    n_fpa: int | None
    n_code: str
    fpa: list[Entry | None]
    code: list[Entry | None]


@dataclass(frozen=True)
class PaperTable:
    """One task's table."""

    task: str
    rules: list[str]
    codes: list[str]
    lines: list[Line]
    caption: str


def write_paper_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write them in both forms, from all tables of a run."""
    papers = paper_tables(tables["fpa"], tables["code_length"], significance_marks(tables["preferences"]))
    write_atomically(folder / "paper_table.md", markdown(papers))
    write_atomically(folder / "paper_table.tex", latex(papers))


def paper_tables(fpa: pd.DataFrame, code: pd.DataFrame, marks: pd.DataFrame | None = None) -> list[PaperTable]:
    """One table per task that was run.

    Args:
        fpa: the table `fpa`.
        code: the table `code_length`.
        marks: columns task, size, learner, candidate, mark: what to put at a code length (significance).
    """
    return [_of_task(task, fpa, code, marks) for task in sorted({*fpa["task"], *code["task"]})]


def significance_marks(preferences: pd.DataFrame) -> pd.DataFrame:
    """Stars for rules that are preferred to each other rule of their cell, by the largest of their corrected p."""
    rows = []
    for cell, pairs in preferences.groupby(CELL):
        rules = dict.fromkeys([*pairs["a"], *pairs["b"]])
        for rule, won in pairs[pairs["preferred"] != ""].groupby("preferred"):
            if len(won) == len(rules) - 1:
                # of seeds in steps: the inverse of an e-value is a p that stays right however often one looks
                p = won["p_signflip_holm"].where(won["e_value"].isna(), 1 / won["e_value"]).max()
                stars = "*" * (1 + int(p < 0.01) + int(p < 0.001))
                rows.append((*cell, rule, stars))
    return pd.DataFrame(rows, columns=[*CELL, "candidate", "mark"])


def _of_task(task: str, fpa: pd.DataFrame, code: pd.DataFrame, marks: pd.DataFrame | None) -> PaperTable:
    fpa, code = fpa[fpa["task"] == task], code[code["task"] == task]
    sent = fpa["kind"] == CANDIDATE
    only_classify = list(dict.fromkeys(fpa.loc[~sent & (fpa["kind"] != "") & (fpa["n"] > 0), "class"]))
    rules = [*dict.fromkeys(fpa.loc[sent, "class"]), *only_classify]
    codes = list(dict.fromkeys(code["candidate"]))
    cells = sorted({(row[1], row[0]) for f in (fpa, code) for row in f[["size", "learner"]].itertuples(index=False)})
    cells = [(learner, size) for learner, size in cells]
    lines = [_line(learner, size, fpa, code, rules, codes, marks) for learner, size in cells]
    protocol = ", ".join(f"{part} {either([*fpa[part], *code[part]])}" for part in PROTOCOL)
    caption = (
        f"{task}: fraction of perfect agreement (FPA, share of all seeds, Wilson 95 % interval) and code length (bits, "
        f"mean over seeds, BCa bootstrap 95 % interval); shortest code in bold; n: seeds. Protocol: {protocol}."
    )
    if only_classify:
        caption += f" Rules that only classify and are not sent: {', '.join(only_classify)}."
    if marks is not None:
        caption += (
            " Stars: shorter than every other candidate's, sign-flip permutation test, Holm-corrected over all "
            "learners and sizes of the task: * p < .05, ** p < .01, *** p < .001 (of seeds in steps: 1 / e-value)."
        )
    return PaperTable(task, rules, codes, lines, caption)


def _line(
    learner: str,
    size: int,
    fpa: pd.DataFrame,
    code: pd.DataFrame,
    rules: list[str],
    codes: list[str],
    marks: pd.DataFrame | None,
) -> Line:
    shares = fpa[(fpa["learner"] == learner) & (fpa["size"] == size)].set_index("class")
    bits = code[(code["learner"] == learner) & (code["size"] == size)].set_index("candidate")
    means = {c: float(m) for c, m in bits["bits_mean"].items() if c != RANDOM}
    shortest = min((m for m in means.values() if not math.isnan(m)), default=math.nan)
    entries: list[Entry | None] = []
    for candidate in codes:
        if candidate not in bits.index:
            entries.append(None)
            continue
        row: Any = bits.loc[candidate]
        if marks is None:
            mark = ""
        else:
            cell = marks[(marks[CELL] == [row["task"], size, learner]).all(axis=1) & (marks["candidate"] == candidate)]
            mark = "".join(cell["mark"])
        bold = candidate in means and len(means) > 1 and means[candidate] == shortest
        bound = f"≥ {number(row['bits_at_least'])}" if row["n_at_least"] else number(row["bits_mean"])
        entries.append(Entry(bound, span(row["ci_low"], row["ci_high"], number), bold, mark))
    counts = sorted({int(n) for n in bits["n_seeds"] + bits["n_at_least"]})
    return Line(
        learner=learner,
        size=size,
        n_fpa=int(shares["n_seeds"].iloc[0]) if len(shares) else None,
        n_code="–".join(str(n) for n in (counts if len(counts) < 2 else (counts[0], counts[-1]))),
        fpa=[_share(shares, rule) for rule in rules],
        code=entries,
    )


def _share(shares: pd.DataFrame, rule: str) -> Entry | None:
    if rule not in shares.index:
        return None
    row: Any = shares.loc[rule]
    return Entry(share(row["fpa"]), span(row["ci_low"], row["ci_high"], share))


def markdown(tables: list[PaperTable]) -> str:
    """All tables in Markdown."""
    return "\n\n".join(map(_markdown, tables)) + "\n" if tables else "Nothing was measured.\n"


def _markdown(table: PaperTable) -> str:
    rules, codes = [f"FPA {r}" for r in table.rules], [f"{c} (bits)" for c in table.codes]
    head = ["learner", "size", *(["n", *rules] if rules else []), *(["n", *codes] if codes else [])]
    rows = [head, ["---", *["---:"] * (len(head) - 1)], *(_cells(table, line, _markdown_entry) for line in table.lines)]
    body = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"### {table.task}\n\n{body}\n\n{table.caption.replace('*', chr(92) + '*')}"


def _cells(table: PaperTable, line: Line, entry: Callable[[Entry | None], str]) -> list[str]:
    shares = [_n(line.n_fpa), *(entry(f) for f in line.fpa)] if table.rules else []
    codes = [line.n_code or "–", *(entry(f) for f in line.code)] if table.codes else []
    return [line.learner, str(line.size), *shares, *codes]


def _n(n: int | None) -> str:
    return "–" if n is None else str(n)


def _markdown_entry(entry: Entry | None) -> str:
    if entry is None:
        return "–"
    value = f"**{entry.value}**" if entry.bold else entry.value
    mark = entry.mark.replace("*", "\\*")
    return f"{value}{mark} {entry.interval}".rstrip()


def latex(tables: list[PaperTable]) -> str:
    """All tables in LaTeX (packages booktabs and multirow)."""
    head = "% needs \\usepackage{booktabs,multirow}\n"
    return head + "\n\n".join(map(_latex, tables)) + "\n" if tables else head + "% nothing was measured\n"


def _latex(table: PaperTable) -> str:
    n_rules, n_codes = len(table.rules), len(table.codes)
    groups, names, rules, at = ["", ""], ["", "size"], [], 3
    for title, columns in (("FPA", table.rules), ("code length (bits)", table.codes)):
        if columns:
            groups += ["", f"\\multicolumn{{{len(columns)}}}{{c}}{{{title}}}"]
            names += ["$n$", *(f"\\texttt{{{escape(c)}}}" for c in columns)]
            rules.append(f"\\cmidrule(lr){{{at + 1}-{at + len(columns)}}}")
            at += 1 + len(columns)
    lines = [
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{escape(table.caption)}}}",
        f"\\begin{{tabular}}{{l{'r' * (1 + bool(n_rules) + n_rules + bool(n_codes) + n_codes)}}}",
        "\\toprule",
        " & ".join(groups) + " \\\\",
        "".join(rules),
        " & ".join(names) + " \\\\",
        *_latex_body(table),
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines)


def _latex_body(table: PaperTable) -> Iterator[str]:
    """The rows, a rule above each learner, whose name spans its sizes."""
    previous = None
    for line in table.lines:
        cells = _cells(table, line, _latex_entry)
        cells[0] = ""
        if line.learner != previous:
            yield "\\midrule"
            n = sum(other.learner == line.learner for other in table.lines)
            cells[0] = f"\\multirow{{{n}}}{{*}}{{{escape(line.learner)}}}"
            previous = line.learner
        yield " & ".join(cells).replace("–", "--") + " \\\\"


def _latex_entry(entry: Entry | None) -> str:
    if entry is None:
        return "--"
    value = f"\\textbf{{{_scientific(entry.value)}}}" if entry.bold else _scientific(entry.value)
    mark = f"$^{{{entry.mark}}}$" if entry.mark else ""
    interval = f" {{\\footnotesize {_scientific(entry.interval)}}}" if entry.interval else ""
    return f"{value}{mark}{interval}"


def _scientific(text: str) -> str:
    """Numbers like `1.2e-5` as LaTeX shows them."""
    words = text.replace("[", "[ ").replace("]", " ]").replace(",", " ,").split(" ")
    shown = []
    for word in words:
        mantissa, e, exponent = word.partition("e")
        shown.append(f"${mantissa}{{\\cdot}}10^{{{exponent}}}$" if e else word)
    return " ".join(shown).replace("[ ", "[").replace(" ]", "]").replace(" ,", ",")


def escape(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    for special in "\\&%$#_{}":
        text = text.replace(special, "\\textbackslash " if special == "\\" else f"\\{special}")
    return text.replace("<", "$<$")
