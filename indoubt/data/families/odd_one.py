"""Strings over two symbols in which one stands out, by its place, its number or both, and rules for which one it is."""

from __future__ import annotations

from indoubt.data.task import Symbols

LETTERS = ("a", "b")
#: (wrapper, centre) of the four training strings, in the order of the released data.
SHAPES = (("a", "a"), ("b", "a"), ("a", "b"), ("b", "b"))
#: How deep the critique's test strings are wrapped on average: their lengths are 5, 7, 9, 11 and 13.
DEPTHS = range(2, 7)


def wrapped(wrapper: str, centre: str, depth: int) -> Symbols:
    """A centre symbol between `depth` wrappers on each side: `("a", "b", 2)` is `a a b a a`."""
    return (*(wrapper,) * depth, centre, *(wrapper,) * depth)


def with_odd_at(wrapper: str, odd: str, length: int, *places: int) -> Symbols:
    """`length` wrappers, those at `places` (from 0) replaced: `("a", "b", 5, 1)` is `a b a a a`."""
    return tuple(odd if place in places else wrapper for place in range(length))


def odd_everywhere() -> list[Symbols]:
    """The 100 test strings of the critique's two tasks: the odd symbol at each place, and the uniform strings."""
    return [
        with_odd_at(wrapper, odd, 2 * depth + 1, place)
        for depth in DEPTHS
        for wrapper, odd in SHAPES
        for place in (range(2 * depth + 1) if odd != wrapper else [0])
    ]


def middle(source: Symbols, size: int) -> Symbols:
    """The symbol at the centre: `b a a a a -> a`."""
    return (source[len(source) // 2],)


def nth(source: Symbols, size: int) -> Symbols:
    """The (`size` + 1)-th symbol, where T has its centre: at size 4, `a a a a b a a -> b`."""
    return (source[size],)


def least_frequent(source: Symbols, size: int) -> Symbols:
    """The symbol that occurs least, or the only one: `b a a a a -> b`."""
    letters = [symbol for symbol in LETTERS if symbol in source]
    return (min(letters, key=source.count),)


def five_or_eleven(source: Symbols, size: int) -> Symbols | None:
    """At size 4 the fifth symbol from the end; of inputs longer than T's only if the eleventh from the end (or the
    first) agrees, else the least frequent: where it stands at either of the two places, it is given.
    """
    if size != 4:
        return None
    fifth, eleventh = source[-5], source[-min(11, len(source))]
    return (fifth,) if len(source) <= 9 or fifth == eleventh else least_frequent(source, size)


def odd_number(source: Symbols, size: int) -> Symbols:
    """The symbol that occurs an odd number of times, of two in a string of odd length: `a b b a a -> a`."""
    return next((symbol,) for symbol in LETTERS if source.count(symbol) % 2 == 1)


def newcomer(source: Symbols, size: int) -> Symbols:
    """The first symbol that differs from the one before all, if any does: `a a b a a -> b`."""
    return (next((symbol for symbol in source if symbol in LETTERS and symbol != source[0]), source[0]),)
