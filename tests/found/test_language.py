"""The three grammars: what rules cost, what they say, and that their Python says the same."""

from __future__ import annotations

import zlib

import pytest

from indoubt.found import language, lengths, sequences, symbols
from indoubt.found.functions import function
from indoubt.found.language import gamma, ordinal
from indoubt.found.library import Library, given_rules, library
from tests.found.planted import TASKS, library_of

#: For a task and size of each grammar its rules with their bits in the grammar, and their words.
KNOWN = {
    ("add-or-mul", 5): {
        "add": (6, "T's length, one more for each symbol that the input is longer"),
        "mul": (7, "T's length, two more for each symbol that the input is longer"),
        "mem": (4, "always 10 (as T's output)"),
        "total": (7, "T's length, one less for each symbol that the input is longer"),
    },
    ("mul-by-3", 5): {"mem": (4, "always 15 (as T's output)"), "mul": (9, None), "affine": (7, None), "add": (6, None)},
    ("count-or-mem", 10): {"count": (6, None), "mem": (4, None), "total": (7, None)},
    ("count-wrap-saturate", 5): {"count": (6, None), "saturate": (4, None)},
    ("first-last-majority-parity", 5): {
        "first": (4, "the first"),
        "last": (4, "the last"),
        "majority": (4, "the most frequent"),
        "parity": (5, "the one that occurs an odd number of times"),
    },
    ("odd-or-place", 4): {
        "middle": (4, "the middle"),
        "left": (8, "the 5th"),
        "right": (8, "the 5th from the end"),
        "oddone": (4, "the rarest"),
        "newcomer": (5, "the first that differs from the first"),
    },
    ("copy-or-reverse", 4): {
        "copy": (3, "the input"),
        "reverse": (6, "the input, backwards"),
        "mirror_left": (11, "the first half of the input, then that mirrored"),
        "mirror_right": (14, "the second half of the input, backwards, then that mirrored"),
    },
    ("comp-or-mem", 5): {
        "compo": (16, "the meaning of 3 times its last symbol"),
        "mem_prim": (8, "the meaning of its last symbol"),
        "mem_func": (5, "T's longest output"),
    },
}


def in_grammar(task: str, size: int) -> dict[tuple[object, ...], tuple[int, str]]:
    """By what it says of H, the bits and words of each grammar's shortest rule."""
    training = dict(TASKS[task].training_set(size))
    inputs = list(dict.fromkeys(TASKS[task].holdout_inputs(size)))
    grammar = library_of(task, size).grammar
    if grammar == "lengths":
        n, m = max(map(len, training)), max(map(len, training.values()))
        rules = lengths.length_rules([len(source) for source in inputs], n, m, cut=False)
        return {tuple(("b",) * k for k in rule.outputs): (rule.bits, rule.words) for rule in rules}
    if grammar == "symbols":
        found, _ = symbols.symbol_rules([*inputs, *training], sequences.letters_of(training))
        ranked = [(tuple((s,) for s in rule.outputs[: len(inputs)]), rule.bits, rule.words) for rule in found]
    else:
        in_sequences, _ = sequences.sequence_rules([*inputs, *training], training)
        ranked = [(rule.outputs[: len(inputs)], rule.bits, rule.words) for rule in in_sequences]
    kept: dict[tuple[object, ...], tuple[int, str]] = {}
    for said, bits, words in ranked:
        kept.setdefault(said, (bits, words))
    return kept


@pytest.mark.parametrize(("task", "size"), KNOWN)
def test_rules_of_tasks_have_known_bits_and_words(task: str, size: int) -> None:
    known = in_grammar(task, size)
    inputs = list(dict.fromkeys(TASKS[task].holdout_inputs(size)))
    for name, (bits, words) in KNOWN[task, size].items():
        rule = given_rules(TASKS[task])[name]
        found = known[tuple(rule(source, size) for source in inputs)]
        assert found[0] == bits, (name, found)
        assert words in (None, found[1]), (name, found)


