"""Lengths: rules for tasks whose inputs are runs of one symbol and whose outputs are runs of one.

With N = T's longest input and M = its longest output, a rule is a constant, a step, or a line through (N, M), shifted
and cut off or not. Inputs shorter and longer than N may have rules of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from indoubt.found.language import Program, gamma, shortest

LIMIT = 22
#: The kind of rule.
CONSTANT, STEP, LINE = 2, 2, 1
#: Where a step is: its distance from N costs so many bits more than its gamma code.
WHERE = 2
#: N or M, or another number: the cost of saying which of the two ways, with the choice of N or M.
KNOWN_NUMBER, OTHER_NUMBER = 2, 2
NUMBERS = range(31)
SHIFTS = range(-6, 7)
#: "No shift", and "a shift by so many, up or down".
NO_SHIFT, SHIFT = 1, 2
#: Whether a line is cut off, and at most or at least.
CUT_OR_NOT, WHICH_CUT = 1, 1
NEAREST, DOWN, UP = "nearest", "down", "up"
ROUNDING = {NEAREST: 1, DOWN: 2, UP: 2}
SLOPES = {
    Fraction(0): 1,
    Fraction(1): 3,
    Fraction(-1): 4,
    Fraction(2): 4,
    Fraction(1, 2): 5,
    Fraction(-1, 2): 6,
    Fraction(3): 6,
    Fraction(3, 2): 6,
    Fraction(1, 3): 7,
    Fraction(2, 3): 7,
    Fraction(-1, 3): 8,
    Fraction(1, 4): 8,
    Fraction(3, 4): 8,
    Fraction(-2): 8,
    Fraction(4): 8,
    Fraction(-1, 4): 9,
    Fraction(5, 2): 9,
    Fraction(-2, 3): 10,
}
AMOUNTS = {
    Fraction(1): "one",
    Fraction(2): "two",
    Fraction(3): "three",
    Fraction(4): "four",
    Fraction(1, 2): "half a symbol",
    Fraction(1, 3): "a third of a symbol",
    Fraction(2, 3): "two thirds of a symbol",
    Fraction(1, 4): "a quarter of a symbol",
    Fraction(3, 4): "three quarters of a symbol",
    Fraction(3, 2): "one and a half",
    Fraction(5, 2): "two and a half",
}
Spec = tuple[int, list[int], str, str, str]


def number_bits(number: int, longest_input: int, longest_output: int) -> int:
    """Bits of a number of symbols, cheap where T has it."""
    other = OTHER_NUMBER + gamma(number + 1)
    return min(KNOWN_NUMBER, other) if number in (longest_input, longest_output) else other


def length_rules(
    inputs: Sequence[int], longest_input: int, longest_output: int, limit: int = LIMIT, cut: bool = True
) -> list[Program[int]]:
    """All rules of up to `limit` bits for inputs of these lengths, one for each behaviour.

    Args:
        inputs: lengths of inputs, all on one side of T's longest or on both.
        longest_input: N.
        longest_output: M.
        cut: whether lines may be cut off.
    """
    if not inputs:
        return []
    grammar = _Grammar(inputs, longest_input, longest_output, limit)
    found = [*grammar.constants(), *grammar.steps(), *grammar.lines(cut)]
    return shortest(
        Program(bits, tuple(outputs), words, short, python)
        for bits, outputs, words, short, python in found
        if bits <= limit and min(outputs) >= 0
    )


class _Grammar:
    """The three kinds of rule for some inputs."""

    def __init__(self, inputs: Sequence[int], longest_input: int, longest_output: int, limit: int) -> None:
        self.inputs, self.n, self.m, self.limit = inputs, longest_input, longest_output, limit
        # The cheap ones first, so that of two rules of equal length the one in T's numbers is kept.
        numbers = {*NUMBERS, longest_input, longest_output}
        self.numbers = sorted(numbers, key=lambda number: (number_bits(number, self.n, self.m), number))

    def constants(self) -> Iterator[Spec]:
        for number in self.numbers:
            words, short = f"always {self._number(number)}", f"always {number}"
            yield CONSTANT + self._bits(number), [number] * len(self.inputs), words, short, str(number)

    def steps(self) -> Iterator[Spec]:
        for place in sorted(set(self.inputs))[1:]:
            where = STEP + _where_bits(place, self.n)
            for low in self.numbers:
                for high in self.numbers:
                    bits = where + self._bits(low) + self._bits(high)
                    if low != high and bits <= self.limit:
                        yield (
                            bits,
                            [low if n < place else high for n in self.inputs],
                            f"{self._number(low)} for inputs of fewer than {place}, else {self._number(high)}",
                            f"{low}, {high} from {place}",
                            f"({low} if n < {place} else {high})",
                        )

    def lines(self, cut: bool) -> Iterator[Spec]:
        for slope, slope_bits in SLOPES.items():
            for rounding, rounding_bits in ROUNDING.items() if slope.denominator > 1 else [(NEAREST, 0)]:
                for shift in SHIFTS:
                    bits = LINE + slope_bits + rounding_bits + _shift_bits(shift) + CUT_OR_NOT
                    if bits <= self.limit:
                        lengths = [self.m + _rounded(slope * (n - self.n), rounding) + shift for n in self.inputs]
                        words, short, python = self._line(slope, rounding, shift)
                        yield bits, lengths, words, short, python
                        yield from self._cut(bits, lengths, words, short, python) if cut and slope else []

    def _cut(self, bits: int, lengths: list[int], words: str, short: str, python: str) -> Iterator[Spec]:
        for number in self.numbers:
            total = bits + WHICH_CUT + self._bits(number)
            if total <= self.limit:
                said = self._number(number)
                at_most, at_least = ([f(length, number) for length in lengths] for f in (min, max))
                yield total, at_most, f"{words}, at most {said}", f"{short} ≤{number}", f"min({python}, {number})"
                yield total, at_least, f"{words}, at least {said}", f"{short} ≥{number}", f"max({python}, {number})"

    def _bits(self, number: int) -> int:
        return number_bits(number, self.n, self.m)

    def _number(self, number: int) -> str:
        """A number in words, with what T has of it."""
        of = "as T's output" if number == self.m else "as T's input" if number == self.n else ""
        return f"{number} ({of})" if of else str(number)

    def _line(self, slope: Fraction, rounding: str, shift: int) -> tuple[str, str, str]:
        """A line in words, in short and as Python."""
        words = (
            "T's length" if not shift else f"T's length and {shift} more" if shift > 0 else f"T's length less {-shift}"
        )
        short = f"T{shift:+d}" if shift else "T"
        if slope:
            below = max(self.inputs) < self.n
            less = "less" if (slope > 0) == below else "more"
            words += (
                f", {AMOUNTS[abs(slope)]} {less} for each symbol that the input is {'shorter' if below else 'longer'}"
            )
            words += "" if slope.denominator == 1 else " (rounded)" if rounding == NEAREST else f" (rounded {rounding})"
            short += f" {'-' if less == 'less' else '+'}{abs(slope)} {'shorter' if below else 'longer'}"
        steps = f"(n - {self.n}) * {slope.numerator}"
        if slope.denominator == 1:
            python = steps
        elif rounding == NEAREST:
            python = f"(2 * {steps} + {slope.denominator}) // {2 * slope.denominator}"
        elif rounding == DOWN:
            python = f"{steps} // {slope.denominator}"
        else:
            python = f"-(-{steps} // {slope.denominator})"
        return words, short, f"{self.m + shift} + {python}" if slope else f"{self.m + shift}"


def _where_bits(place: int, longest_input: int) -> int:
    return WHERE + gamma(abs(place - longest_input) + 1)


def _shift_bits(shift: int) -> int:
    return NO_SHIFT if shift == 0 else SHIFT + gamma(abs(shift))


def _rounded(value: Fraction, how: str) -> int:
    return (
        math.floor(value + Fraction(1, 2)) if how == NEAREST else math.floor(value) if how == DOWN else math.ceil(value)
    )


def kraft(longest_input: int, longest_output: int) -> Iterable[float]:
    """2^-bits summed over all choices, place by place: of the kind, a number, a step, a slope, a rounding, a shift."""
    yield sum(2.0**-bits for bits in (CONSTANT, STEP, LINE))
    yield sum(2.0 ** -number_bits(n, longest_input, longest_output) for n in {*NUMBERS, longest_input, longest_output})
    yield sum(2.0 ** -_where_bits(place, longest_input) for place in range(1, 4 * longest_input))
    yield sum(2.0**-bits for bits in SLOPES.values())
    yield sum(2.0**-bits for bits in ROUNDING.values())
    yield sum(2.0 ** -_shift_bits(shift) for shift in SHIFTS)
