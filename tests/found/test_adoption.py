"""From a found rule to a rule of its task: printed, checked, marked as found, and no part of what is given."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from indoubt.data.rules import FOUND, criteria
from indoubt.data.task import load_tasks
from indoubt.errors import UserError
from indoubt.found.found_rules import found_tables
from indoubt.found.functions import adoption, found_rules
from indoubt.found.wording import by_cell, in_short, sentence
from indoubt.measures.fpa import fpa_table, seed_classes
from indoubt.notebook.measurement import Measurement
from indoubt.tables.tables import write_tables
from tests.found.planted import TASKS
from tests.found.test_found_tables import ends_vote, predicted, the_row
from tests.shared.workspace import ROOT, indoubt


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(indoubt(name, *arguments), capture_output=True, text=True, check=False)


FLMP = TASKS["first-last-majority-parity"]
COUNT = TASKS["count-wrap-saturate"]


def test_a_printed_rule_is_a_function_that_gives_what_was_found() -> None:
    row = the_row(found_tables(predicted(FLMP, 5, ends_vote, 24), TASKS)[0])
    adopted = adoption(FLMP, row, "found_1", "1-24")
    assert "def found_1(source: Symbols, size: int) -> Symbols | None:" in adopted.source
    assert '"found_1": found_1' in adopted.attributes and '"found_1": "1-24"' in adopted.attributes
    assert "ends_vote" in adopted.refused  # it is one that the task has already
    space: dict[str, object] = {}
    exec("from collections import Counter\nfrom indoubt import Symbols\n" + adopted.source, space)
    found = space["found_1"]
    assert callable(found)
    assert found(("a", "b", "b", "b", "a"), 5) == ("a",) and found(("a", "b", "b", "b", "a"), 7) is None
    assert max(map(len, adopted.source.splitlines())) <= 120


def test_a_rule_that_contradicts_t_is_silent_there() -> None:
    rows = predicted(COUNT, 5, lambda source, seed: ("b",) * (7 + len(source) // 7), 12)
    adopted = adoption(COUNT, the_row(found_tables(rows, TASKS)[0]), "found_1", "1-12")
    assert adopted.refused == "" and "if source in {('a',)" in adopted.source


def test_what_has_no_rule_cannot_be_adopted() -> None:
    row = the_row(found_tables(predicted(FLMP, 5, ends_vote, 7), TASKS)[0])
    with pytest.raises(UserError, match="has no rule to adopt"):
        adoption(FLMP, row, "found_1", "1-7")


def test_the_command_says_which_cells_there_are(tmp_path: Path) -> None:
    rows = predicted(COUNT, 5, lambda source, seed: ("b",) * (7 + len(source) // 7), 12)
    rules, signatures = found_tables(rows, TASKS)
    tables = {"found_rules": rules, "signatures": signatures, "seed_classes": seed_classes(rows)}
    write_tables(tables, tmp_path / "tables")
    done = script("found", "count-wrap-saturate/5/made", "--results", tmp_path, "--name", "eight")
    assert done.returncode == 0, done.stderr
    assert "def eight(" in done.stdout and '"eight": "1-12"' in done.stdout and "checks pass" in done.stdout
    done = script("found", "count-wrap-saturate/5/mode", "--results", tmp_path)
    assert done.returncode != 0 and "count-wrap-saturate/5/made" in done.stderr
    done = script("found", "count-wrap-saturate/5/made", "--results", tmp_path, "--part", "3")
    assert done.returncode != 0 and "no part 3" in done.stderr


def test_rules_that_were_found_are_marked_and_not_given() -> None:
    """Seeds that follow one throughout are its class, and are still searched as if nobody had it."""
    seeds = predicted(FLMP, 5, lambda source, seed: FLMP.further_rules["ends_vote"](source, 5) or (), 12)
    assert {row["class"] for row in seeds} == {"ends_vote"}
    row = the_row(found_tables(seeds, TASKS)[0])
    assert (row["form"], row["kind"], row["n_seeds"], row["share"]) == ("rule", "ends_vote", 12, 1.0)
    fpa = fpa_table(seed_classes(seeds), TASKS).set_index("class")
    assert fpa.loc["ends_vote", "kind"] == FOUND and fpa.loc["ends_vote", "note"] == "found on seeds 1-12"
    assert fpa.loc["majority", "note"] == ""


def test_shipped_rules_that_were_found_say_what_their_description_says() -> None:
    for task in load_tasks().values():
        for name in task.found_on:
            assert [c.kind for c in criteria(task) if c.name == name] == [FOUND]
    rules = {name: rule for task in load_tasks().values() for name, rule in task.further_rules.items()}
    eight = ("a",) * 8
    assert [len(rules[n](eight, 5) or ()) for n in ("third_rate", "half_rate", "half_rate_up")] == [6, 7, 7]
    assert len(rules["two_thirds_rate"](("a",) * 9, 5) or ()) == 8
    assert [len(rules[n](("a",) * 3, 5) or ()) for n in ("twice_less_capped", "half_less_total")] == [9, 12]
    assert len(rules["half_less_total"](("a",) * 7, 5) or ()) == 8
    assert rules["ends_else_a"](tuple("bbbba"), 5) == ("a",) and rules["ends_else_b"](tuple("aaaab"), 5) == ("b",)
    assert rules["first_vote"](tuple("abbbb"), 5) == ("b",) and rules["first_vote"](tuple("abbba"), 5) == ("a",)
    eleventh = tuple("aabaaaaaaaaaa")
    assert rules["five_or_eleven"](eleventh, 4) == ("b",) and rules["five_or_eleven"](eleventh[1:-1], 4) == ("a",)
    assert rules["rare_else_b"](tuple("aabba"), 4) == ("b",) and rules["rare_else_a"](tuple("abbba"), 4) == ("a",)
    assert rules["rare_else_a"](tuple("aaaaaaaab"), 4) is None


def test_a_cell_is_said_in_a_sentence_and_in_short() -> None:
    rules, _ = found_tables(predicted(FLMP, 5, ends_vote, 24), TASKS)
    (_, rows), = by_cell(rules)  # fmt: skip
    assert in_short(rows).startswith("ends_vote (9") and "24 seeds that follow no given rule: " in sentence(rows)
    assert "Best given rule: majority" in sentence(rows) and "of 24 throughout" in sentence(rows)
    few, _ = found_tables(predicted(FLMP, 5, ends_vote, 7), TASKS)
    assert sentence(few.to_dict("records")) == (
        "7 seeds that follow no given rule: too few to look for what they do, it takes 8."
    )
    assert in_short(few.to_dict("records")) == ""


def test_the_docs_name_the_rules_that_were_found() -> None:
    text = (ROOT / "docs/found-rules.md").read_text()
    for task in load_tasks().values():
        assert all(f"`{name}`" in text for name in task.found_on), task.name


def test_a_measurement_has_what_was_found_as_a_function() -> None:
    found, signatures = found_tables(predicted(FLMP, 5, ends_vote, 24), TASKS)
    rules = found_rules(FLMP, 5, found)
    tables = {"found_rules": found, "signatures": signatures}
    measured = Measurement(FLMP.name, 5, "made", "modules", None, tables, rules)
    rule = measured.rule()
    assert rule("a b b b a") == ("a",) == rule(("a", "b", "b", "b", "a")) and rule("a b b a b") == ("b",)
    assert "def found_1(source: Symbols, size: int)" in rule.python and rule.words == measured.found["words"].iloc[0]
    with pytest.raises(UserError, match="no found rule 2; 24 seeds that follow no given rule"):
        measured.rule(2)
