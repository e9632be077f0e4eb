"""The two tables of what seeds do that follow none of a task's rules: `found_rules` and `signatures`.

Signatures say how far the seeds of a cell agree with each other, and what their outputs look like: no rule is needed
for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

import numpy as np
import pandas as pd
from scipy import stats

from indoubt.data.rules import FOUND
from indoubt.data.task import Task, find_task
from indoubt.found.findings import (
    FEWEST,
    GIVEN,
    KIND,
    MIXTURE,
    NONE,
    SPLIT,
    TOO_FEW,
    Finding,
    best_given,
    categories,
    finding,
    interval,
    mean,
    within_one,
)
from indoubt.found.functions import function, gives_t
from indoubt.found.library import LENGTHS, Library, Numbers, Rule, library, nothing_to_find
from indoubt.found.responses import CUT_OFF, Responses, cells, entropy_bits, fleiss, modal, of_kind, responses
from indoubt.found.search import given_by, nearest_rule
from indoubt.found.wording import distinct
from indoubt.measures.intervals import LEVEL, wilson
from indoubt.measures.rows import Row
from indoubt.schema import CELL, columns_of, text_columns


def signature(library: Library, made: Responses) -> Row:
    """The row of a cell, over all its seeds that fit T; NaN for what one seed cannot tell."""
    name = "/".join(map(str, made.cell))
    numbers = made.numbers(library, made.fitting)
    row: Row = dict(zip(CELL, made.cell, strict=True)) | {"n_fit": len(numbers), "n_inputs": len(library.inputs)}
    row |= made.about
    if not len(numbers):
        return row
    kappa, kappa_low, kappa_high = fleiss(categories(library, numbers))
    row |= {"fleiss_kappa": kappa, "kappa_ci_low": kappa_low, "kappa_ci_high": kappa_high}
    row |= {"entropy_bits": entropy_bits(numbers), "n_distinct": len({seed.tobytes() for seed in numbers})}
    row |= _consensus(numbers, name) | _outputs(library, numbers)
    return row | (_lengths(library, numbers) if library.grammar == LENGTHS else {"within_one_of": ""})


def _consensus(numbers: Numbers, name: str) -> Row:
    """The share of answers of one half of the seeds that are those of most of the other half."""
    if len(numbers) < 2:
        return {"consensus": math.nan, "ci_note": "one seed: no interval"}
    shares = np.zeros(len(numbers))
    for half in (0, 1):
        shares[1 - half :: 2] = (numbers[1 - half :: 2] == modal(numbers[half::2])).mean(axis=1)
    found = interval(shares, f"{name}/consensus")
    about = {"consensus": mean(shares), "consensus_ci_low": found.low, "consensus_ci_high": found.high}
    return about | {"ci_note": found.note}


def _outputs(library: Library, numbers: Numbers) -> Row:
    """Shares of outputs that are T's, the input, as long as it, its symbols in some order, or cut off."""
    of_t = set(library.training.values())
    return {
        "of_t": of_kind(library, numbers, lambda _, output: output in of_t).mean(),
        "copies": of_kind(library, numbers, lambda source, output: output == source).mean(),
        "same_length": of_kind(library, numbers, lambda source, output: len(output) == len(source)).mean(),
        "same_symbols": of_kind(library, numbers, lambda source, output: sorted(output) == sorted(source)).mean(),
        "cut_off": of_kind(library, numbers, lambda _, output: len(output) >= CUT_OFF).mean(),
    }


def _lengths(library: Library, numbers: Numbers) -> Row:
    """Symbols of output for a symbol of input, from T to the shortest and to the longest input of H."""
    n, m = max(map(len, library.training)), max(map(len, library.training.values()))
    ns = np.array([len(source) for source in library.inputs])
    lengths = np.array([len(output) for output in library.outputs.said])[numbers]
    row: Row = {}
    for side, place in (("below", int(ns.argmin())), ("above", int(ns.argmax()))):
        is_there = ns[place] < n if side == "below" else ns[place] > n
        slopes = sorted(float(lengths[seed, place] - m) / float(ns[place] - n) + 0.0 for seed in range(len(lengths)))
        low, high = median_interval(slopes) if is_there else (math.nan, math.nan)
        row[f"slope_{side}"] = median(slopes) if is_there else math.nan
        row |= {f"slope_{side}_ci_low": low, f"slope_{side}_ci_high": high}
    given = best_given(library, numbers)
    row["within_one_of"] = given.name if given else ""
    row["within_one"] = within_one(library, numbers, given.rule).mean() if given else math.nan
    return row


