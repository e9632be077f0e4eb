"""Published claims: each kind of test supported, contradicted and undecided."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from indoubt.data.rules import with_random
from indoubt.data.task import load_tasks
from indoubt.errors import UserError
from indoubt.measures.classify import predictions
from indoubt.statistics.claim_tests import by_count, decide, fewest_to_support, without_exception
from indoubt.statistics.claims import BUILT_IN, claims_table, read_claims
from indoubt.tables.tables import build_tables
from tests.shared.made_up import Row, code, decode, follow

TASKS = {name: with_random(task) for name, task in load_tasks().items()}
COUNT, SUMS = TASKS["count-or-mem"], TASKS["add-or-mul"]


def evaluated(claim: dict[str, Any], rows: list[Row]) -> tuple[str, str]:
    """State and reason of a claim about some rows."""
    scores, decodes = ([r for r in rows if r["kind"] == k] for k in ("score", "decode"))
    lines = []
    for task, size in {(r["task"], r["size"]) for r in decodes}:
        by_learner: dict[str, list[Row]] = {}
        for row in decodes:
            if (row["task"], row["size"]) == (task, size):
                by_learner.setdefault(row["learner"], []).append(row)
        for of in by_learner.values():
            lines += predictions(TASKS[task], size, of)
    about = {"id": "x", "statement": "x", "source": "x"}
    row = claims_table([about | claim], build_tables(scores, decodes, lines, TASKS)).iloc[0]
    return str(row["state"]), str(row["why"])


def seeds(n: int, rule: str, learner: str = "lstm", size: int = 10, **changes: Any) -> list[Row]:
    outputs = follow(COUNT, size, rule)
    return [decode("count-or-mem", size, learner, s, outputs, **changes) for s in range(1, n + 1)]


def cells(*sizes: int, learners: tuple[str, ...] = ("lstm",)) -> dict[str, Any]:
    return {"task": "count-or-mem", "sizes": list(sizes), "learners": list(learners)}


COUNTS = {"share": ["count"], "at_least": 0.95}


def test_a_claim_about_cells_that_were_not_run_is_never_supported() -> None:
    claim = {"cells": cells(10, 20), "test": COUNTS}
    assert evaluated(claim, seeds(100, "count"))[0] == "undecided"
    assert evaluated(claim, []) == ("undecided", "not run (count-or-mem/10/lstm, count-or-mem/20/lstm)")
    both = seeds(100, "count") + seeds(100, "count", size=20)
    assert evaluated(claim, both)[0] == "supported"


@pytest.mark.parametrize(
    ("counting", "of", "state", "why"),
    [
        (72, 72, "supported", "72 of 72 seeds [0.95, 1.00]"),
        (71, 71, "too few seeds", "71 of 71 seeds [0.95, 1.00]: 72 seeds needed"),  # .025 ** (1 / 71) < .95
        (20, 20, "too few seeds", "72 seeds needed"),
        (18, 20, "too few seeds", "18 of 20 seeds [0.68, 0.99]"),
        (0, 20, "contradicted", "0 of 20 seeds [0.00, 0.17]"),
        (77, 80, "undecided", "77 of 80 seeds [0.89, 0.99]: about 1180 seeds would settle it"),
        (71, 80, "contradicted", "71 of 80 seeds [0.80, 0.95]"),  # the interval ends at .947
        (72, 80, "undecided", "72 of 80 seeds [0.81, 0.96]: about "),  # the share is below the bound, its interval not
        (95, 100, "undecided", "95 of 100 seeds [0.89, 0.98]: too close to the bound to be settled"),
        (0, 6, "contradicted", "0 of 6 seeds"),
        (0, 5, "too few seeds", "0 of 5 seeds [0.00, 0.52]: 6 seeds needed"),
        (0, 2, "too few seeds", "6 seeds needed"),
        (2, 2, "too few seeds", "72 seeds needed"),
        (1, 1, "too few seeds", "72 seeds needed"),
    ],
)
def test_shares_by_their_exact_interval(counting: int, of: int, state: str, why: str) -> None:
    found = by_count(counting, of, f"{counting} of {of} seeds", (0.95, math.inf))
    assert (found.state, found.n) == (state, of) and why in found.why, found


@pytest.mark.parametrize(
    ("count", "of", "wanted", "state"),
    [
        (28, 100, (0.13, 0.33), "undecided"),
        (48, 100, (0.13, 0.33), "contradicted"),
        (115, 500, (0.13, 0.33), "supported"),
        (20, 60, (0.13, 0.33), "too few seeds"),  # no 60 seeds have an interval so narrow
        (0, 12, (-math.inf, 0.05), "too few seeds"),
        (0, 72, (-math.inf, 0.05), "supported"),
        (7, 72, (-math.inf, 0.05), "undecided"),
        (12, 72, (-math.inf, 0.05), "contradicted"),
    ],
)
def test_shares_about_and_below_a_bound(count: int, of: int, wanted: tuple[float, float], state: str) -> None:
    assert by_count(count, of, "", wanted).state == state


@pytest.mark.parametrize("wanted", [(0.95, math.inf), (0.13, 0.33), (-math.inf, 0.5)])
def test_how_many_seeds_it_takes_is_more_than_there_are_and_enough(wanted: tuple[float, float]) -> None:
    """With as many seeds as are said to be needed, a share like this is decided, unless no number of them would do."""
    for of in (1, 2, 5, 7, 12, 20, 48):
        for n in range(of + 1):
            found = by_count(n, of, "", wanted)
            if number := re.search(r"(\d+) seeds (?:needed|would settle it)", found.why):
                needed = int(number[1])
                decided = by_count(round(n / of * needed), needed, "", wanted).state in ("supported", "contradicted")
                assert needed > of and (decided or needed == fewest_to_support(*wanted)), (n, of)
            else:
                assert found.state in ("supported", "contradicted") or "too close to the bound" in found.why, (n, of)


@pytest.mark.parametrize(
    ("exceptions", "of", "state"),
    [
        (0, 72, "supported"),
        (0, 71, "too few seeds"),
        (0, 1, "too few seeds"),
        (1, 1, "contradicted"),
        (1, 400, "contradicted"),
    ],
)
def test_one_exception_refutes_and_none_takes_72_seeds(exceptions: int, of: int, state: str) -> None:
    """.975 ** (1 / n) would do for an interval of one side; two sides ask for .025 ** (1 / n) > .95."""
    assert without_exception(exceptions, of, f"of {of} seeds", "are").state == state


def test_shares_of_a_cell() -> None:
    rows = seeds(20, "mem")
    assert evaluated({"cells": cells(10), "test": COUNTS}, rows) == (
        "contradicted",
        "0 of 20 seeds [0.00, 0.17] (count-or-mem/10/lstm)",
    )
    assert evaluated({"cells": cells(10), "test": COUNTS}, rows[:2])[0] == "too few seeds"


@pytest.mark.parametrize(
    ("test", "labels", "state", "why"),
    [
        ({"all": ["mem"]}, ["mem"] * 72, "supported", "0 of 72 seeds do not follow mem [0.00, 0.05]"),
        ({"all": ["mem"]}, ["mem"] * 9 + ["other"], "contradicted", "1 of 10 seeds do not follow mem"),
        ({"all": ["mem"]}, ["count"], "contradicted", "1 of 1 seeds do not follow mem"),
        ({"none": ["count"]}, ["mem"] * 8 + ["count"] * 2, "contradicted", "2 of 10 seeds follow count"),
        ({"none": ["count"]}, ["mem"] * 2, "too few seeds", "72 seeds needed"),
        ({"none": ["fits"]}, ["unfit"] * 72, "supported", "0 of 72 seeds fit T"),
        ({"none": ["fits"]}, ["unfit"] * 7 + ["total"], "contradicted", "1 of 8 seeds fit T"),
        (
            {"all": ["mem"], "given": "fit"},
            ["unfit"] * 9 + ["mem"] * 3,
            "too few seeds",
            "0 of 3 seeds that fit do not follow mem",
        ),
        (
            {"all": ["mem"], "given": "fit"},
            ["unfit"] * 7 + ["other"],
            "contradicted",
            "1 of 1 seeds that fit do not follow mem",
        ),
        ({"all": ["mem"], "given": "fit"}, ["unfit"] * 7, "undecided", "no seed fits T"),
    ],
)
def test_one_exception_refutes_all_and_none(test: dict[str, Any], labels: list[str], state: str, why: str) -> None:
    outputs = {label: follow(COUNT, 10, label) for label in set(labels) - {"total"}}
    outputs["total"] = [" ".join("b" * (20 - len(source))) for source in COUNT.test_inputs(10)]
    rows = [decode("count-or-mem", 10, "lstm", s, outputs[label]) for s, label in enumerate(labels, 1)]
    found = evaluated({"cells": cells(10), "test": test}, rows)
    assert found[0] == state and why in found[1], found


def test_shares_given_fit_and_about() -> None:
    rows = seeds(40, "mem") + [{**r, "seed": r["seed"] + 40} for r in seeds(60, "unfit")]
    fits = {"share": ["fits"], "about": 0.4, "within": 0.15}
    assert evaluated({"cells": cells(10), "test": fits}, rows)[0] == "supported"
    assert evaluated({"cells": cells(10), "test": fits | {"about": 0.6}}, rows)[0] == "undecided"
    assert evaluated({"cells": cells(10), "test": fits | {"about": 0.1}}, rows)[0] == "contradicted"
    given_fit = {"share": ["mem"], "given": "fit", "at_least": 0.9}
    assert evaluated({"cells": cells(10), "test": given_fit}, rows)[0] == "supported"
    assert evaluated({"cells": cells(10), "test": given_fit}, seeds(5, "unfit")) == (
        "undecided",
        "no seed fits T (count-or-mem/10/lstm)",
    )


def test_one_size_is_enough_where_the_claim_says_so() -> None:
    rows = seeds(100, "mem") + seeds(100, "count", size=20)
    claim = {"cells": cells(10, 20), "test": COUNTS}
    state, why = evaluated(claim, rows)
    assert state == "contradicted" and why.startswith("supported in 1 of 2 cells, but 0 of 100 seeds")
    state, why = evaluated(claim | {"sizes_needed": "some"}, rows)
    assert state == "supported" and "(count-or-mem/20/lstm); contradicted: 0 of 100 seeds" in why


def test_of_several_learners_each_needs_a_size() -> None:
    rows = seeds(100, "count", "lstm", 20) + seeds(100, "mem", "lstm") + seeds(100, "mem", "cnn")
    claim = {"cells": cells(10, 20, learners=("lstm", "cnn")), "test": COUNTS, "sizes_needed": "some"}
    assert evaluated(claim, rows)[0] == "undecided"  # the CNN at size 20 was not run
    assert evaluated(claim, rows + seeds(100, "mem", "cnn", 20))[0] == "contradicted"
    assert evaluated(claim, rows + seeds(30, "count", "cnn", 20))[0] == "too few seeds"
    assert evaluated(claim, rows + seeds(100, "count", "cnn", 20))[0] == "supported"


def test_too_few_seeds_in_one_cell_do_not_hide_what_others_say() -> None:
    claim = {"cells": cells(10, 20), "test": COUNTS}
    assert evaluated(claim, seeds(100, "count") + seeds(3, "count", size=20))[0] == "too few seeds"
    assert evaluated(claim, seeds(100, "mem") + seeds(3, "count", size=20))[0] == "contradicted"
    assert evaluated(claim, seeds(3, "count"))[0] == "undecided"  # size 20 was not run


def test_pooled_sizes_are_said() -> None:
    rows = seeds(40, "mem") + seeds(40, "mem", size=20)
    claim = {"cells": cells(10, 20), "pool_sizes": True, "test": {"share": ["count"], "at_most": 0.05}}
    assert evaluated(claim, rows) == (
        "supported",
        "0 of 80 seeds of sizes 10, 20 pooled [0.00, 0.05] (count-or-mem/lstm)",
    )
    assert evaluated(claim, rows[:40])[0] == "undecided"
    learners = claim | {"cells": cells(10, 20, learners=("lstm", "cnn"))}
    both = rows + seeds(40, "count", "cnn") + seeds(40, "count", "cnn", 20)
    state, why = evaluated(learners, both)  # no learner's seeds count for another
    assert state == "contradicted" and "80 of 80 seeds of sizes 10, 20 pooled" in why


def test_what_the_authors_say_of_one_length_is_judged_length_by_length() -> None:
    """91, 83, 48 and 28 of 100 seeds fit T: what is said of 23 of 100 seeds is open at the last length alone."""
    claims = {claim["id"]: claim for claim in read_claims(BUILT_IN)}
    rows: list[Row] = []
    for size, fit in ((10, 91), (20, 83), (30, 48), (40, 28)):
        rows += seeds(fit, "mem", "transformer-dropout-0.6", size)
        rows += [{**r, "seed": 100 + r["seed"]} for r in seeds(100 - fit, "unfit", "transformer-dropout-0.6", size)]
    state, why = evaluated(claims["transformer-dropout-6-fits"], rows)
    assert state == "undecided" and "28 of 100 seeds [0.19, 0.38]" in why and "400" not in why
    assert all(f"{fit} of 100 seeds" in why for fit in (91, 83, 48)) and "contradicted: 91" in why
    assert evaluated(claims["transformer-dropout-6-memorizes"], rows)[0] == "supported"
    assert evaluated(claims["transformer-dropout-6-never-counts"], rows)[0] == "supported"
    high = [
        {**row, "learner": "transformer-dropout-0.8", "outputs": follow(COUNT, row["size"], "unfit")} for row in rows
    ]
    assert evaluated(claims["transformer-dropout-8-never-fits"], high)[0] == "supported"
    one = {**rows[0], "learner": "transformer-dropout-0.8"}
    assert evaluated(claims["transformer-dropout-8-never-fits"], [one, *high[1:]])[0] == "contradicted"


@pytest.mark.parametrize("updates", [60, 9000])
def test_other_numbers_of_updates_decide_nothing(updates: int) -> None:
    found = evaluated({"cells": cells(10), "test": COUNTS}, seeds(100, "count", updates=updates))
    assert found[0] == "undecided"
    assert found[1] == f"trained for {updates:,} updates, the claim speaks of 3,000 (count-or-mem/10/lstm)"
    longer = {"cells": cells(10), "test": COUNTS, "updates": updates}
    assert evaluated(longer, seeds(100, "count", updates=updates))[0] == "supported"


@pytest.mark.parametrize(("count", "mem", "state"), [(2.0, 30.0, "contradicted"), (30.0, 2.0, "supported")])
def test_preferences(count: float, mem: float, state: str) -> None:
    rows = [
        r
        for s in range(1, 9)
        for c, b in (("count", count), ("mem", mem))
        for r in code(COUNT, 10, c, "lstm", s, b + s)
    ]
    claim = {"cells": cells(10), "test": {"prefers": ["mem"], "over": ["count"]}}
    assert evaluated(claim, rows)[0] == state
    few = evaluated(claim, [r for r in rows if r["seed"] < 4])
    assert few == ("too few seeds", "by code length: 3 seeds, 6 needed (count-or-mem/10/lstm)")
    assert evaluated(claim, [r for r in rows if r["dataset"] == "mem"])[0] == "undecided"


def test_preferences_by_fpa_where_codes_were_not_measured() -> None:
    claim = {"cells": cells(10), "test": {"prefers": ["mem"], "over": ["count"]}}
    assert evaluated(claim, seeds(8, "mem")) == ("supported", "mem preferred by FPA, n = 8 (count-or-mem/10/lstm)")
    assert evaluated(claim, seeds(8, "count"))[0] == "contradicted"
    assert evaluated(claim, seeds(2, "mem")) == ("too few seeds", "by FPA: 2 seeds, 6 needed (count-or-mem/10/lstm)")
    split = seeds(6, "mem") + [{**r, "seed": r["seed"] + 6} for r in seeds(6, "count")]
    assert evaluated(claim, split) == ("undecided", "no clear preference by FPA at n = 12 (count-or-mem/10/lstm)")


def test_a_rule_must_be_preferred_to_all_others_and_the_seeds_are_those_of_the_pair_with_the_fewest() -> None:
    def rows(**bits: float) -> list[Row]:
        made = [r for s in range(1, 13) for c, b in bits.items() for r in code(SUMS, 10, c, "lstm", s, b + s / 9)]
        return [row for row in made if row["seed"] < 10 or row["dataset"] != "mul"]  # nine codes of `mul` alone

    place = {"cells": {"task": "add-or-mul", "sizes": [10], "learners": ["lstm"]}}
    claim = place | {"test": {"prefers": ["mem"], "over": ["add", "mul"]}}
    assert evaluated(claim, rows(add=20.0, mul=30.0, mem=2.0)) == (
        "supported",
        "mem preferred by code length, n = 9 (add-or-mul/10/lstm)",
    )
    assert evaluated(claim, rows(add=20.0, mul=2.0, mem=9.0))[0] == "contradicted"
    tie = [r for s in range(1, 13) for c, b in (("add", 9.0 + (-1) ** s), ("mul", 20.0), ("mem", 9.0))
           for r in code(SUMS, 10, c, "lstm", s, b)]  # fmt: skip
    assert evaluated(claim, tie)[0] == "undecided"
    either = place | {"test": {"prefers": ["add", "mul"], "over": ["mem"]}}
    assert evaluated(either, rows(add=2.0, mul=30.0, mem=20.0))[0] == "supported"  # one of the two is enough
    assert evaluated(either, rows(add=30.0, mul=20.0, mem=2.0))[0] == "contradicted"


@pytest.mark.parametrize(
    ("rules", "test", "state", "why"),
    [
        (
            ["count"] * 12,
            {"responses": ["count"], "at_least": 0.5},
            "supported",
            "count in 1.00 of the responses of 12",
        ),
        (["mem"] * 12, {"responses": ["count"], "at_least": 0.5}, "contradicted", "count in 0.00 of the responses"),
        (["mem"] * 2, {"responses": ["count"], "at_least": 0.5}, "too few seeds", "[0.00, 0.84]: 6 seeds needed"),
        (["count"] * 2, {"responses": ["count"], "at_least": 0.5}, "too few seeds", "[0.16, 1.00]: 6 seeds needed"),
        (["mem"] * 5, {"responses": ["count"], "at_most": 0.9}, "too few seeds", "6 seeds needed"),
        (["mem"] * 6, {"responses": ["count"], "at_most": 0.5}, "supported", "[0.00, 0.46]"),
        (["mem"] * 7, {"responses": ["count"], "at_most": 0.1}, "too few seeds", "36 seeds needed"),
        (["count", "mem"] * 3, {"responses": ["count"], "at_least": 0.5}, "undecided", "[0.12, 0.88]: too close"),
        (
            ["count", "mem"] * 4 + ["mem"] * 12,
            {"responses": ["count"], "at_least": 0.5},
            "contradicted",
            "[0.06, 0.44]",
        ),
        (["other"] * 6 + ["mem"] * 6, {"responses": ["none"], "at_least": 0.1}, "supported", "none in 0.50"),
        (["unfit"] * 3, {"responses": ["none"], "at_least": 0.1, "given": "fit"}, "undecided", "no seed fits T"),
        (
            ["unfit"] * 6 + ["mem"] * 6,
            {"responses": ["mem"], "at_least": 0.5, "given": "fit"},
            "supported",
            "of 6 seeds",
        ),
        (["count"], {"responses": ["count"], "at_least": 0.5}, "too few seeds", "6 seeds needed"),
    ],
)
def test_shares_of_responses(rules: list[str], test: dict[str, Any], state: str, why: str) -> None:
    rows = [decode("count-or-mem", 10, "lstm", s, follow(COUNT, 10, rule)) for s, rule in enumerate(rules, 1)]
    found = evaluated({"cells": cells(10), "test": test}, rows)
    assert found[0] == state and why in found[1]


def test_seeds_that_give_a_rule_in_parts_count_in_parts() -> None:
    """Two seeds that give the rule in 9 of 20 responses say as little as two that give it never."""
    outputs = follow(COUNT, 10, "mem")
    outputs[:9] = follow(COUNT, 10, "count")[:9]
    for n, state in ((2, "too few seeds"), (12, "undecided"), (9, "undecided"), (36, "contradicted")):
        rows = [decode("count-or-mem", 10, "lstm", s, outputs) for s in range(1, n + 1)]
        test = {"responses": ["count"], "at_least": 0.65}
        assert evaluated({"cells": cells(10), "test": test}, rows)[0] == state


@pytest.mark.parametrize(("n", "state"), [(2, "too few seeds"), (5, "too few seeds"), (6, "supported")])
@pytest.mark.parametrize("spread", [0.0, 0.01])
def test_a_few_equal_codes_decide_nothing(n: int, state: str, spread: float) -> None:
    rows = [r for s in range(1, n + 1) for c, b in (("lstm", 2.0), ("cnn", 80.0))
            for r in code(COUNT, 10, "count", c, s, b + s * spread)]  # fmt: skip
    for test in ({"at_most": 0.5}, {"below": ["cnn"]}):
        assert evaluated({"cells": cells(10), "test": {"per_example": "count", **test}}, rows)[0] == state


def test_code_lengths_per_example() -> None:
    """H of count-or-mem has 20 inputs: 100 to 107 bits are 5 to 5.4 an example."""
    rows = [r for s in range(1, 9) for r in code(COUNT, 10, "count", "lstm", s, 99.0 + s)]
    rows += [r for s in range(1, 9) for r in code(COUNT, 10, "count", "cnn", s, 9.0 + s)]

    def state(**test: Any) -> str:
        return evaluated({"cells": cells(10), "test": {"per_example": "count", **test}}, rows)[0]

    assert state(at_least=5) == "supported" and state(at_most=4.9) == "contradicted"
    assert state(at_most=5.2) == "undecided"
    assert state(below=["cnn"]) == "contradicted" and state(below=["cnn", "transformer"]) == "undecided"
    other = {"cells": cells(10, learners=("cnn",)), "test": {"per_example": "count", "below": ["lstm"]}}
    assert evaluated(other, rows) == ("supported", "0.68 bits per example, lstm's 5.2 (count-or-mem/10/cnn)")


def of_code(learner: str, low: float, mean: float, high: float, n: int = 9) -> Row:
    """A row of the table of code lengths, in bits per example."""
    cell = {"task": "count-or-mem", "size": 10, "learner": learner, "candidate": "count", "n_examples": 20}
    bits = {"bits_mean": 20 * mean, "ci_low": 20 * low, "ci_high": 20 * high}
    return cell | bits | {"ci_note": "", "n_seeds": n, "codes": "full", "blocks": "task"}


@pytest.mark.parametrize(
    ("others", "state"),
    [
        ([("cnn", 3.5, 4.0, 4.5)], "supported"),
        ([("cnn", 2.5, 4.0, 4.5)], "undecided"),  # its mean is larger, but the intervals overlap
        ([("cnn", 0.5, 1.0, 2.5)], "undecided"),
        ([("cnn", 0.5, 1.0, 1.5)], "contradicted"),
        ([("cnn", 3.5, 4.0, 4.5, 5)], "too few seeds"),
        ([("cnn", 3.5, 4.0, 4.5), ("gru", 3.5, 4.0, 4.5)], "supported"),
        ([("cnn", 3.5, 4.0, 4.5), ("gru", 0.5, 1.0, 1.5)], "contradicted"),
        ([("cnn", 2.5, 4.0, 4.5), ("gru", 3.5, 4.0, 4.5, 5), ("rnn", 3.5, 4.0, 4.5)], "undecided"),
        ([("cnn", 3.5, 4.0, 4.5, 5), ("rnn", 3.5, 4.0, 4.5)], "too few seeds"),
    ],
)
def test_shorter_codes_than_others(others: list[tuple[Any, ...]], state: str) -> None:
    """2 to 3 bits, around 2.6, against others': below all of them only if no interval touches, each of six seeds."""
    code_table = pd.DataFrame([of_code("lstm", 2.0, 2.6, 3.0), *(of_code(*other) for other in others)])
    test = {"per_example": "count", "below": [name for name, *_ in others]}
    assert decide(test, ("count-or-mem", 10, "lstm"), {"code_length": code_table}).state == state


