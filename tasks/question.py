"""Question: which auxiliary moves to the front? After the question formation of McCoy, Frank & Linzen (TACL 2020).

Sentences and words are this project's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from indoubt.data.families.english import is_plural, noun_phrases
from indoubt.data.rules import first_by_hash
from indoubt.data.task import Symbols, Task

INTRANSITIVE, TRANSITIVE = ("sleep", "swim", "bark"), ("see", "hear")
AUXILIARIES = {False: ("does", "doesn't"), True: ("do", "don't")}
N_ASKED = 48


def _moving(front: int, dropped: int) -> Callable[[Symbols, int], Symbols]:
    """The rule that puts one auxiliary in front and leaves one out: 0 is the first, -1 the main one, of H's two."""

    def rule(source: Symbols, size: int) -> Symbols:
        *words, kind = source
        if kind == "decl":
            return tuple(words)
        places = _auxiliaries(words)
        # a relative clause at the end belongs to the object: there the first auxiliary is the main one
        two_in_subject = words[2] == "who"
        at = {0: places[0], -1: places[1] if two_in_subject else places[0]}
        return (words[at[front]], *(word for place, word in enumerate(words) if place != at[dropped]))

    return rule


main = _moving(-1, -1)
main.__doc__ = "The main one moves: `the dog who does sleep doesn't swim quest -> doesn't the dog who does sleep swim`."
first = _moving(0, 0)
first.__doc__ = (
    "The first one moves: `the dog who does sleep doesn't swim quest -> does the dog who sleep doesn't swim`."
)
first_kept = _moving(0, -1)
first_kept.__doc__ = "The first one is put in front, the main one left out: `does the dog who does sleep swim`."
main_kept = _moving(-1, 0)
main_kept.__doc__ = "The main one is put in front, the first one left out: `doesn't the dog who sleep doesn't swim`."


def fronts_first(source: Symbols, output: Symbols, size: int) -> bool:
    """The first one is in front, whatever follows: `does the dog who does sleep`."""
    return output[:1] == first(source, size)[:1]


def fronts_main(source: Symbols, output: Symbols, size: int) -> bool:
    """The main one is in front, whatever follows: `doesn't the dog sleep`."""
    return output[:1] == main(source, size)[:1]


class Question(Task):
    """Sentences are repeated, or made into questions. Which auxiliary moves: the first, or that of the main clause?

    T has sentences of four kinds to be repeated, as `the dog does swim decl`, `the dog who does sleep doesn't swim
    decl` (half of its `size`), and questions where the subject has no relative clause, as `the dog doesn't swim quest
    -> doesn't the dog swim`, `the dog does see my cats who don't bark quest -> does the dog see my cats who don't
    bark`. H asks for 48 questions of `the dog who does sleep doesn't swim quest`, always with different auxiliaries.
    """

    name = "question"
    sizes = (96, 384)
    block_size = 12
    candidates = {"main": main, "first": first, "first_kept": first_kept, "main_kept": main_kept}
    answers = {"fronts_first": fronts_first, "fronts_main": fronts_main}

    def training_inputs(self, size: int) -> list[Symbols]:
        kinds = [_plain(), _near(), _of_object(), _of_subject()]
        told = [line for kind in kinds for line in first_by_hash(_marked(kind, "decl"), size // 8)]
        return told + [line for kind in kinds[:3] for line in first_by_hash(_marked(kind, "quest"), size // 6)]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        different = [line for line in _of_subject() if len({line[place] for place in _auxiliaries(line)}) == 2]
        return first_by_hash(_marked(different, "quest"), N_ASKED)


def _auxiliaries(words: Sequence[str]) -> list[int]:
    """The places of auxiliaries."""
    known = {*AUXILIARIES[False], *AUXILIARIES[True]}
    return [place for place, word in enumerate(words) if word in known]


def _marked(lines: list[Symbols], kind: str) -> list[Symbols]:
    return [(*line, kind) for line in lines]


def _plain() -> list[Symbols]:
    """`the dog does swim`."""
    return [(*np, aux, verb) for np in noun_phrases() for aux in _of(np) for verb in INTRANSITIVE]


def _near() -> list[Symbols]:
    """`the dog near my cats does swim`."""
    return [
        (*np, "near", *other, aux, verb)
        for np in noun_phrases()
        for other in noun_phrases()
        for aux in _of(np)
        for verb in INTRANSITIVE
    ]


def _of_object() -> list[Symbols]:
    """`the dog does see my cats who don't bark`."""
    return [
        (*np, aux, verb, *other, "who", inner, does)
        for np in noun_phrases()
        for aux in _of(np)
        for verb in TRANSITIVE
        for other in noun_phrases()
        for inner in _of(other)
        for does in INTRANSITIVE
    ]


def _of_subject() -> list[Symbols]:
    """`the dog who does sleep doesn't swim`."""
    return [
        (*np, "who", inner, does, aux, verb)
        for np in noun_phrases()
        for inner in _of(np)
        for does in INTRANSITIVE
        for aux in _of(np)
        for verb in INTRANSITIVE
    ]


def _of(noun_phrase: Symbols) -> tuple[str, str]:
    """The auxiliaries that agree with a noun phrase."""
    return AUXILIARIES[is_plural(noun_phrase[-1])]
