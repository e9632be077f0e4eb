"""The columns of the page's tables."""

from __future__ import annotations

from typing import Any

from indoubt.measures.intervals import wilson
from indoubt.report.cells import Cell, Column, bits, count, p, plain, shares, text

_CELL = [count("size", "size"), text("learner", "learner")]

FPA = [
    *_CELL,
    text("class", "class", "the rule that seeds follow; other: fits T, follows none; unfit: does not fit T"),
    text("kind", "kind", "candidate: has a code length; rule, answer: only classify and are not sent"),
    count("seeds", "n", "seeds of the class"),
    count("of", "n_seeds", "all seeds"),
    shares("share of all seeds", "fpa", "ci_low", "ci_high", "with Wilson 95 % interval"),
    count("fit T", "n_fit", "seeds that decode T's inputs to T's outputs"),
    shares("share of those that fit", "fpa_given_fit", "given_fit_ci_low", "given_fit_ci_high"),
]


RESPONSES = [
    *_CELL,
    text("rule", "rule", "none: given by no rule and no answer"),
    text("kind", "kind", "candidate: has a code length; rule, answer: only classify and are not sent"),
    shares("share of responses", "share", "ci_low", "ci_high", "with bootstrap 95 % interval over seeds"),
    count("seeds", "n_seeds", "seeds with outputs"),
    count("inputs", "n_holdout", "hold-out inputs"),
    shares("share where T is fitted", "share_given_fit", "given_fit_ci_low", "given_fit_ci_high"),
    count("fit T", "n_fit", "seeds that decode T's inputs to T's outputs"),
]


def _flags(row: dict[str, Any]) -> Cell:
    """Lost seeds, two groups, doubtful intervals."""
    said = [f"{int(row[f'n_{w}'])} {w}" for w in ("diverged", "incomplete") if row[f"n_{w}"]]
    said += ["two groups of seeds"] if row["bimodal"] == "True" else []
    return Cell(", ".join(said))


CODE_LENGTH = [
    *_CELL,
    text("candidate", "candidate"),
    count("seeds", "n_seeds", "seeds whose code is complete"),
    bits("mean, bits", "bits_mean", "ci_low", "ci_high", "ci_note", "with BCa bootstrap 95 % interval"),
    bits("median, bits", "bits_median"),
    bits("mean, nats", "nats_mean"),
    bits("bits per example", "bits_per_example"),
    bits("surplus, bits", "surplus_bits", title="mean less the shortest mean of the cell's rules"),
    bits("uniform code, bits", "uniform_bits", title="log2 of the dictionary per symbol"),
    Column("remarks", _flags),
]


def _who(row: dict[str, Any]) -> Cell:
    return Cell(f"{row['a']} – {row['b']}")


def _each(row: dict[str, Any]) -> Cell:
    return Cell(f"{row['n_a_shorter']} : {row['n_b_shorter']}", float(row["n_a_shorter"]))


def _fpa_each(row: dict[str, Any]) -> Cell:
    n = int(row["fpa_n_seeds"])
    return Cell(f"{row['fpa_n_a']} : {row['fpa_n_b']} of {n}" if n else "–", float(row["fpa_n_a"]))


PREFERENCES = [
    *_CELL,
    Column("rules a – b", _who),
    text("verdict", "verdict"),
    count("seeds", "n_seeds"),
    Column("a : b shorter", _each, True, "in how many seeds the code of a (of b) is the shorter one"),
    bits("mean a – b, bits", "diff_mean", "ci_low", "ci_high", "ci_note", "with BCa bootstrap 95 % interval"),
    bits("median a – b, bits", "diff_median"),
    p("p, Holm", "p_signflip_holm", "sign-flip permutation, corrected by Holm over the pairs of the task"),
    p("p, BH", "p_signflip_bh", "sign-flip permutation, corrected by Benjamini and Hochberg over all tasks"),
    p("p", "p_signflip", "sign-flip permutation, not corrected"),
    p("Wilcoxon p", "p_wilcoxon", "signed ranks, not corrected"),
    p("t p", "p_t", "paired t, not corrected"),
    plain("effect r", "rank_biserial", "rank-biserial correlation of the paired differences, -1 to 1"),
    Column("FPA a : b", _fpa_each, True, "seeds that follow a and b"),
    p("McNemar p, Holm", "p_mcnemar_holm", "exact, of the seeds that follow a and b"),
]