def test_seeds_too_few_for_a_preference_are_said_with_how_many_its_family_takes() -> None:
    """Of six pairs that are corrected together each takes eight seeds: 6 * 2 / 2^7 is not below .05."""
    pair = {"task": "count-or-mem", "size": 10, "learner": "lstm", "a": "count", "b": "mem", "n_seeds": 7}
    pair |= {"level": "descriptive", "preferred": "", "n_family": 6, "fpa_level": "not measured"}
    pair |= {"codes": "full", "blocks": "task"}
    found = decide(
        {"prefers": ["mem"], "over": ["count"]}, ("count-or-mem", 10, "lstm"), {"preferences": pd.DataFrame([pair])}
    )
    assert (found.state, found.why) == ("too few seeds", "by code length: 7 seeds, 8 needed")


def test_lengths_of_one_seed() -> None:
    claim = next(c for c in read_claims(BUILT_IN) if c["id"] == "readme-lstm-multiplies")
    row = decode("add-or-mul", 20, "lstm-attention", 1, follow(SUMS, 20, "mul"), rng_streams="released")
    assert evaluated(claim, [row])[0] == "supported"
    other = row | {"outputs": follow(SUMS, 20, "mem")}
    assert evaluated(claim, [other])[0] == "contradicted"
    assert "seed 1 was not decoded" in evaluated(claim, [row | {"seed": 2}])[1]
    assert "the claim speaks of released" in evaluated(claim, [row | {"rng_streams": "independent"}])[1]


