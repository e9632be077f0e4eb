"""Trajectories: known answers from made-up looks at seeds."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from indoubt.data.task import load_tasks
from indoubt.measures.classify import predictions
from indoubt.measures.code_length import blocks_table, code_length_table, seed_code_lengths
from indoubt.measures.fpa import seed_classes
from indoubt.measures.trajectories import (
    code_trajectories_table,
    half_fit,
    milestone_classes,
    paths_table,
    trajectories_table,
)
from indoubt.report.notes import over_time
from tests.shared.made_up import Row, code, decode, follow

TASKS = load_tasks()
COUNT = TASKS["count-or-mem"]
#: What three seeds follow after 10, 100 and 3,000 updates.
PATHS = {1: ("unfit", "mem", "mem"), 2: ("unfit", "count", "mem"), 3: ("unfit", "unfit", "other")}


def at(row: Row, update: int) -> Row:
    return row | {"kind": f"{row['kind']}_at", "at": update, "looking": 0.5}


@pytest.fixture
def seen() -> pd.DataFrame:
    def output(seed: int, rule: str) -> Row:
        return decode(seed=seed, outputs=follow(COUNT, 10, rule))

    ends = [output(seed, path[-1]) for seed, path in PATHS.items()] + [output(4, "count")]
    looked = [at(output(s, r), u) for s, path in PATHS.items() for u, r in zip((10, 100), path, strict=False)]
    return milestone_classes(looked, seed_classes(predictions(COUNT, 10, ends)), TASKS)


def test_seeds_that_were_not_looked_at_take_no_part(seen: pd.DataFrame) -> None:
    assert set(seen["seed"]) == {1, 2, 3} and set(seen["update"]) == {10, 100, 3000}


def test_the_end_of_a_seed_that_diverged_is_that_of_the_others_of_its_cell() -> None:
    def output(seed: int, learner: str, updates: int, rule: str | None = "mem") -> Row:
        return decode(seed=seed, learner=learner, updates=updates, outputs=follow(COUNT, 10, rule) if rule else None)

    ends = [output(1, "lstm", 3000), output(2, "lstm", 57, None)]
    other = [output(1, "cnn", 500), output(2, "cnn", 9, None)]
    lines = [*predictions(COUNT, 10, ends), *predictions(COUNT, 10, other)]
    found = milestone_classes(
        [at(row | {"outputs": follow(COUNT, 10, "unfit")}, 5) for row in ends + other], seed_classes(lines), TASKS
    )
    last = found[found["class"] == "diverged"].set_index("learner")["update"].to_dict()
    assert last == {"lstm": 3000, "cnn": 500}
    table = trajectories_table(found, TASKS)
    assert set(table["n_seeds"]) == {2} and sorted(set(table["update"])) == [5, 500, 3000]


@pytest.mark.parametrize(("fitting", "half"), [((0, 1, 2), 100), ((1, 1, 2), 10), ((0, 0, 1), 3000), ((0, 0, 0), None)])
def test_exactly_half_of_the_seeds_are_half(fitting: tuple[int, ...], half: int | None) -> None:
    table = pd.DataFrame({"update": [3000, 10, 100], "n_fit": [fitting[2], *fitting[:2]], "n_seeds": 2})
    assert half_fit(table) == half


def test_shares_over_updates(seen: pd.DataFrame) -> None:
    table = trajectories_table(seen, TASKS).set_index(["update", "class"])
    n = {key: int(table.loc[key, "n"]) for key in table.index}
    assert {key: count for key, count in n.items() if count} == {
        (10, "unfit"): 3, (100, "count"): 1, (100, "mem"): 1, (100, "unfit"): 1, (3000, "mem"): 2, (3000, "other"): 1,
    }  # fmt: skip
    assert [int(table.loc[(u, "mem"), "n_fit"]) for u in (10, 100, 3000)] == [0, 2, 3]
    row: Any = table.loc[(3000, "mem")]
    assert (row["share"], row["n_seeds"]) == (pytest.approx(2 / 3), 3)
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(0.2077, abs=1e-4), pytest.approx(0.9385, abs=1e-4))


def test_paths_of_seeds(seen: pd.DataFrame) -> None:
    paths = paths_table(seen).set_index("seed")
    assert list(paths["first_fit"]) == [100, 100, 3000] and list(paths["n_switches"]) == [0, 1, 0]
    assert paths.loc[2, "path"] == "unfit@10 count@100 mem@3000" and paths.loc[3, "final"] == "other"


def test_when_half_of_the_seeds_fit_and_which_rule_leads_from_when(seen: pd.DataFrame) -> None:
    table = trajectories_table(seen, TASKS)
    assert half_fit(table) == 100
    costs = pd.DataFrame([{"learner": "lstm", "size": 10, "seconds": 10.0, "milestone_seconds": 3.0}])
    sentence, dear = over_time(table, paths_table(seen), costs)
    assert sentence.startswith(
        "lstm, size 10: half of 3 seeds fit T at 100 updates; mem, which leads at the end, leads"
    )
    assert "leads from 100 on; 1 of 3 seeds [0.06, 0.79] change their rule after they first fit." in sentence
    assert dear == "lstm, size 10: decoding at milestones took 30% of its time."


def test_of_a_learner_that_never_fits_that_is_said() -> None:
    ends = [decode(seed=s, outputs=follow(COUNT, 10, "unfit")) for s in (1, 2)]
    seen = milestone_classes([at(row, 10) for row in ends], seed_classes(predictions(COUNT, 10, ends)), TASKS)
    table = trajectories_table(seen, TASKS)
    assert half_fit(table) is None
    none = pd.DataFrame(columns=["learner", "size", "seconds", "milestone_seconds"])
    assert over_time(table, paths_table(seen), none) == ["lstm, size 10: fewer than half of 2 seeds ever fit T."]


def test_nothing_looked_at_gives_empty_tables() -> None:
    seen = milestone_classes([], seed_classes(predictions(COUNT, 10, [decode()])), TASKS)
    assert trajectories_table(seen, TASKS).empty and paths_table(seen).empty
    assert code_trajectories_table([], pd.DataFrame(), TASKS).empty


def test_code_lengths_over_updates_are_those_of_the_blocks_then() -> None:
    ends = [row for seed in (1, 2) for row in code(COUNT, 10, "mem", "lstm", seed, 10.0 * seed)]
    early = [at(row, 100) for seed in (1, 2) for row in code(COUNT, 10, "mem", "lstm", seed, 40.0 * seed)]
    final = code_length_table(seed_code_lengths(blocks_table(ends), TASKS), TASKS)
    table = code_trajectories_table(early, final, TASKS)
    assert list(table["update"]) == [100, 3000] and list(table["n_seeds"]) == [2, 2]
    assert list(table["bits_mean"]) == pytest.approx([60.0, 15.0])
    lost = [row | {"nats": None} for row in early[:1]] + early[1:]
    assert list(code_trajectories_table(lost, final, TASKS)["n_diverged"]) == [1, 0]
