"""Symbols: rules for tasks whose outputs are one symbol, which is one of the input's or always the same."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from indoubt.found.language import Program, bits_of_one, gamma, ordinal
from indoubt.found.primitives import longest_run, most_frequent, newcomer, odd_in_number, rarest, vote

Symbols = tuple[str, ...]

LIMIT = 30
#: More behaviours than this are not looked at: the limit is then what was reached.
MOST = 400_000
#: Bits of each choice; places, weights and letters add their own.
PLACE_FROM_LEFT, PLACE_FROM_RIGHT, MIDDLE, MOST_FREQUENT, RAREST = 3, 3, 4, 4, 4
ODD_IN_NUMBER, NEWCOMER, LAST_NEWCOMER, LONGEST_RUN = 5, 5, 5, 5
VOTE, ALWAYS, NOT, AGREE = 6, 4, 5, 4
#: How often a vote may count a place.
WEIGHTS = (1, 2, 3, 4)
TIMES = {2: "twice", 3: "three times", 4: "four times"}
Row = NDArray[np.int8]
#: bits, what it gives, words, short, Python.
Atom = tuple[int, Callable[[Symbols], str | None], str, str, str]


def symbol_rules(
    inputs: Sequence[Symbols], alphabet: Sequence[str], limit: int = LIMIT
) -> tuple[list[Program[str]], int]:
    """All rules of up to `limit` bits, one for each behaviour, shortest first; and the limit that was reached.

    Args:
        inputs: sources; a rule that is undefined for one of them is left out.
        alphabet: the symbols that T's outputs have.
    """
    search = _Search(inputs, alphabet, limit)
    for bits in range(1, limit + 1):
        search.add_all_of(bits)
        if len(search.known) > MOST:
            return search.programs(), bits
    return search.programs(), limit


class _Search:
    """All rules by their bits, each made of shorter ones."""

    def __init__(self, inputs: Sequence[Symbols], alphabet: Sequence[str], limit: int) -> None:
        self.alphabet, self.limit = list(alphabet), limit
        self.known: set[bytes] = set()
        self.rows: dict[int, list[Row]] = defaultdict(list)
        self.said: dict[int, list[tuple[str, str, str]]] = defaultdict(list)
        number = {symbol: place for place, symbol in enumerate(alphabet)}
        self.atoms: dict[int, list[tuple[Row, str, str, str]]] = defaultdict(list)
        for bits, function, words, short, python in atoms(inputs, alphabet):
            outputs = [function(source) for source in inputs]
            if all(output in number for output in outputs):
                row = np.array([number[output] for output in outputs if output is not None], dtype=np.int8)
                self.atoms[bits].append((row, words, short, python))

    def add_all_of(self, bits: int) -> None:
        """Add what costs exactly so many bits."""
        for row, words, short, python in self.atoms[bits]:
            self._add(bits, row, words, short, python)
        if len(self.alphabet) == 2:
            shorter = bits - NOT
            for row, (words, short, python) in list(zip(self.rows[shorter], self.said[shorter], strict=True)):
                letters = (
                    "{"
                    + f"{self.alphabet[0]!r}: {self.alphabet[1]!r}, {self.alphabet[1]!r}: {self.alphabet[0]!r}"
                    + "}"
                )
                self._add(bits, 1 - row, f"the letter that is not {words}", f"not {short}", f"{letters}[{python}]")
        for one, another, otherwise in self._splits(bits - AGREE):
            self._agree(bits, one, another, otherwise)

    def programs(self) -> list[Program[str]]:
        """All that were found."""
        return [
            Program(bits, tuple(self.alphabet[number] for number in row), words, short, python)
            for bits in sorted(self.rows)
            for row, (words, short, python) in zip(self.rows[bits], self.said[bits], strict=True)
        ]

    def _splits(self, bits: int) -> Iterator[tuple[int, int, int]]:
        """How bits may be shared among the three parts of an agreement, whose first two may change places.

        Of two letters all three may: where two of three agree, these are the majority.
        """
        made = sorted(bits for bits, rows in self.rows.items() if rows)
        for one, another in itertools.combinations_with_replacement(made, 2):
            otherwise = bits - one - another
            if self.rows.get(otherwise) and (len(self.alphabet) > 2 or otherwise >= another):
                yield one, another, otherwise

    def _agree(self, bits: int, one: int, another: int, otherwise: int) -> None:
        """Add all agreements of parts of so many bits."""
        others = np.array(self.rows[otherwise])
        for place, (row, (words, short, python)) in enumerate(zip(self.rows[one], self.said[one], strict=True)):
            first = place + 1 if one == another else 0
            for second in range(first, len(self.rows[another])):
                words_2, short_2, python_2 = self.said[another][second]
                found = np.where(row == self.rows[another][second], row, others)
                for number, (words_3, short_3, python_3) in enumerate(self.said[otherwise]):
                    if found[number].tobytes() not in self.known:
                        self._add(
                            bits,
                            found[number],
                            f"[{words} if {words_2} agrees, else {words_3}]",
                            f"{short}+{short_2}, else {short_3}",
                            f"agree({python}, {python_2}, {python_3})",
                        )

    def _add(self, bits: int, row: Row, words: str, short: str, python: str) -> None:
        key = row.tobytes()
        if bits <= self.limit and key not in self.known:
            self.known.add(key)
            self.rows[bits].append(row)
            self.said[bits].append((words, short, python))


def atoms(inputs: Iterable[Symbols], alphabet: Sequence[str]) -> Iterator[Atom]:
    """The rules that are not made of others."""
    lengths = [len(source) for source in inputs]
    if min(lengths) > 0:
        for place in range(1, max(lengths) + 1):
            yield from _places(place, min(lengths))
    yield MIDDLE, lambda s: s[len(s) // 2] if s else None, "the middle", "middle", "source[len(source) // 2]"
    yield MOST_FREQUENT, most_frequent, "the most frequent", "most frequent", "most_frequent(source)"
    yield RAREST, rarest, "the rarest", "rarest", "rarest(source)"
    odd = "the one that occurs an odd number of times"
    yield ODD_IN_NUMBER, odd_in_number, odd, "odd in number", "odd_in_number(source)"
    yield NEWCOMER, newcomer, "the first that differs from the first", "newcomer", "newcomer(source)"
    last = "the last that differs from the last"
    yield LAST_NEWCOMER, lambda s: newcomer(s[::-1]), last, "last newcomer", "newcomer(source[::-1])"
    yield LONGEST_RUN, longest_run, "the one with the longest run", "longest run", "longest_run(source)"
    for first, middle, end in itertools.product(WEIGHTS, repeat=3):
        if (first, middle, end) != (1, 1, 1):
            yield _vote(first, middle, end)
    for symbol in alphabet:
        bits = ALWAYS + bits_of_one(len(alphabet))
        yield bits, lambda s, symbol=symbol: symbol, f"always {symbol}", f"always {symbol}", repr(symbol)  # type: ignore[misc]


def _places(place: int, shortest: int) -> Iterator[Atom]:
    """The symbol at a place from the left and from the right; in an input that is too short the last one there."""
    short = place > shortest
    name, end = ordinal(place), place - 1
    yield (
        PLACE_FROM_LEFT + gamma(place),
        lambda source: source[min(place, len(source)) - 1],
        f"the {name}" + (" (or the last)" if short else ""),
        name,
        f"source[min({place}, len(source)) - 1]" if short else f"source[{end}]",
    )
    yield (
        PLACE_FROM_RIGHT + gamma(place),
        lambda source: source[-min(place, len(source))],
        ("the last" if place == 1 else f"the {name} from the end") + (" (or the first)" if short else ""),
        "last" if place == 1 else f"{name} last",
        f"source[-min({place}, len(source))]" if short else f"source[-{place}]",
    )


def _vote(first: int, middle: int, last: int) -> Atom:
    """The symbol with most votes."""
    weights = {"first": first, "middle": middle, "last": last}
    counted = {place: weight for place, weight in weights.items() if weight > 1}
    words = " and ".join(f"the {place} {TIMES[weight]}" for place, weight in counted.items())
    alike = len(set(counted.values())) == 1
    if set(counted) == {"first", "last"} and alike:
        words = f"first and last {TIMES[first]}"
    names = "ends" if set(counted) == {"first", "last"} and alike else "+".join(counted)
    heaviest = max(weights.values())
    short = f"{names} vote{'' if len(counted) == 1 or names == 'ends' else 's'}" + (
        f" x{heaviest}" if heaviest > 2 else ""
    )
    bits = VOTE + gamma(first) + gamma(middle) + gamma(last)
    python = f"vote(source, {first}, {middle}, {last})"
    return bits, lambda s: vote(s, first, middle, last), f"the most frequent, counting {words}", short, python


def kraft(alphabet: Sequence[str], longest: int) -> float:
    """2^-bits summed over all choices."""
    made = sum(2.0**-bits for bits, *_ in atoms([("a",) * longest], alphabet))
    return made + (2.0**-NOT if len(alphabet) == 2 else 0.0) + 2.0**-AGREE
