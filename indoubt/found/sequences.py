"""Sequences: rules for all other tasks, made of the input, its parts and T's outputs by what strings allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from indoubt.found.language import Program, bits_of_one, gamma, ordinal
from indoubt.found.primitives import first_half, meaning, mirrored, most_frequent, nearest, second_half

Symbols = tuple[str, ...]
Outputs = tuple[Symbols, ...]

LIMIT = 25
#: More outputs (behaviours times inputs) than this are not looked at: the limit is then what was reached.
MOST = 500_000
#: Longer outputs than this are not made, nor places named beyond that.
LONGEST_MADE, FARTHEST = 48, 8
#: Bits of what is not made of other rules; places and symbols add their own.
INPUT, FROM_LEFT, FROM_RIGHT, LONGEST_OF_T, NEAREST, SYMBOL, MOST_FREQUENT = 3, 4, 4, 5, 5, 5, 6
#: Bits of what is done to another rule's output, or to two.
BACKWARDS, MEANING, HALF, MIRRORED, OTHER_LETTER, WITHOUT, TIMES, JOINED = 3, 3, 4, 4, 4, 5, 5, 3
REPEATS = (2, 3, 4)
#: T with more inputs than this has no "nearest input".
NEAREST_OF = 64
#: What it gives, words, short, Python.
Said = tuple[Outputs, str, str, str]


def sequence_rules(
    inputs: Sequence[Symbols], training: Mapping[Symbols, Symbols], limit: int = LIMIT
) -> tuple[list[Program[Symbols]], int]:
    """All rules of up to `limit` bits, one for each behaviour, shortest first; and the limit that was reached.

    Args:
        inputs: sources; a rule that is undefined for one of them, or gives very much, is left out.
        training: T.
    """
    search = _Search(inputs, training)
    for bits in range(1, limit + 1):
        if not search.add_all_of(bits):
            return search.programs(), bits - 1
    return search.programs(), limit


def dictionary(training: Mapping[Symbols, Symbols]) -> dict[str, Symbols]:
    """What single symbols mean: T's inputs of one symbol, or else T letter by letter if that is a function.

    Empty where there is none, or where every symbol means itself.
    """
    words = {source[0]: output for source, output in training.items() if len(source) == 1}
    if not words:
        for source, output in training.items():
            if len(source) != len(output):
                return {}
            for symbol, letter in zip(source, output, strict=True):
                if words.setdefault(symbol, (letter,)) != (letter,):
                    return {}
    return words if any((symbol,) != output for symbol, output in words.items()) else {}


def letters_of(training: Mapping[Symbols, Symbols]) -> list[str]:
    """The symbols of T's outputs, in the order of the alphabet."""
    return sorted({symbol for output in training.values() for symbol in output})