def test_bits_of_one_seed() -> None:
    claim = next(c for c in read_claims(BUILT_IN) if c["id"] == "readme-cnn-code")
    released = {"adam_state": "carried", "rng_streams": "released", "min_len": 1}
    assert evaluated(claim, code(SUMS, 20, "mem", "cnn", 1, 9.631e-6, **released))[0] == "supported"
    assert evaluated(claim, code(SUMS, 20, "mem", "cnn", 1, 9.7e-6, **released))[0] == "contradicted"
    assert evaluated(claim, code(SUMS, 20, "mem", "cnn", 1, 9.63e-6))[0] == "undecided"


def test_claims_about_the_measures() -> None:
    def learner(name: str, shorter: str, followed: str, n: int = 9) -> list[Row]:
        """Nine seeds that follow a rule, and as many with codes of which one is the shorter."""
        lengths = {c: (1.0 if c == shorter else 50.0) for c in ("count", "mem")}
        return seeds(n, followed, name) + [
            r for c, b in lengths.items() for s in range(1, 10) for r in code(COUNT, 10, c, name, s, b + s)
        ]

    rows = [r for i, rule in enumerate(["count", "mem"] * 3) for r in learner(f"l{i}", rule, rule)]
    state, why = evaluated({"test": {"agreement": 0}}, rows)
    assert state == "supported"
    assert "over 6 pairs; FPA differs in 6 of them and has the sign of the code lengths in 6;" in why
    assert "that of most responses in 6 of 6 cells, and that of most seeds in 6 of the 6 in which" in why
    assert evaluated({"test": {"sensitivity": "code_length"}}, rows)[0] == "undecided"
    few = [row for row in rows if row["learner"] < "l3"]
    assert evaluated({"test": {"agreement": 0}}, few) == ("undecided", "3 cells have both measures, 6 needed")
    assert evaluated({"test": {"agreement": 0}}, []) == ("undecided", "no cell has both measures")


