"""From what a learner outputs on `test.src` to the rule that it follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

from indoubt.data.check import check_task
from indoubt.data.rules import criteria
from indoubt.data.task import Symbols, Task, line, words
from indoubt.errors import UserError
from indoubt.measures.rows import CONFIGURATION, Row
from indoubt.schema import ORIGIN, PROTOCOL

#: Classes besides the rules and answers, in the order in which tables list them.
OTHER, UNFIT, DIVERGED = "other", "unfit", "diverged"
NO_RULE = (OTHER, UNFIT, DIVERGED)


def classes(task: Task) -> tuple[str, ...]:
    """All classes of a task: its candidates, further rules and answers, then `other`, `unfit`, `diverged`."""
    return (*(criterion.name for criterion in criteria(task)), *NO_RULE)


def classify(task: Task, size: int, outputs: Sequence[Symbols] | None) -> str:
    """The class of a seed.

    A seed *fits* if it decodes each of T's inputs (of a large T, each of its `fit_inputs`) to T's output; it *agrees*
    with a rule or an answer if all outputs on H are of it, as far as it speaks. The class is the first that a fitting
    seed agrees with, of candidates, further rules and answers in this order; `other` if it fits and agrees with none,
    `unfit` if it does not fit (whatever it does on H), `diverged` if there are no outputs.

    Args:
        outputs: what was decoded for each of `task.test_inputs(size)`; None if the training diverged.

    Raises:
        UserError: the number of outputs is not that of the inputs, or the task cannot be classified by.
    """
    check_task(task, size)
    if outputs is None:
        return DIVERGED
    inputs = task.test_inputs(size)
    if len(outputs) != len(inputs):
        raise UserError(
            f"task {task.name!r}, size {size}: {len(outputs)} decoded outputs for the {len(inputs)} lines of test.src; "
            "the task may have changed since: run the cell again"
        )
    decoded = dict(zip(inputs, outputs, strict=True))
    trained, holdout = dict(task.training_set(size)), task.holdout_inputs(size)
    if any(decoded[source] != trained[source] for source in task.fit_inputs(size)):
        return UNFIT
    for criterion in criteria(task):
        if criterion.followed(decoded, holdout, size):
            return criterion.name
    return OTHER


def predictions(task: Task, size: int, decodes: Iterable[Row]) -> list[Row]:
    """The lines of a cell's predictions file: one per seed and line of `test.src`, seeds in order.

    `pred` and `pred_len` are null where the seed diverged; `agrees` lists the rules whose output `pred` is, and the
    answers that it is one of.

    Raises:
        UserError: a seed has two different decodings, or `classify` refuses its outputs.
    """
    by_seed: dict[int, Row] = {}
    for row in decodes:
        known = by_seed.setdefault(row["seed"], row)
        if known["outputs"] != row["outputs"]:
            raise UserError(
                f"task {task.name!r}, size {size}, learner {row['learner']!r}: seed {row['seed']} was decoded twice, "
                f"with different outputs (trainings {known['training_id']} and {row['training_id']}); keep one of them"
            )
    lines = []
    for seed in sorted(by_seed):
        lines += _seed_lines(task, size, by_seed[seed])
    return lines


def _seed_lines(task: Task, size: int, row: Row) -> list[Row]:
    """The predictions of one seed."""
    diverged = row["status"] == "diverged" or row["outputs"] is None
    outputs = None if diverged else [words(text) for text in row["outputs"]]
    verdict = classify(task, size, outputs)
    trained = set(task.training_inputs(size))
    keys = ("task", "size", "learner", "status", "training_id", "updates", *PROTOCOL, *ORIGIN, *CONFIGURATION)
    about = {key: row[key] for key in keys}
    about |= {"outside_share": row["outside"]} if "outside" in row else {}
    lines = []
    for source, output in zip(task.test_inputs(size), outputs or repeat(None), strict=False):
        agrees = [] if output is None else [c.name for c in criteria(task) if c.gives(source, output, size)]
        lines.append(
            {
                "src": line(source),
                "pred": None if output is None else line(output),
                "src_len": len(source),
                "pred_len": None if output is None else len(output),
                "seed": row["seed"],
                "class": verdict,
                "in_training": source in trained,
                "agrees": agrees,
            }
            | about
        )
    return lines