class _Search:
    """All rules by their bits, each made of shorter ones."""

    def __init__(self, inputs: Sequence[Symbols], training: Mapping[Symbols, Symbols]) -> None:
        self.inputs, self.training = inputs, training
        self.words, self.letters = dictionary(training), letters_of(training)
        # Where T has a dictionary, its swap of two letters is that one.
        self.swapped = (
            {} if self.words or len(self.letters) != 2 else dict(zip(self.letters, self.letters[::-1], strict=True))
        )
        self.known: set[Outputs] = set()
        self.made: dict[int, list[Said]] = defaultdict(list)
        self.atoms: dict[int, list[Said]] = defaultdict(list)
        for bits, function, words, short, python in self.choices():
            outputs = [function(source) for source in inputs]
            defined = tuple(output for output in outputs if output is not None)
            if len(defined) == len(inputs):
                self.atoms[bits].append((defined, words, short, python))

    def add_all_of(self, bits: int) -> bool:
        """Add what costs exactly so many bits; whether that is all of it."""
        for outputs, words, short, python in [*self.atoms[bits], *self._changed(bits), *self._joined(bits)]:
            if len(self.known) * len(self.inputs) > MOST:
                self.made.pop(bits, None)
                return False
            if outputs not in self.known and max(map(len, outputs)) <= LONGEST_MADE:
                self.known.add(outputs)
                self.made[bits].append((outputs, words, short, python))
        return True

    def programs(self) -> list[Program[Symbols]]:
        """All that were found."""
        return [Program(bits, *said) for bits in sorted(self.made) for said in self.made[bits]]

    def choices(self) -> Iterator[tuple[int, Callable[[Symbols], Symbols | None], str, str, str]]:
        """The rules that are not made of others."""
        yield INPUT, lambda source: source, "the input", "input", "source"
        for place in range(1, min(max(map(len, self.inputs)), FARTHEST) + 1):
            yield _from_left(place)
            yield _from_right(place)
        longest = max(self.training.values(), key=len)
        yield LONGEST_OF_T, lambda source: longest, "T's longest output", "T's longest", repr(longest)
        if len(self.training) <= NEAREST_OF:
            words = "the output of T's nearest input"
            yield NEAREST, lambda source: nearest(source, self.training), words, "T's nearest", "nearest(source, T)"
        for symbol in self.letters:
            yield _always(symbol, len(self.letters))
        yield MOST_FREQUENT, _most_frequent, "its most frequent symbol", "majority", "(most_frequent(source),)"

    def _changed(self, bits: int) -> Iterator[Said]:
        """Rules of so many bits that do one thing to what another gives."""
        for outputs, words, short, python in self.made[bits - BACKWARDS]:
            yield tuple(o[::-1] for o in outputs), f"{words}, backwards", f"{short} rev.", f"({python})[::-1]"
        for outputs, words, short, python in self.made[bits - MEANING] if self.words else []:
            meant = [meaning(output, self.words) for output in outputs]
            defined = tuple(output for output in meant if output is not None)
            if len(defined) == len(outputs):
                yield defined, f"the meaning of {words}", f"meaning {short}", f"meaning({python}, MEANING)"
        for outputs, words, short, python in self.made[bits - MIRRORED]:
            yield tuple(map(mirrored, outputs)), f"{words}, then that mirrored", f"{short} mirr.", f"mirrored({python})"
        for outputs, words, short, python in self.made[bits - HALF]:
            yield (
                tuple(map(first_half, outputs)),
                f"the first half of {words}",
                f"half {short}",
                f"first_half({python})",
            )
            halves = tuple(map(second_half, outputs))
            yield halves, f"the second half of {words}", f"2nd half {short}", f"second_half({python})"
        for outputs, words, short, python in self.made[bits - WITHOUT]:
            yield tuple(o[1:] for o in outputs), f"{words} without its first", f"{short} -1st", f"({python})[1:]"
            yield tuple(o[:-1] for o in outputs), f"{words} without its last", f"{short} -last", f"({python})[:-1]"
        for times in REPEATS:
            for outputs, words, short, python in self.made[bits - TIMES - gamma(times - 1)]:
                yield (
                    tuple(o * times for o in outputs),
                    f"{times} times {words}",
                    f"{times}x {short}",
                    f"({python}) * {times}",
                )
        for outputs, words, short, python in self.made[bits - OTHER_LETTER] if self.swapped else []:
            if all(len(output) == 1 and output[0] in self.swapped for output in outputs):
                others = tuple((self.swapped[output[0]],) for output in outputs)
                yield others, f"the other letter than {words}", f"not {short}", f"({self.swapped}[({python})[0]],)"

    def _joined(self, bits: int) -> Iterator[Said]:
        """Rules of so many bits that give what one gives, then what another gives."""
        rest = bits - JOINED
        for first in range(INPUT, rest - INPUT + 1):
            for outputs, words, short, python in self.made.get(first, []):
                for outputs_2, words_2, short_2, python_2 in self.made.get(rest - first, []):
                    joined = tuple(left + right for left, right in zip(outputs, outputs_2, strict=True))
                    yield joined, f"{words} + {words_2}", f"{short} {short_2}", f"{python} + {python_2}"


def _from_left(place: int) -> tuple[int, Callable[[Symbols], Symbols | None], str, str, str]:
    python = f"source[{place - 1}:{place}]"
    words = f"its {ordinal(place)} symbol"
    return FROM_LEFT + gamma(place), lambda s: s[place - 1 : place] or None, words, f"x{place}", python


def _from_right(place: int) -> tuple[int, Callable[[Symbols], Symbols | None], str, str, str]:
    words = "its last symbol" if place == 1 else f"its {ordinal(place)} symbol from the end"
    python = f"source[len(source) - {place}:len(source) - {place} + 1]"
    cut = lambda s: s[len(s) - place : len(s) - place + 1] if len(s) >= place else None  # noqa: E731
    return FROM_RIGHT + gamma(place), cut, words, "last" if place == 1 else f"x-{place}", python


def _always(symbol: str, letters: int) -> tuple[int, Callable[[Symbols], Symbols | None], str, str, str]:
    return SYMBOL + bits_of_one(letters), lambda source: (symbol,), symbol, symbol, f"({symbol!r},)"


def _most_frequent(source: Symbols) -> Symbols | None:
    symbol = most_frequent(source)
    return None if symbol is None else (symbol,)


def kraft(inputs: Sequence[Symbols], training: Mapping[Symbols, Symbols]) -> float:
    """2^-bits summed over all choices for a task."""
    search = _Search(inputs, training)
    changes = [BACKWARDS, MIRRORED, HALF, HALF, WITHOUT, WITHOUT, JOINED, *(TIMES + gamma(n - 1) for n in REPEATS)]
    changes += [MEANING] if search.words else []
    changes += [OTHER_LETTER] if search.swapped else []
    return sum(2.0**-bits for bits in [*(bits for bits, *_ in search.choices()), *changes])
