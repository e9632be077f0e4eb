"""Compare the engines in distribution: code lengths and rules of many seeds, fused against fairseq.

    python benchmarks/parity.py [--folder results/parity] [--cases transformer/add-or-mul/5/fpa ...] [--seeds N]

Of each case, seeds 1..N are trained with both engines and, unless with `--one-set`, seeds N+1..2N with fairseq only, so
that the difference between the engines stands beside the difference that two sets of seeds have anyway. What is found
in the folder is not trained again: the run can be stopped and resumed at any time. `--jobs` trains so many at a
time, each in a process of one thread; with `--device cuda` fused trains on a GPU, fairseq still on the CPU. Differences
are given with intervals of 95 percent. An interval that holds 0 says that the runs were too few to tell the engines
apart, not that the engines are equal.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

import torch
import yaml

from indoubt.data.binary import binarize, load_dataset
from indoubt.data.datasets import write_dataset
from indoubt.data.rules import rules
from indoubt.data.task import FPA, load_tasks
from indoubt.engines.fairseq import engine as reference
from indoubt.engines.fused.engine import train_chains
from indoubt.files import ROOT
from indoubt.learners.fairseq_definitions import resolve
from indoubt.measures.classify import NO_RULE, classify
from indoubt.training import Protocol, Result, Training
from indoubt.workflow.required_trainings import Cell, chains

CPU = torch.device("cpu")
NORMAL = statistics.NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Case:
    """A learner on a task; `measure` is `fpa` (the classes of seeds) or `code_length` (bits of each candidate)."""

    learner: str
    task: str
    size: int
    measure: str
    seeds: int

    @property
    def name(self) -> str:
        return f"{self.learner}/{self.task}/{self.size}/{self.measure}"


CASES = (
    Case("transformer", "add-or-mul", 5, "fpa", 64),
    Case("transformer", "hierar-or-linear", 4, "fpa", 64),
    Case("lstm", "hierar-or-linear", 4, "fpa", 24),
    Case("cnn", "hierar-or-linear", 4, "fpa", 24),
    Case("transformer", "hierar-or-linear", 4, "code_length", 64),
)


def cell_of(case: Case, updates: int) -> Cell:
    """A case's learner and datasets, under the default protocol."""
    task = load_tasks()[case.task]
    datasets = {}
    for name in [FPA] if case.measure == "fpa" else task.candidates:
        with tempfile.TemporaryDirectory() as folder:
            text, binary = Path(folder) / "text", Path(folder) / "binary"
            write_dataset(task, case.size, name, text)
            binarize(text, binary)
            datasets[name] = load_dataset(binary)
    definitions = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))["learners"]
    learner = resolve(definitions[case.learner], updates, None)
    return Cell(datasets, len(task.training_inputs(case.size)), task.block_size_at(case.size), learner, Protocol())


def run(
    case: Case, updates: int, folder: Path, sets: int = 2, jobs: int = 1, device: torch.device = CPU
) -> dict[tuple[str, str, int], float | str]:
    """Train what is missing; the outcome of each (engine, dataset, seed): a class, or bits.

    Args:
        sets: of seeds that engine `fairseq` trains.
        jobs: trainings at a time.
        device: where engine `fused` trains.
    """
    cell, seeds = cell_of(case, updates), range(1, sets * case.seeds + 1)
    # one seed after another, so that a run that was stopped has some seeds whole
    wanted = {(name, seed): cell.sequence(name, seed) for seed in seeds for name in cell.datasets}
    ledger = folder / f"{case.name.replace('/', '_')}_{updates}.jsonl"
    known = {} if not ledger.exists() else dict(_rows(ledger))
    with ledger.open("a", encoding="utf-8") as file:
        for engine, most in (("fused", case.seeds), ("fairseq", sets * case.seeds)):
            requests = [(dataset, seed) for dataset, seed in wanted if seed <= most]
            asked = chains(cell, requests, range(max(map(len, wanted.values()))))
            missing = [training for (training,) in asked if not _whole(known.get((engine, training.key)), training)]
            for number, result in enumerate(_train(engine, missing, jobs, device)):
                row: dict[str, Any] = {"engine": engine, "key": result.key, "status": result.status}
                row |= {
                    "torch": result.torch,
                    "device": result.device,
                    "nats": result.nats,
                    "outputs": list(result.outputs.values()),
                }
                file.write(json.dumps(row) + "\n")
                file.flush()
                known[engine, result.key] = row
                print(f"{case.name} {engine}: {number + 1} of {len(missing)}", file=sys.stderr, flush=True)
    return {
        (engine, dataset, seed): _outcome(case, each, [known[engine, training.key] for training in each])
        for (dataset, seed), each in wanted.items()
        for engine in ("fused", "fairseq")
        if engine == "fairseq" or seed <= case.seeds
    }


def _rows(ledger: Path) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """Whole lines of a ledger; the last one may have been cut off."""
    for line in ledger.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        yield (row["engine"], row["key"]), row


def _whole(row: dict[str, Any] | None, training: Training) -> bool:
    """Whether a training's row has all that is asked of it: of T one that scored a single candidate has not."""
    if row is None or row["status"] != "ok":
        return row is not None
    scored = all(score.key in row["nats"] for score in training.scores)
    return scored and len(row["outputs"]) >= len(training.decodes)


