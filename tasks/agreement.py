"""Agreement: with which noun does a verb agree? After the tense reinflection of McCoy, Frank & Linzen (TACL 2020).

Sentences and words are this project's own.
"""

from __future__ import annotations

from collections.abc import Callable

from indoubt.data.families.english import PLURAL, SINGULAR, is_plural, noun_phrases
from indoubt.data.rules import first_by_hash
from indoubt.data.task import Candidate, Symbols, Task

VERBS = ("bark", "jump", "look")


def _agreeing(by: Callable[[bool, bool], bool]) -> Callable[[Symbols, int], Symbols]:
    """The rule by which a verb in the present is plural, given whether the first and the last noun are."""

    def rule(source: Symbols, size: int) -> Symbols:
        *phrase, verb, tense = source
        if tense == "past":
            return source[:-1]
        nouns = [is_plural(word) for word in phrase if word in (*SINGULAR, *PLURAL)]
        stem = verb.removesuffix("ed")
        return (*phrase, stem if by(nouns[0], nouns[-1]) else f"{stem}s")

    return rule


subject = _agreeing(lambda first, last: first)
subject.__doc__ = "With the subject: `the dog near my cats barked present -> the dog near my cats barks`."
recent = _agreeing(lambda first, last: last)
recent.__doc__ = "With the noun next to the verb: `the dog near my cats barked present -> the dog near my cats bark`."
any_plural = _agreeing(lambda first, last: first or last)
any_plural.__doc__ = "In the plural if any noun is: `my dogs near the cat barked present -> my dogs near the cat bark`."
all_plural = _agreeing(lambda first, last: first and last)
all_plural.__doc__ = "In the plural if all nouns are: `my dogs near the cat barked present -> ... barks`."


class Agreement(Task):
    """Sentences in the past are repeated, or put into the present. With which noun does the verb then agree?

    T holds `the dog barked past -> the dog barked`, `the dog barked present -> the dog barks`, the same with `the dog
    near my cat` (any numbers in the past, equal ones in the present): `size` sentences, a quarter of each kind. H asks
    for the present where the two nouns differ in number, 24 times each way: on `the dog near my cats barked present`
    `subject` and `all_plural` give `barks`, `recent` and `any_plural` give `bark`.
    """

    name = "agreement"
    sizes = (64, 144)
    block_size = 12
    candidates: dict[str, Candidate] = {
        "subject": subject,
        "recent": recent,
        "any_plural": any_plural,
        "all_plural": all_plural,
    }

    def training_inputs(self, size: int) -> list[Symbols]:
        alike = [(*first, "near", *other) for first in noun_phrases() for other in noun_phrases()
                 if is_plural(first[-1]) == is_plural(other[-1])]  # fmt: skip
        kinds = [
            _sentences(noun_phrases(), "past"),
            _sentences(_with_two_nouns(), "past"),
            _sentences(noun_phrases(), "present"),
            _sentences(alike, "present"),
        ]
        return [sentence for kind in kinds for sentence in first_by_hash(kind, size // 4)]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        holdout = []
        for plural in (False, True):
            unlike = [p for p in _with_two_nouns() if is_plural(p[1]) == plural and is_plural(p[-1]) != plural]
            holdout += first_by_hash(_sentences(unlike, "present"), 24)
        return first_by_hash(holdout, 48)


def _with_two_nouns() -> list[Symbols]:
    return [(*first, "near", *other) for first in noun_phrases() for other in noun_phrases()]


def _sentences(phrases: list[Symbols], tense: str) -> list[Symbols]:
    return [(*phrase, f"{verb}ed", tense) for phrase in phrases for verb in VERBS]