@pytest.mark.parametrize(
    ("test", "row", "state"),
    [
        ({"agreement": 0}, {"rho_ci_low": 0.01, "rho_ci_high": 0.9}, "supported"),
        ({"agreement": 0}, {"rho_ci_low": -0.01, "rho_ci_high": 0.9}, "undecided"),
        ({"agreement": 0}, {"rho_ci_low": -0.9, "rho_ci_high": -0.01}, "contradicted"),
        ({"agreement": 0.5}, {"rho_ci_low": 0.4, "rho_ci_high": 0.9}, "undecided"),
        ({"agreement": 0}, {"n_both": 5, "rho_ci_low": 0.9, "rho_ci_high": 0.9}, "undecided"),
        ({"agreement": 0}, {"rho": math.nan, "rho_note": "no cell differs"}, "undecided"),
        ({"sensitivity": "code_length"}, {"n_tested_code_only": 9, "p_sensitivity": 0.049}, "supported"),
        ({"sensitivity": "code_length"}, {"n_tested_code_only": 9, "p_sensitivity": 0.051}, "undecided"),
        ({"sensitivity": "code_length"}, {"n_tested_fpa_only": 9, "p_sensitivity": 0.049}, "contradicted"),
    ],
)
def test_claims_about_the_measures_at_their_bounds(test: dict[str, Any], row: dict[str, Any], state: str) -> None:
    about = {"rho": 0.5, "rho_ci_low": 0.1, "rho_ci_high": 0.9, "n_both": 6, "n_compared": 5, "n_agree": 4}
    about |= {"n_pairs": 12, "n_agree_responses": 5, "n_fpa_differs": 11, "n_same_sign": 10}
    about |= {"n_tested_code_only": 3, "n_tested_fpa_only": 3, "p_sensitivity": 1.0}
    other = {**about, "task": "count-or-mem", "n_both": 0}
    table = pd.DataFrame([other, {**about, "task": "all tasks", **row}])
    claim = {"id": "x", "statement": "x", "source": "x", "test": test}
    assert claims_table([claim], {"agreement": table})["state"].tolist() == [state]


