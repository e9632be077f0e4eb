"""Measure what a seed of each named learner costs, and write it to `indoubt/workflow/named_costs.json`.

    OMP_NUM_THREADS=1 python benchmarks/named_learners.py

It is what `make estimate` expects of a seed of add-or-mul/5 before anything is measured: counted for fairseq's
learners; for modules and Hugging Face's as a few updates of many models together took on this machine. `indoubt
learners` shows it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.workflow.named_learners import COSTS, ON, definition_hash, named_learners
from indoubt.workflow.plan import Plan


def main() -> None:
    task, size = ON.split("/")
    learners = named_learners()
    experiment = {"task": task, "sizes": [int(size)], "seeds": 1, "learners": list(learners)}
    with tempfile.TemporaryDirectory() as cache:
        plan = Plan({"device": "cpu", "learners": learners, "experiments": [experiment]}, Path(cache))
    found = {}
    for name, definition in learners.items():
        cell = plan.cell(task, size, name)
        both = sum(plan.seconds(cell, chunk) for chunk in plan.chunks(cell))
        one = plan.costs.training_seconds(cell, 0, decoded=True)
        found[name] = {"definition": definition_hash(definition), "fpa": _rounded(one), "both": _rounded(both)}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(cost)}" for name, cost in found.items())
    COSTS.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def _rounded(seconds: float) -> float:
    """Two digits, more of which would say nothing."""
    return float(f"{seconds:.2g}")


if __name__ == "__main__":
    main()
