"""Published claims: each kind of test supported, contradicted and undecided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doubt.data.random_candidate import with_random
from doubt.data.task import load_tasks
from doubt.errors import UserError
from doubt.measures.classify import predictions
from doubt.statistics.claims import BUILT_IN, claims_table, read_claims
from doubt.tables.tables import build_tables
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
    ("n", "rule", "state", "why"),
    [
        (100, "count", "supported", "100 of 100 seeds [0.96, 1.00]"),
        (20, "count", "undecided", "about 73 seeds would settle it"),
        (20, "mem", "contradicted", "0 of 20 seeds"),
    ],
)
def test_shares(n: int, rule: str, state: str, why: str) -> None:
    found = evaluated({"cells": cells(10), "test": COUNTS}, seeds(n, rule))
    assert found[0] == state and why in found[1]


def test_shares_given_fit_and_about() -> None:
    rows = seeds(40, "mem") + [{**r, "seed": r["seed"] + 40} for r in seeds(60, "unfit")]
    fits = {"share": ["count", "mem", "other"], "about": 0.4, "within": 0.15}
    assert evaluated({"cells": cells(10), "test": fits}, rows)[0] == "supported"
    given_fit = {"share": ["mem"], "given": "fit", "at_least": 0.9}
    assert evaluated({"cells": cells(10), "test": given_fit}, rows)[0] == "supported"
    assert evaluated({"cells": cells(10), "test": given_fit}, seeds(5, "unfit")) == (
        "undecided",
        "no seed fits T (count-or-mem/10/lstm)",
    )


def test_one_size_is_enough_where_the_claim_says_so() -> None:
    rows = seeds(100, "mem") + seeds(100, "count", size=20)
    claim = {"cells": cells(10, 20), "test": COUNTS}
    assert evaluated(claim, rows)[0] == "contradicted"
    assert evaluated(claim | {"sizes_needed": "some"}, rows)[0] == "supported"


def test_pooled_sizes() -> None:
    rows = seeds(40, "mem") + seeds(40, "mem", size=20)
    claim = {"cells": cells(10, 20), "pool_sizes": True, "test": {"share": ["count"], "at_most": 0.05}}
    assert evaluated(claim, rows) == ("supported", "0 of 80 seeds [0.00, 0.05] (count-or-mem/10/lstm)")
    assert evaluated(claim, rows[:40])[0] == "undecided"


def test_other_numbers_of_updates_decide_nothing() -> None:
    found = evaluated({"cells": cells(10), "test": COUNTS}, seeds(100, "count", updates=60))
    assert found == ("undecided", "trained for 60 updates, the claim speaks of 3,000 (count-or-mem/10/lstm)")


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
    assert few == ("undecided", "n = 3 seeds are too few to test, 6 needed (count-or-mem/10/lstm)")
    assert evaluated(claim, [r for r in rows if r["dataset"] == "mem"])[0] == "undecided"


def test_preferences_by_fpa_where_codes_were_not_measured() -> None:
    claim = {"cells": cells(10), "test": {"prefers": ["mem"], "over": ["count"]}}
    assert evaluated(claim, seeds(8, "mem")) == ("supported", "mem preferred by FPA, n = 8 (count-or-mem/10/lstm)")


@pytest.mark.parametrize(
    ("rules", "test", "state", "why"),
    [
        (["count"] * 12, {"responses": ["count"], "at_least": 0.5}, "supported", "count in 1.00 of the responses"),
        (["mem"] * 12, {"responses": ["count"], "at_least": 0.5}, "contradicted", "count in 0.00 of the responses"),
        (["count", "mem"] * 3, {"responses": ["count"], "at_least": 0.5}, "undecided", "[0.17, 0.83], n = 6"),
        (["other"] * 6 + ["mem"] * 6, {"responses": ["none"], "at_least": 0.1}, "supported", "none in 0.50"),
        (["unfit"] * 3, {"responses": ["none"], "at_least": 0.1, "given": "fit"}, "undecided", "no seed fits T"),
        (["count"], {"responses": ["count"], "at_least": 0.5}, "undecided", "n = 1: no interval"),
    ],
)
def test_shares_of_responses(rules: list[str], test: dict[str, Any], state: str, why: str) -> None:
    rows = [decode("count-or-mem", 10, "lstm", s, follow(COUNT, 10, rule)) for s, rule in enumerate(rules, 1)]
    found = evaluated({"cells": cells(10), "test": test}, rows)
    assert found[0] == state and why in found[1]


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
    rows: list[Row] = []
    for learner, rule in (("a", "count"), ("b", "mem"), ("c", "count"), ("d", "mem")):
        rows += seeds(8, rule, learner)
        for candidate in ("count", "mem"):
            for s in range(1, 9):
                rows += code(COUNT, 10, candidate, learner, s, (1.0 if candidate == rule else 50.0) + s)
    assert evaluated({"test": {"agreement": 0}}, rows)[0] == "supported"
    assert evaluated({"test": {"sensitivity": "code_length"}}, rows)[0] == "undecided"
    assert evaluated({"test": {"agreement": 0}}, []) == ("undecided", "no cell has both measures")


def test_the_built_in_claims_speak_of_what_exists() -> None:
    claims = read_claims(BUILT_IN)
    assert len({claim["id"] for claim in claims}) == len(claims) > 15
    for claim in claims:
        if "cells" not in claim:
            continue
        task = TASKS[claim["cells"]["task"]]
        assert set(claim["cells"]["sizes"]) <= set(task.sizes)
        named = {*claim["test"].get("share", []), *claim["test"].get("prefers", []), *claim["test"].get("over", [])}
        named |= {*claim["test"].get("responses", [])} | {claim["test"].get("per_example", "none")}
        assert named <= {*task.candidates, "other", "unfit", "diverged", "none"}


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