def test_the_built_in_claims_speak_of_what_exists() -> None:
    claims = read_claims(BUILT_IN)
    assert len({claim["id"] for claim in claims}) == len(claims) > 15
    for claim in claims:
        if "cells" not in claim:
            continue
        task = TASKS[claim["cells"]["task"]]
        assert set(claim["cells"]["sizes"]) <= set(task.sizes)
        named = {rule for kind in ("share", "all", "none") for rule in claim["test"].get(kind, [])}
        named |= {*claim["test"].get("prefers", []), *claim["test"].get("over", [])}
        named |= {*claim["test"].get("responses", [])} | {claim["test"].get("per_example", "none")}
        assert named <= {*task.candidates, "other", "unfit", "diverged", "none", "fits"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("claims: 3", "a list under the key"),
        ("claims: [1]", "a claim needs the keys"),
        ("claims: [{id: x, statement: y, source: z, test: {shares: [a]}}]", "lacks a test of the kinds"),
        ("claims: [{id: x, cell: y, test: {share: [a]}}]", "unknown key 'cell'; did you mean 'cells'"),
        ("claims: [{id: x, test: {share: [a]}}]", "lacks statement, source"),
        ("a: [", "is not YAML"),
    ],
)
def test_broken_files_of_claims(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "claims.yaml").write_text(text)
    with pytest.raises(UserError, match=said):
        read_claims(tmp_path / "claims.yaml")
    with pytest.raises(UserError, match="does not exist"):
        read_claims(tmp_path / "none.yaml")


