"""From cells to jobs. Imported by the Snakefile: neither torch nor fairseq nor pandas here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indoubt.data.codes import RACE
from indoubt.data.datasets import dataset_digest
from indoubt.data.rules import RANDOM, rules
from indoubt.data.seeds import label
from indoubt.data.task import FPA, Task
from indoubt.data.vocabulary import distinct_vocabularies
from indoubt.engines.registry import ENGINES
from indoubt.errors import UserError
from indoubt.learner import InContextLearner
from indoubt.workflow.cells import CellPlan
from indoubt.workflow.cost import language_model_mb, memory_mb
from indoubt.workflow.resolved_config import ResolvedConfig


@dataclass(frozen=True)
class Chunk:
    """One job: its seeds, and the first and the last of the blocks that are trained on."""

    seeds: tuple[int, ...]
    blocks: tuple[int, int]

    @property
    def path(self) -> str:
        """The job's file, below its cell's folder."""
        return f"seeds-{label(self.seeds)}/blocks-{self.blocks[0]}-{self.blocks[1]}.jsonl"


#: Expected minutes of a job of engine `fused` or `modules` where the configuration says nothing of the size of jobs.
FUSED_MINUTES = 4.0
#: Expected seconds of a cell that is done soon, and more than any takes.
QUICK, LONGEST = 90.0, 1e12


class Plan(ResolvedConfig):
    """A configuration's cells, cut into jobs: what each of them is to do, and what it takes."""

    def __init__(self, content: Mapping[str, Any], cache: Path) -> None:
        super().__init__(content, cache)
        self._chunks: dict[str, dict[str, Chunk]] = {}
        self._priorities: dict[str, float] = {}

    def chunks(self, cell: CellPlan) -> list[Chunk]:
        """The cell's jobs, by seeds, then blocks."""
        return list(self._by_path(cell).values())

    def chunk(self, cell: CellPlan, path: str) -> Chunk:
        """The cell's job of this path.

        Raises:
            UserError: the configuration has no such job.
        """
        try:
            return self._by_path(cell)[path]
        except KeyError:
            raise UserError(
                f"{cell.folder} has no job {path} under this configuration; seeds_per_job, blocks_per_job or "
                "job_minutes say how seeds and blocks are cut into jobs"
            ) from None

    def _by_path(self, cell: CellPlan) -> dict[str, Chunk]:
        """The cell's jobs by path. Each takes the next so many seeds: more seeds behind them leave full jobs alone."""
        if cell.folder in self._chunks:
            return self._chunks[cell.folder]
        blocks = self.trained_blocks(cell)
        last = blocks[-1]
        step, width = self.seeds_and_blocks_per_job(cell)
        chunks = []
        for seeds in _in_steps(cell, step):
            sent = any(set(cell.seeds[seed]) != {FPA} for seed in seeds)
            trained = sorted({block // width * width for block in blocks}) if sent else [0]
            chunks += [Chunk(seeds, (block, min(block + width - 1, last))) for block in trained]
        self._chunks[cell.folder] = {chunk.path: chunk for chunk in chunks}
        return self._chunks[cell.folder]

    def seeds_and_blocks_per_job(self, cell: CellPlan) -> tuple[int, int]:
        """How many seeds and blocks a job of the cell has: as configured, else as many as take `job_minutes`, else one.

        A job takes all blocks of a seed before it takes a second seed. Chained blocks and races are never cut. Engines
        `fused` and `modules` gain by many trainings at once: their jobs take `FUSED_MINUTES` if nothing is configured.
        """
        all_blocks = self.tasks[cell.task].n_blocks(cell.size)
        if isinstance(self.learners[cell.learner], InContextLearner):  # the last block's pass gives all others' too
            width = self.config.blocks_per_job or all_blocks
            return self.config.seeds_per_job or self._prompts_within(cell, all_blocks), width
        minutes = self.config.job_minutes or (FUSED_MINUTES if ENGINES[self.engine(cell.learner)].together else None)
        seeds, blocks = self._within(cell, all_blocks, minutes) if minutes else (1, 1)
        whole = self.chained(cell) or cell.code.codes == RACE
        blocks = all_blocks if whole else self.config.blocks_per_job or blocks
        return self.config.seeds_per_job or seeds, blocks

    def trained(self, cell: CellPlan, last: int) -> list[Chunk]:
        """Of a cell's jobs those of seeds up to `last`, the end of a step."""
        return [chunk for chunk in self.chunks(cell) if chunk.seeds[-1] <= last]

    def _prompts_within(self, cell: CellPlan, all_blocks: int) -> int:
        """How many seeds of a language model take about so many minutes."""
        candidates = len([dataset for dataset in cell.datasets if dataset != FPA])
        blocks = sum(self.costs.training_seconds(cell, block) for block in range(all_blocks)) * max(candidates, 1)
        decoded = self.costs.decoding_seconds(cell) if FPA in cell.datasets else 0.0
        minutes = self.config.job_minutes or FUSED_MINUTES
        return max(int(60 * minutes / max(blocks + decoded, 1e-3)), 1)

    def _within(self, cell: CellPlan, all_blocks: int, minutes: float) -> tuple[int, int]:
        """How many seeds and blocks take about so many minutes; blocks in even parts, of which the last costs most."""
        candidates = [dataset for dataset in cell.datasets if dataset != FPA]
        if not candidates:
            return max(int(60 * minutes / self.costs.training_seconds(cell, 0, decoded=True)), 1), all_blocks
        trained = self.trained_blocks(cell)
        of_blocks = [
            len(candidates) * self.costs.training_seconds(cell, block) if block in trained else 0.0
            for block in range(all_blocks)
        ]
        if sum(of_blocks) <= 60 * minutes:
            return int(60 * minutes / sum(of_blocks)), all_blocks
        last = itertools.takewhile(lambda total: total <= 60 * minutes, itertools.accumulate(reversed(of_blocks)))
        blocks = max(sum(1 for _ in last), 1)
        return 1, -(-all_blocks // -(-all_blocks // blocks))

    def job(self, cell: CellPlan, chunk: Chunk) -> dict[str, Any]:
        """What `workflow.job.Job` reads, for a chunk: what decides its result alone, so it can be a param."""
        learner = self.learners[cell.learner]
        task = self.tasks[cell.task]
        return {
            "task": cell.task,
            "size": cell.size,
            "name": cell.learner,
            "learner": learner.to_json(),
            "protocol": vars(self.protocol),
            "engine": self.engine(cell.learner),
            "engine_hash": self.engine_hash_of(cell),
            "n_training": len(task.training_inputs(cell.size)),
            "block_size": task.block_size_at(cell.size),
            "examples": self._examples(cell, chunk),
            "seeds": self.requests(cell, chunk),
            "blocks": list(chunk.blocks),
            "milestones": {seed: cell.milestones[seed] for seed in chunk.seeds if seed in cell.milestones},
            "code": vars(cell.code),
            "beside": cell.beside if chunk.blocks[0] == 0 else [],
        } | self._start_of_job(cell)

    def _start_of_job(self, cell: CellPlan) -> dict[str, Any]:
        """What a job has to know of its learner's start, if there is one."""
        start = self.starts.get(cell.learner)
        if start is None:
            return {}
        stages = [
            asdict(stage) | {"examples": dataset_digest(self.tasks[stage.task], stage.size, stage.dataset)}
            for stage in start.stages
        ]
        return {"start": {"stages": stages, "rename": start.rename}}

    def requests(self, cell: CellPlan, chunk: Chunk) -> dict[int, list[str]]:
        """The datasets that a job needs, for each of its seeds that needs any; `fpa` is of use with block 0 alone."""
        datasets_of = {seed: cell.seeds[seed] for seed in chunk.seeds}
        if chunk.blocks[0] > 0:
            datasets_of = {seed: [d for d in datasets if d != FPA] for seed, datasets in datasets_of.items()}
        return {seed: datasets for seed, datasets in datasets_of.items() if datasets}

    def _examples(self, cell: CellPlan, chunk: Chunk) -> dict[str, str]:
        """What the datasets that a job needs are to hold, as hashes, by name."""
        task = self.tasks[cell.task]
        return {name: dataset_digest(task, cell.size, name) for name in self.datasets(cell, chunk)}

    def datasets(self, cell: CellPlan, chunk: Chunk) -> list[str]:
        """The datasets that a job reads: what it measures, and where it trains on T all candidates, for T's scores."""
        measured = {name for datasets in self.requests(cell, chunk).values() for name in datasets}
        beside = rules(self.tasks[cell.task]) if chunk.blocks[0] == 0 else ()
        return sorted({*measured, *beside})

    def n_trainings(self, cell: CellPlan, chunk: Chunk, fewest: bool = False) -> int:
        """How many trainings a job has at most: fewer where candidates give the first blocks the same outputs.

        Args:
            fewest: how many it has at least: of races, those in which one rule leads from the start.
        """
        return sum(self._trained_on(cell, chunk, fewest).values())

    def _trained_on(self, cell: CellPlan, chunk: Chunk, fewest: bool = False) -> dict[int, int]:
        """How many trainings a job has at most, or at least, by the block that they end with."""
        task = self.tasks[cell.task]
        blocks = [block for block in self.trained_blocks(cell) if chunk.blocks[0] <= block <= chunk.blocks[1]]
        numbers = dict.fromkeys(blocks, 0)
        for datasets in self.requests(cell, chunk).values():
            candidates = [dataset for dataset in datasets if dataset != FPA]
            raced = [dataset for dataset in candidates if dataset != RANDOM] if cell.code.codes == RACE else []
            n_late = len(candidates) - max(len(raced) - 1, 0) * fewest
            for block in blocks:
                numbers[block] += n_late if block > 0 else len(candidates) if self.chained(cell) else 0
            if 0 in blocks:
                chained = self.chained(cell)
                numbers[0] += (
                    FPA in datasets if chained else len(distinct_vocabularies(task, cell.size, tuple(datasets)))
                )
        return numbers

    def nothing_done(self, results: Path) -> str | None:
        """What there is to say of what is to be trained where nothing has been, which takes no look at any training."""
        if any((results / "ledger").glob("*/*/*.jsonl")):
            return None
        n = sum(self.n_trainings(cell, chunk) for cell in self.cells.values() for chunk in self.chunks(cell))
        return f"{n:,} trainings to do: none has been done so far."

    def seconds(self, cell: CellPlan, chunk: Chunk, fewest: bool = False) -> float:
        """Expected seconds of a job: at most, or with the fewest trainings."""
        decoded = (
            sum(FPA in datasets for datasets in self.requests(cell, chunk).values()) if chunk.blocks[0] == 0 else 0
        )
        trained = sum(
            n * self.costs.training_seconds(cell, block) for block, n in self._trained_on(cell, chunk, fewest).items()
        )
        return trained + decoded * self.costs.decoding_seconds(cell)

    def priority(self, cell: CellPlan) -> float:
        """Which cells' jobs come first, the highest: those that are done soon, so that there is something to see, the
        quickest before the others; then the longest, so that all cores are at work until the end.
        """
        if cell.folder not in self._priorities:
            seconds = sum(self.seconds(cell, chunk) for chunk in self.chunks(cell))
            self._priorities[cell.folder] = -seconds if seconds <= QUICK else seconds - LONGEST
        return self._priorities[cell.folder]

    def memory_mb(self, cell: CellPlan, chunk: Chunk) -> int:
        """Memory that a job asks for, in MB."""
        on_gpu = self.config.device != "cpu"
        if cell.learner in self.models:
            dtype = str(self.learners[cell.learner].arguments["dtype"])
            return language_model_mb(self.models[cell.learner], dtype, on_gpu)
        symbols = self.costs.batch(cell, chunk.blocks[1]).symbols
        weights = self.tried[cell.learner].weights if cell.learner in self.tried else 0
        return memory_mb(self.engine(cell.learner), on_gpu, self.n_trainings(cell, chunk), symbols, weights)


def _in_steps(cell: CellPlan, at_a_time: int) -> Iterator[tuple[int, ...]]:
    """The cell's seeds, so many at a time, those of different steps apart."""
    seeds, start = tuple(cell.seeds), 0
    for end in cell.until.ends if cell.until is not None else (len(seeds),):
        for at in range(start, end, at_a_time):
            yield seeds[at : min(at + at_a_time, end)]
        start = end


def trainings_of_a_seed(task: Task, size: int) -> int:
    """How many trainings a seed takes at most for both measures, where none is chained to another; for FPA it is 1."""
    datasets = (FPA, *task.candidates)
    return len(distinct_vocabularies(task, size, datasets)) + len(task.candidates) * (task.n_blocks(size) - 1)