def median_interval(ordered: list[float]) -> tuple[float, float]:
    """The interval of a median that no distribution is assumed for: between two of the values, of rising order.

    Source: as many values are below the median as heads are thrown; ranks by the binomial distribution, by scipy.
    """
    if len(ordered) < 6:  # of five values even the least and the largest leave out more than 5 %
        return math.nan, math.nan
    rank = int(stats.binom.ppf((1 - LEVEL) / 2, len(ordered), 0.5))
    while rank > 0 and 2 * stats.binom.cdf(rank - 1, len(ordered), 0.5) > 1 - LEVEL:
        rank -= 1
    rank = max(rank, 1)
    return ordered[rank - 1], ordered[-rank]


#: Columns of whole numbers that some rows lack.
WHOLE = ("bits", "n_part", "n_deciding", "n_programs", "limit_bits")
#: Cells of one task and size use one library; so many are kept.
Libraries = dict[tuple[str, int], Library]


def found_tables(predictions: Iterable[Row], tasks: Mapping[str, Task]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`found_rules`: a row for each cell with seeds that follow no given rule, or for each rule of a split or mixture;
    and `signatures`: a row for each cell. In the order of cells, whatever that of the predictions.

    Args:
        tasks: all tasks there are: those that the predictions are of, and others with the same T.
    """
    found: list[Row] = []
    signs: list[Row] = []
    libraries: Libraries = {}
    for cell, rows in cells(predictions):
        task = find_task(cell[0], tasks)
        made = responses(task, cell, rows)
        if cell[:2] not in libraries:
            libraries = {cell[:2]: library(task, cell[1], tasks)}  # of the last task and size alone: they can be large
        signs.append(signature(libraries[cell[:2]], made))
        if made.other:
            found += _rows(task, libraries[cell[:2]], made)
    rules = _named(pd.DataFrame(found, columns=columns_of("found_rules")))
    return rules.astype(dict.fromkeys(WHOLE, "Int64")), pd.DataFrame(signs, columns=columns_of("signatures"))


def _rows(task: Task, rules: Library, made: Responses) -> list[Row]:
    """The rows of a cell."""
    start: Row = dict(zip(CELL, made.cell, strict=True)) | {"part": 1, "n_seeds": len(made.other), **made.about}
    start = dict.fromkeys(text_columns("found_rules"), "") | start
    why = nothing_to_find(task, made.cell[1])
    if why:
        return [start | {"form": NONE, "note": why}]
    if len(made.other) < FEWEST:
        return [start | {"form": TOO_FEW, "note": f"{len(made.other)} of the {FEWEST} seeds that it takes"}]
    result = finding(rules, made.numbers(rules, made.other), "/".join(map(str, made.cell)))
    about = start | _about(result)
    if result.form == KIND and result.kind is not None:
        return [
            about | {"words": result.kind.words, "short": result.kind.short, "kind": KIND, "n_part": len(made.other)}
        ]
    parts = _parts(result)
    sizes = _sizes(result, parts)
    return [
        about | {"part": number, "n_part": size} | _rule(rules, rule, made)
        for number, (rule, size) in enumerate(zip(parts, sizes, strict=True), start=1)
    ]


def _parts(result: Finding) -> Sequence[Rule]:
    """The rules that a form speaks of."""
    if result.form == SPLIT:
        return result.found.split.rules
    if result.form == MIXTURE and result.found.mixture is not None:
        return result.found.mixture.rules
    if result.form == GIVEN and result.found.given is not None:
        return [result.found.given.rule]
    return [result.found.one.rule]


def _sizes(result: Finding, parts: Sequence[Rule]) -> list[int]:
    """How many seeds are of each part: of a split its own; of a mixture those that give it most."""
    if result.form == MIXTURE:
        which = given_by(parts, result.responses)
        most = np.array([(which == part).sum(axis=1) for part in range(len(parts))]).argmax(axis=0)
    else:
        most = nearest_rule(parts, result.responses)
    return [int(n) for n in np.bincount(most, minlength=len(parts))]


def _rule(rules: Library, rule: Rule, made: Responses) -> Row:
    """What a row says of its rule."""
    names = rules.named.get(rule.key, [])
    equals = [*rules.also.get(rule.key, []), *names[1:]]
    size = made.cell[1]
    fits = gives_t(rule.python, size, rules.training, rules.grammar) if rule.python else rule.gives_t
    return {
        "words": rule.words,
        "short": rule.short,
        "python": rule.python,
        "bits": rule.bits,
        "fits_t": str(fits),
        "equals": "; ".join(equals),
        "kind": names[0] if names else FOUND,
        "share_all": _share_of_all(rules, rule, made),
    }


def _share_of_all(rules: Library, rule: Rule, made: Responses) -> float:
    """The share of a rule among the responses of all seeds that fit T, to all of H."""
    said = {source: rules.outputs.said[number] for source, number in zip(rules.inputs, rule.said, strict=True)}
    if rule.python and len(rules.holdout) > len(rules.inputs):
        ask = function(rule.python, made.cell[1], rules.training, rules.grammar)
        said = {source: ask(source, made.cell[1]) or () for source in rules.holdout}
    hits = sum(decoded[source] == output for decoded in made.fitting.values() for source, output in said.items())
    return float(hits) / (len(said) * len(made.fitting))


def _about(result: Finding) -> Row:
    """What a row says of its cell's seeds, whatever the part."""
    held, found, spans = result.held, result.found, result.intervals
    totals = {SPLIT: found.split.total, GIVEN: result.given_total, KIND: math.nan}
    if found.mixture is not None:
        totals[MIXTURE] = found.mixture.total
    total = totals.get(result.form, found.one.total)
    span = spans[{SPLIT: "split", MIXTURE: "mixture", GIVEN: "given", KIND: "kind"}.get(result.form, "rule")]
    followed = {SPLIT: held.split_throughout, MIXTURE: held.mixture_throughout}.get(result.form, held.throughout)
    n_throughout = int(np.nansum(followed)) if result.form not in (GIVEN, KIND) else None
    through = None if n_throughout is None else wilson(n_throughout, len(followed))
    differs = found.given is not None and found.one.rule.said != found.given.rule.said
    return {
        "form": result.form,
        "share": result.share,
        "ci_low": span.low,
        "ci_high": span.high,
        "ci_note": span.note,
        "kappa": mean(held.kappa),
        "kappa_ci_low": spans["kappa"].low,
        "kappa_ci_high": spans["kappa"].high,
        "throughout": math.nan if n_throughout is None else n_throughout / len(followed),
        "throughout_ci_low": math.nan if through is None else through.low,
        "throughout_ci_high": math.nan if through is None else through.high,
        "share_inputs": result.share_inputs,
        "within_one": mean(held.within_one),
        "given": found.given.name if found.given else "",
        "given_share": mean(held.given),
        "given_ci_low": spans["given"].low,
        "given_ci_high": spans["given"].high,
        "n_deciding": int(np.sum(differs)),
        "share_deciding": mean(held.deciding),
        "deciding_ci_low": spans["deciding"].low,
        "deciding_ci_high": spans["deciding"].high,
        "given_deciding": mean(held.given_deciding),
        "consensus": mean(held.consensus),
        "chance": held.mixture_chance if result.form == MIXTURE else mean(held.chance),
        "saved_bits": result.base - total,
        "saved_over_given": result.given_total - total,
        "stable": str(held.stable),
        "n_programs": result.library.n_programs,
        "limit_bits": result.library.limit,
        "best_words": found.one.rule.words,
        "best_share": mean(held.rule),
    }


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Each rule of a task and size with a short name of its own; the parts of a mixture together have one that fits."""
    for _, of_task in table.groupby(["task", "size"], sort=False):
        names = distinct(zip(of_task["words"], of_task["short"], strict=True))
        table.loc[of_task.index, "short"] = [names[words] for words in of_task["words"]]
    return table