def _train(engine: str, trainings: Sequence[Training], jobs: int, device: torch.device) -> Iterator[Result]:
    """The results, in any order."""
    if engine == "fused" and (jobs == 1 or device.type == "cuda"):
        yield from train_chains([[training] for training in trainings], device)
        return
    if jobs == 1:
        yield from map(partial(_alone, engine), trainings)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for done in as_completed([pool.submit(_alone, engine, training) for training in trainings]):
            yield done.result()


def _alone(engine: str, training: Training) -> Result:
    """One training by itself, on one thread."""
    torch.set_num_threads(1)
    return next(train_chains([[training]], CPU) if engine == "fused" else reference.train_chain([training], CPU))


def _outcome(case: Case, trainings: Sequence[Training], rows: Sequence[dict[str, Any]]) -> float | str:
    """A seed's class, or its bits of one candidate (NaN if a block diverged)."""
    if case.measure == "code_length":
        diverged = any(row["status"] != "ok" for row in rows)
        if diverged:
            return math.nan
        own = zip(trainings, rows, strict=True)
        nats = [float(row["nats"][score.key]) for training, row in own for score in training.scores]
        return sum(nats) / math.log(2)
    symbols, outputs = trainings[0].target_symbols, rows[0]["outputs"]
    texts = [tuple(symbols[i] for i in output) for output in outputs[0]] if outputs else None
    return classify(load_tasks()[case.task], case.size, texts)


def share_difference(a: Sequence[bool], b: Sequence[bool]) -> tuple[float, float, float]:
    """Difference of two shares with its interval (Newcombe 1998, method 10, from Wilson's intervals)."""
    p, q = (sum(x) / len(x) for x in (a, b))
    (low_p, high_p), (low_q, high_q) = (_wilson(sum(x), len(x)) for x in (a, b))
    below, above = math.hypot(p - low_p, high_q - q), math.hypot(high_p - p, q - low_q)
    return p - q, p - q - below, p - q + above


def _wilson(n: int, of: int) -> tuple[float, float]:
    centre, half = n + NORMAL**2 / 2, NORMAL * math.sqrt(n * (of - n) / of + NORMAL**2 / 4)
    return (centre - half) / (of + NORMAL**2), (centre + half) / (of + NORMAL**2)


def mean_difference(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """Difference of two means with its interval (unequal variances, normal approximation)."""
    difference = statistics.fmean(a) - statistics.fmean(b)
    half = NORMAL * math.sqrt(statistics.variance(a) / len(a) + statistics.variance(b) / len(b))
    return difference, difference - half, difference + half


def report(case: Case, outcomes: dict[tuple[str, str, int], float | str], sets: int = 2) -> None:
    """Print the case's differences, a line each; with one set of seeds those between the engines alone."""
    first, second = range(1, case.seeds + 1), range(case.seeds + 1, 2 * case.seeds + 1)
    task = load_tasks()[case.task]
    pairs = (("fused - fairseq", "fused", first), ("fairseq - fairseq, other seeds", "fairseq", second))
    print(f"\n{case.name}, {case.seeds} seeds a set")
    for label, engine, seeds in pairs[:sets]:
        if case.measure == "fpa":
            for rule in (*rules(task), *NO_RULE):
                ours = [outcomes[engine, FPA, seed] == rule for seed in seeds]
                theirs = [outcomes["fairseq", FPA, seed] == rule for seed in first]
                _line(label, f"share of {rule}", share_difference(ours, theirs), sum(ours), sum(theirs))
        else:
            for rule in task.candidates:
                bits = [float(outcomes[engine, rule, seed]) for seed in seeds]
                reference_bits = [float(outcomes["fairseq", rule, seed]) for seed in first]
                means = statistics.fmean(bits), statistics.fmean(reference_bits)
                _line(label, f"bits of {rule}", mean_difference(bits, reference_bits), *means)


def _line(label: str, what: str, difference: tuple[float, float, float], ours: float, theirs: float) -> None:
    value, low, high = difference
    print(f"  {label:31} {what:22} {ours:8.4g} {theirs:8.4g}  difference {value:+.3f} [{low:+.3f}, {high:+.3f}]")


def main() -> None:
    """Run the cases that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("results/parity"), help="where outcomes are kept")
    parser.add_argument("--cases", nargs="+", default=[case.name for case in CASES], choices=[c.name for c in CASES])
    parser.add_argument("--seeds", type=int, help="seeds in a set, instead of 64 (LSTM, CNN: 24)")
    parser.add_argument("--one-set", action="store_true", help="no second set of fairseq's: half of the time")
    parser.add_argument("--updates", type=int, default=3000)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--device", default="cpu", help="where fused trains: cpu or cuda")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        if case.name in arguments.cases:
            chosen = Case(case.learner, case.task, case.size, case.measure, arguments.seeds or case.seeds)
            sets, device = 1 if arguments.one_set else 2, torch.device(arguments.device)
            report(chosen, run(chosen, arguments.updates, arguments.folder, sets, arguments.jobs, device), sets)


if __name__ == "__main__":
    main()