def test_every_rule_of_a_task_is_in_its_library() -> None:
    for task, size in [*KNOWN, ("oddone-or-linear", 4), ("hierar-or-linear", 4)]:
        made, asked = library_of(task, size), TASKS[task].holdout_inputs(size)
        speaking = [n for n, rule in given_rules(TASKS[task]).items() if all(rule(s, size) is not None for s in asked)]
        assert sorted(made.given) == sorted(speaking)
        said = {row.tobytes() for row in made.whole.said}
        assert all(rule.key in said for rule in made.given.values()), task


def test_a_rule_of_another_task_with_the_same_t_has_its_name() -> None:
    made = library_of("oddone-or-linear", 4)
    right = [names for names in made.named.values() if "right of odd-or-place" in names]
    assert len(right) == 1 and "right" not in made.given
    only = library(TASKS["oddone-or-linear"], 4, {"oddone-or-linear": TASKS["oddone-or-linear"]})
    assert not [names for names in only.named.values() if "right of odd-or-place" in names]


@pytest.mark.parametrize(("task", "size"), [("count-or-mem", 10), ("odd-or-place", 4), ("comp-or-mem", 5)])
def test_the_python_of_a_rule_gives_what_the_library_has(task: str, size: int) -> None:
    """200 rules by hash, on T and on H; of lengths also those of one side."""
    made = library_of(task, size)
    picked = sorted(range(len(made.whole.bits)), key=lambda place: zlib.crc32(f"{task}{place}".encode()))[:200]
    for place in picked:
        rule = made.whole.rule(place)
        if not rule.python:
            continue
        ask = function(rule.python, size, made.training, made.grammar)
        outputs = [made.outputs.said[number] for number in rule.said]
        assert [ask(source, size) for source in made.inputs] == outputs, rule.words
        if made.grammar != "lengths":
            assert all(ask(s, size) == o for s, o in made.training.items()) == rule.gives_t, rule.words
    for side in made.sides:
        for place in picked:
            if place < len(side.programs.bits):
                rule = side.programs.rule(place)
                ask = function(rule.python, size, made.training, made.grammar)
                outputs = [made.outputs.said[number] for number in rule.said]
                assert [ask(made.inputs[k], size) for k in side.places] == outputs, rule.words


def test_a_rule_is_silent_at_other_sizes() -> None:
    assert function("n", 5, {("a",): ("b",)}, "lengths")(("a", "a"), 6) is None


def test_the_bits_of_all_choices_are_those_of_a_code() -> None:
    for n, m in ((5, 10), (10, 10), (5, 5), (40, 40)):
        assert all(total <= 1 for total in lengths.kraft(n, m))
    for alphabet in ("ab", "abc", "abcdefgh"):
        assert symbols.kraft(alphabet, 64) <= 1
    assert language.kraft() <= 1
    for task, size in (("copy-or-reverse", 4), ("comp-or-mem", 5), ("comp-or-mem", 20), ("scan-addprim-jump", 0)):
        if task in TASKS and size in TASKS[task].sizes:
            training = dict(TASKS[task].training_set(size))
            assert sequences.kraft([*TASKS[task].holdout_inputs(size), *training], training) <= 1
    two_letters = {("x",): ("a",), ("y",): ("b",), ("x", "y"): ("a", "b")}  # a dictionary, and two letters to swap
    assert sequences.kraft([("x", "y") * 8], two_letters) <= 1


def test_small_words() -> None:
    assert [gamma(n) for n in (1, 2, 3, 4, 8)] == [1, 3, 3, 5, 7]
    assert [ordinal(n) for n in (1, 3, 4, 11, 21, 112)] == ["first", "third", "4th", "11th", "21st", "112th"]


def test_no_two_rules_of_a_library_say_the_same() -> None:
    for task, size in KNOWN:
        made: Library = library_of(task, size)
        assert len({row.tobytes() for row in made.whole.said}) == len(made.whole.said)