@pytest.mark.parametrize(("codes", "blocks"), [("first", "task"), ("race", "task"), ("full", "doubling")])
def test_bounds_and_coarse_codes_decide_no_claim_about_lengths(codes: str, blocks: str) -> None:
    """Of a race there is no mean, and codes in other blocks are other numbers; who is preferred a race tells, too."""
    kind = {"codes": codes, "blocks": blocks}
    mean = math.nan if blocks == "task" else 1.0
    table = pd.DataFrame([of_code("lstm", mean, mean, mean) | kind])
    found = decide({"per_example": "count", "at_most": 9}, ("count-or-mem", 10, "lstm"), {"code_length": table})
    assert found.state == "undecided" and "no complete code in the task's blocks" in found.why
    pair = {"task": "count-or-mem", "size": 10, "learner": "lstm", "a": "count", "b": "mem", "n_seeds": 12, **kind}
    pair |= {"level": "tested", "preferred": "mem", "n_family": 1, "fpa_level": "not measured"}
    wanted = {"prefers": ["mem"], "over": ["count"]}
    judged = decide(wanted, ("count-or-mem", 10, "lstm"), {"preferences": pd.DataFrame([pair])})
    assert judged.state == ("undecided" if codes == "first" else "supported")
    assert {"first": "by the first block", "race": "raced", "full": "double"}[codes] in judged.why