def _symbols(key: str) -> Column:
    """Inputs and outputs: long runs of a symbol in short, `b x 46`."""

    def cell(row: dict[str, Any]) -> Cell:
        symbols = str(row[key]).split()
        return Cell(shorten(symbols), float(len(symbols)))

    return Column({"src": "input", "pred": "output"}[key], cell)


def shorten(symbols: list[str]) -> str:
    """Symbols in short: runs of more than four as `b × 46`, nothing as `(empty)`."""
    runs: list[list[str]] = []
    for symbol in symbols:
        if runs and runs[-1][0] == symbol:
            runs[-1].append(symbol)
        else:
            runs.append([symbol])
    said = [f"{run[0]} × {len(run)}" if len(run) > 4 else " ".join(run) for run in runs]
    return " ".join(said) or "(empty)"


def _of_class(row: dict[str, Any]) -> Cell:
    interval = wilson(int(row["n_seeds"]), int(row["n_class"]))
    said = f"{row['n_seeds']} of {row['n_class']} [{interval.low:.2f}, {interval.high:.2f}]"
    return Cell(said, row["n_seeds"] / row["n_class"])


OUTPUTS = [
    *_CELL,
    text("class", "class"),
    _symbols("src"),
    _symbols("pred"),
    text("as rule", "agrees", "the rules that give this output"),
    Column("seeds of the class", _of_class, True, "that give this output, with Wilson 95 % interval"),
]

PATHS = [
    *_CELL,
    count("seed", "seed"),
    count("fits first at", "first_fit", "the first milestone at which the seed fits T"),
    count("switches", "n_switches", "how often its class changes after it first fits"),
    text("class at each milestone", "path"),
]

PROFILE = [
    text("task", "task"),
    count("size", "size"),
    text("by code length", "code_verdict"),
    text("by FPA", "fpa_verdict"),
    shares("share", "fpa_share", "fpa_ci_low", "fpa_ci_high", "of the class of most seeds, Wilson 95 % interval"),
    text("same rule first", "agree", "whether both measures put the same rule first"),
]

CLAIMS = [
    text("state", "state"),
    text("claim", "statement"),
    text("source", "source"),
    text("why", "why"),
    Column("cells run", lambda r: Cell(f"{r['n_run']} of {r['n_cells']}", float(r["n_run"])), True),
    text("seeds", "seeds", "per cell"),
]

AGREEMENT = [
    text("task", "task"),
    count("cells with both", "n_both"),
    count("most responses", "n_agree_responses", "cells whose shortest code is the candidate's of most responses"),
    count("most seeds follow a candidate", "n_compared", "cells in which the class of most seeds is a candidate"),
    count("same rule first", "n_agree", "of these, cells whose shortest code is that candidate's"),
    shares("share", "share", "share_ci_low", "share_ci_high", "with Wilson 95 % interval"),
    count("pairs", "n_pairs"),
    count("FPA differs", "n_fpa_differs", "pairs of which more seeds follow the one than the other"),
    count("same sign", "n_same_sign", "of these, pairs whose shorter code is the one that more seeds follow"),
    shares("rank correlation", "rho", "rho_ci_low", "rho_ci_high", "Spearman, percentile bootstrap over cells, 95 %"),
    count("by code length alone", "n_tested_code_only", "pairs that only code length decides"),
    count("by FPA alone", "n_tested_fpa_only", "pairs that only FPA decides"),
    count("by both", "n_tested_both"),
    p("McNemar p", "p_sensitivity", "of the two columns before the last"),
]

COSTS = [
    text("task", "task"),
    *_CELL,
    count("trainings", "n_trainings"),
    count("diverged", "n_diverged"),
    Column("time", lambda r: Cell(f"{r['seconds'] / 3600:.2f} h", float(r["seconds"])), True, "summed over trainings"),
    text("engine", "engine"),
    text("device", "device"),
    text("torch", "torch"),
]

MISSING = [
    text("task", "task"),
    *_CELL,
    text("dataset", "dataset"),
    count("seeds wanted", "wanted"),
    count("seeds missing", "lost"),
]
