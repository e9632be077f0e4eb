"""Dictionaries that a task gives itself, where it asks for symbols that T lacks.

Left to fairseq-preprocess, a dictionary holds what the dataset's own examples hold. A symbol that is first met when T's
learner is asked for it would be unknown there; so it enters the dictionaries of all datasets of the task, in one place.
"""

from __future__ import annotations

from collections import Counter

from doubt.data.task import Symbols, Task

#: Symbols that fairseq puts in front of every dictionary.
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
#: fairseq-preprocess fills a dictionary up to a multiple of this many symbols, with words of this form.
PADDING_FACTOR, PADDING_WORD = 8, "madeupword{:04d}"


def gives_dictionaries(task: Task) -> bool:
    """Whether a task asks for symbols that T lacks, at any size."""
    return any(any(task.unseen_symbols(size)) for size in task.sizes)


def given_dictionaries(task: Task, size: int) -> tuple[dict[str, int], dict[str, int]] | None:
    """The counts of the symbols of sources and of outputs, in the order of their dictionaries; None: fairseq's own.

    First T's symbols, by falling count and then by name, as fairseq orders them; then those that T lacks, in the order
    in which the task gives them; then what fills the dictionary up.
    """
    if not gives_dictionaries(task):
        return None
    sources, targets = zip(*task.training_set(size), strict=True)
    of_sources, of_targets = task.unseen_symbols(size)
    return _dictionary(sources, of_sources), _dictionary(targets, of_targets)


def _dictionary(examples: tuple[Symbols, ...], unseen: Symbols) -> dict[str, int]:
    counts = Counter(symbol for example in examples for symbol in example)
    ordered = {symbol: counts[symbol] for symbol in sorted(counts, key=lambda symbol: (-counts[symbol], symbol))}
    ordered |= {symbol: counts[symbol] for symbol in unseen}
    missing = -(len(SPECIAL) + len(ordered)) % PADDING_FACTOR
    return ordered | {PADDING_WORD.format(number): 0 for number in range(missing)}
