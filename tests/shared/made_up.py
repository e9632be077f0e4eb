"""Made-up results of trainings (no learner was trained): cell files as the workflow writes them, for tests.

The numbers are drawn at random around a plot like the paper's: LSTMs follow the first rule of a task, CNN and
Transformer the last; some seeds fit no rule, some do not fit T, some diverge.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from indoubt.data.rules import RANDOM, rules
from indoubt.data.task import Task, line
from tests.shared.tasks import released_tasks

LEARNERS = ("lstm-attention", "lstm", "cnn", "transformer")
FIRST_RULE = ("lstm-attention", "lstm")
Row = dict[str, Any]


def protocol(**changes: Any) -> Row:
    return {"adam_state": "fresh", "rng_streams": "independent", "min_len": 0} | changes


def origin(**changes: Any) -> Row:
    return {"engine": "made-up", "device": "none", "torch": "0.0", "host": "nowhere"} | changes


def common(task: str, size: int, learner: str, seed: int, training: str, **changes: Any) -> Row:
    about = {"task": task, "size": size, "learner": learner, "seed": seed, "training_id": training}
    about |= {"configured": learner, "examples": f"{task}/{size}"}
    return about | {"status": "ok", "seconds": 2.0, "updates": 3000} | origin() | protocol() | changes


def score(
    task: str = "count-or-mem", size: int = 10, dataset: str = "count", learner: str = "lstm", seed: int = 1,
    block: int = 1, n_examples: int = 1, nats: float | None = 1.0, **changes: Any,
) -> Row:  # fmt: skip
    """One scored block."""
    training = changes.pop("training_id", f"{task}/{size}/{learner}/{seed}/{'T' if block == 1 else (dataset, block)}")
    row = {"kind": "score", "dataset": dataset, "block": block, "n_examples": n_examples, "nats": nats}
    status = "ok" if nats is not None else "diverged"
    return row | common(task, size, learner, seed, str(training), **({"status": status} | changes))


def decode(
    task: str = "count-or-mem", size: int = 10, learner: str = "lstm", seed: int = 1,
    outputs: Sequence[str] | None = None, **changes: Any,
) -> Row:  # fmt: skip
    """One seed's decoded `test.src`; without outputs it diverged."""
    status = "ok" if outputs is not None else "diverged"
    training = changes.pop("training_id", f"{task}/{size}/{learner}/{seed}/T")
    about = common(task, size, learner, seed, training, **({"status": status} | changes))
    return {"kind": "decode", "outputs": None if outputs is None else list(outputs)} | about


def code(task: Task, size: int, candidate: str, learner: str, seed: int, bits: float, **changes: Any) -> list[Row]:
    """All blocks of one seed's code, `bits` in all, less and less from block to block."""
    n, k = len(task.scored_inputs(size)), task.n_blocks(size)
    weights = [0.7**block for block in range(k)]
    together = task.block_size_at(size)
    sizes = [min(together, n - block * together) for block in range(k)]
    return [
        score(
            task.name, size, candidate, learner, seed, block + 1, sizes[block],
            bits * math.log(2) * weights[block] / sum(weights), **changes,
        )
        for block in range(k)
    ]  # fmt: skip


def follow(task: Task, size: int, rule: str) -> list[str]:
    """What a seed outputs that follows a rule; of the rule `other` or `unfit`: fits T only, or not even T."""
    trained = dict(task.training_set(size))
    if rule == "unfit":
        return ["nonsense"] * len(task.test_inputs(size))
    outputs = []
    for source in task.test_inputs(size):
        followed = task.candidates[rule](source, size) if rule in task.candidates else ("x",)
        outputs.append(line(trained.get(source, followed)))
    return outputs


def cell(task: Task, size: int, learner: str, seeds: Iterable[int], stream: random.Random) -> list[Row]:
    """A made-up cell: decodings and codes of all candidates."""
    names = list(rules(task))
    leading = names[0] if learner in FIRST_RULE else names[-1]
    sure = min(0.97, 0.6 + size / 100)
    rows: list[Row] = []
    for seed in seeds:
        drawn = stream.random()
        rule = leading if drawn < sure else stream.choice([*names, "other", "unfit"])
        diverged = drawn > 0.995
        rows.append(decode(task.name, size, learner, seed, None if diverged else follow(task, size, rule)))
        for candidate in task.candidates:
            scale = 200.0 if candidate == RANDOM else 3.0 if candidate == rule else 40.0
            bits = scale * len(task.holdout_inputs(size)) / 10 * stream.lognormvariate(0, 0.8)
            if learner == "cnn" and candidate == rule:
                bits *= 1e-5
            rows += code(task, size, candidate, learner, seed, bits)
    return rows


def write_cells(
    folder: Path,
    seeds: Iterable[int],
    tasks: Mapping[str, Task] | None = None,
    sizes: Mapping[str, Sequence[int]] | None = None,
    learners: Sequence[str] = LEARNERS,
) -> list[Path]:
    """Cell files of tasks (None: the released ones), all sizes and learners, below `folder`; returns their paths."""
    tasks, seeds, paths = tasks or released_tasks(), list(seeds), []
    for task in tasks.values():
        for size in (sizes or {}).get(task.name, task.sizes):
            for learner in learners:
                stream = random.Random(f"{task.name}/{size}/{learner}")
                path = folder / "runs" / task.name / str(size) / f"{learner}.jsonl"
                path.parent.mkdir(parents=True, exist_ok=True)
                rows = cell(task, size, learner, seeds, stream)
                path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
                paths.append(path)
    return paths
