"""What a job is to do, as the workflow writes it and a process reads it back; where it writes, and whom it tells."""

from __future__ import annotations

import json
import sys
import time
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indoubt.data.codes import THE_PAPERS, CodeKind
from indoubt.data.seeds import label
from indoubt.data.starts import Start
from indoubt.files import as_file_name
from indoubt.learner import Learner, learner_of_json
from indoubt.training import Protocol, Result, Training


class ProgressReporter(typing.Protocol):
    """Who is told how far a job is."""

    def begin(self, total: int, to_do: int) -> None:
        """So many trainings the job has, and so many of them are not in the ledger; said again each time that a race
        goes on, of what has come to be needed.
        """

    def trained(self, training: Training, result: Result) -> None:
        """One of them is done."""


class LogReporter:
    """Says it on standard error, a line for each training."""

    def __init__(self, label: str) -> None:
        self._label, self._started = label, time.monotonic()
        self._to_do = self._done = 0

    def begin(self, total: int, to_do: int) -> None:
        self._to_do += to_do
        print(f"{self._label}: {total} trainings, {to_do} to do", file=sys.stderr)

    def trained(self, training: Training, result: Result) -> None:
        self._done += 1
        left = (time.monotonic() - self._started) / self._done * (self._to_do - self._done)
        print(
            f"seed {training.seed}, block {training.block}: {result.status} in {result.seconds:.1f} s; "
            f"{self._done} of {self._to_do} trainings done, about {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


@dataclass(frozen=True)
class StartOfJob:
    """What a job's learner has learned before, and what the stages' datasets are to hold, as hashes."""

    start: Start
    examples: tuple[str, ...]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> StartOfJob:
        stages = [dict(stage) for stage in content["stages"]]
        examples = tuple(stage.pop("examples") for stage in stages)
        return cls(Start.from_json({"stages": stages, "rename": content["rename"]}), examples)

    @property
    def identity(self) -> list[Any]:
        """What rows of one learner have in common: what was learned, whatever it is called."""
        learned = [[stage.updates, stage.batch_size] for stage in self.start.stages]
        return [list(self.examples), learned, self.start.rename]


@dataclass(frozen=True)
class Job:
    """What a job is to do; it is written as JSON in the workflow and read back here.

    `seeds` maps each seed to the datasets it needs (`fpa` for the FPA, candidates for the code length), `blocks` is the
    first and the last block that is trained on, `engine_hash` the code under which results are filed, `milestones` the
    updates at which trainings are looked at, by seed and dataset, `examples` what each dataset is to hold, as a hash:
    of those that its seeds need, and of all candidates whose blocks T is scored on beside, `code` how code lengths are
    measured; `beside` the rules whose first block's code is told of seeds that measure none, if T's training gave it.
    """

    task: str
    size: int
    name: str
    learner: Learner
    protocol: Protocol
    engine: str
    engine_hash: str
    n_training: int
    block_size: int
    seeds: Mapping[int, Sequence[str]]
    blocks: tuple[int, int]
    milestones: Mapping[int, Mapping[str, Sequence[int]]]
    examples: Mapping[str, str]
    start: StartOfJob | None = None
    code: CodeKind = THE_PAPERS
    beside: Sequence[str] = ()

    @classmethod
    def from_json(cls, text: str) -> Job:
        content = json.loads(text)
        content["learner"] = learner_of_json(content["learner"])
        content["protocol"] = Protocol(**content["protocol"])
        content["seeds"] = {int(seed): datasets for seed, datasets in content["seeds"].items()}
        content["blocks"] = tuple(content["blocks"])
        content["code"] = CodeKind(**content["code"])
        content["milestones"] = {int(seed): updates for seed, updates in content["milestones"].items()}
        if "start" in content:
            content["start"] = StartOfJob.from_json(content["start"])
        return cls(**content)

    @property
    def label(self) -> str:
        """The job's name, for a folder of its own."""
        seeds = label(self.seeds)
        blocks = f"{self.blocks[0]}-{self.blocks[1]}"
        return as_file_name(f"{self.task}-{self.size}-{self.name}-seeds-{seeds}-blocks-{blocks}")

    @property
    def trained(self) -> range:
        """The blocks that it may train on."""
        return range(self.blocks[0], self.blocks[1] + 1)

    @property
    def requests(self) -> list[tuple[str, int]]:
        """(dataset, seed) pairs, seed by seed."""
        return [(dataset, seed) for seed, datasets in self.seeds.items() for dataset in datasets]


@dataclass(frozen=True)
class Places:
    """Folders that a job writes to beside its output, all shared by all jobs; None: not wanted.

    `ledger` holds finished trainings, `states` unfinished ones, `running` the signs of life of jobs, `checkpoints` the
    weights of trained T's, `starts` those of starts.
    """

    ledger: Path
    states: Path | None = None
    running: Path | None = None
    checkpoints: Path | None = None
    starts: Path | None = None
