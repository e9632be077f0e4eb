"""From the configuration to cells and jobs. Imported by the Snakefile: neither torch nor fairseq nor pandas here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indoubt.data.check import check_task
from indoubt.data.codes import DOUBLING, FIRST, RACE
from indoubt.data.datasets import dataset_digest
from indoubt.data.indistinguishable import unrepresentable
from indoubt.data.rules import RANDOM, rules
from indoubt.data.seeds import label
from indoubt.data.starts import Start
from indoubt.data.task import FPA, Task
from indoubt.data.vocabulary import distinct_vocabularies
from indoubt.engines.registry import ENGINES, engine_of
from indoubt.errors import UserError
from indoubt.learner import InContextLearner
from indoubt.learners.sweeps import expand_learners
from indoubt.training import digest, is_chained
from indoubt.workflow.cells import CellPlan, cells_of
from indoubt.workflow.config import read_config
from indoubt.workflow.cost import Costs, language_model_mb, memory_mb
from indoubt.workflow.identity import identity, notice, with_own_code
from indoubt.workflow.learner_cache import resolved_learners
from indoubt.workflow.prompt_lengths import check_prompts_differ
from indoubt.workflow.starts import learned_twice, start_of


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


class Plan:
    """A checked configuration, with its learners resolved, as cells and jobs.

    Args:
        content: the configuration as YAML gives it.
        cache: folder where resolved learners are remembered, since resolving them means importing fairseq.

    Raises:
        UserError: whatever is wrong with the configuration.
    """

    def __init__(self, content: Mapping[str, Any], cache: Path) -> None:
        expanded = expand_learners(content)
        self.config, self.tasks = read_config(expanded.content)
        self.protocol = self.config.resolved_protocol()
        #: What learners have learned before T, by learner.
        self.starts = self._read_starts()
        resolved = resolved_learners(self.config, self.tasks, self.starts, cache)
        self.learners = {name: one.learner for name, one in resolved.items()}
        self.not_fused = {name: one.not_fused for name, one in resolved.items() if one.not_fused is not None}
        self.tried = {name: one.tried for name, one in resolved.items() if one.tried is not None}
        self.cannot_tell = {name: one.cannot_tell for name, one in resolved.items() if one.cannot_tell}
        self.models = {name: one.looked_at for name, one in resolved.items() if one.looked_at is not None}
        self._own = {name: one.own for name, one in resolved.items() if one.own is not None}
        self.cells = cells_of(self.config, self.tasks, expanded.grids, self.learners)
        engines = {name: self.engine(name) for name in self.learners}
        self.costs = Costs(self.tasks, self.learners, engines, self.tried, self.models)
        self._check_contexts()
        #: What was swept, by the name in the configuration: the learners with the values of their varying arguments.
        self.sweeps = {name: span for name, span in expanded.sweeps.items() if len(span) > 1}
        self._engine_hashes: dict[tuple[str, str | None], str] = {}
        self._chunks: dict[str, dict[str, Chunk]] = {}
        self._priorities: dict[str, float] = {}
        for cell in self.cells.values():
            if cell.code.blocks == DOUBLING and self.chained(cell):
                raise UserError(
                    f"the configuration is wrong:\n  {cell.folder}: `blocks: doubling` passes over blocks, and here "
                    "the training on each goes on from the one before (`adam_state: carried`, or batches drawn by the "
                    "released streams); take `blocks: task`, or `adam_state: fresh`"
                )

    def _check_contexts(self) -> None:
        """Refuse what cannot be asked of language models that are read in context: weights that are kept, prompts that
        are too long, seeds that would all be one.

        Raises:
            UserError: which learner, and why.
        """
        for cell in self.cells.values():
            learner, tokens = self.learners[cell.learner], self.costs.tokens(cell)
            if not isinstance(learner, InContextLearner):
                continue
            if self.config.keep_checkpoints != "none":
                raise UserError(
                    "the configuration is wrong:\n  keep_checkpoints keeps trained weights, and nothing is trained of "
                    f"learner {cell.learner!r}, which is read in context; set it to none"
                )
            if tokens is not None:
                tokens.check(cell.datasets, cell.learner)
            check_prompts_differ(learner, self.tasks[cell.task], cell.size, cell.seeds, cell.learner)

    def _read_starts(self) -> dict[str, Start]:
        """The starts of the learners that experiments measure, checked."""
        used = sorted({name for experiment in self.config.experiments for name in experiment.learners})
        kinds = self.protocol.adam_state == "carried", self.protocol.rng_streams == "released"
        definitions, found = self.config.learners, {}
        for name in used:
            start = start_of(name, definitions[name], self.tasks, self.config.updates, *kinds)
            if start is not None:
                found[name] = start
        for twice in learned_twice(found, definitions):
            raise UserError(f"the configuration is wrong:\n  {twice}")
        for start in found.values():
            for stage in start.stages:
                check_task(self.tasks[stage.task], stage.size)
        return found

    def starts_and_bases(self) -> dict[str, dict[str, Any]]:
        """Of each learner with a start what that is, and the measured learner that is the same without it, if any."""
        plain = {digest(learner.content): name for name, learner in self.learners.items() if name not in self.starts}
        return {
            name: {"start": asdict(start), "base": plain.get(digest(self.learners[name].content), "")}
            for name, start in self.starts.items()
        }

    def cell(self, task: str, size: str | int, learner: str) -> CellPlan:
        """The cell of this name, as paths name it."""
        return self.cells[task, int(size), learner]

    def task_sizes(self) -> list[tuple[Task, int, list[str]]]:
        """Every (task, size) that is measured, with the datasets needed."""
        needed: dict[tuple[str, int], set[str]] = {}
        for cell in self.cells.values():
            needed.setdefault((cell.task, cell.size), set()).update(cell.datasets)
        return [(self.tasks[task], size, sorted(datasets)) for (task, size), datasets in sorted(needed.items())]

    def swept(self, task: str) -> bool:
        """Whether learners of a sweep are measured on a task."""
        measured = {cell.learner for cell in self.cells.values() if cell.task == task}
        return any(measured & set(span) for span in self.sweeps.values())

    def looked_at(self, task: str) -> set[str]:
        """The measures that are taken of a task at milestones too: `fpa`, `code_length`."""
        cells = [cell for cell in self.cells.values() if cell.task == task]
        datasets = {dataset for cell in cells for of_seed in cell.milestones.values() for dataset in of_seed}
        return {"fpa" if dataset == FPA else "code_length" for dataset in datasets}

    def engine(self, learner: str) -> str:
        """The engine that trains a learner: of modules their own, of fairseq's the configured one, or `fairseq` where
        it has no fused form.
        """
        return engine_of(self.learners[learner], self.config.engine, self.not_fused.get(learner))

    def notices(self) -> list[str]:
        """What the user should know of how learners are trained."""
        said = [f"{name}: {note}" for name, tried in sorted(self.tried.items()) for note in tried.notes]
        said += [
            f"{name}: trained one at a time: {tried.alone}"
            for name, tried in sorted(self.tried.items())
            if tried.alone is not None
        ]
        if self.config.engine == "fused":
            pairs = sorted(self.not_fused.items())
            said += [f"{name}: trained by engine fairseq, since {why}" for name, why in pairs]
        edited = (notice(engine) for engine in sorted({self.engine(cell.learner) for cell in self.cells.values()}))
        said += [each for each in edited if each is not None]
        return said

    def chained(self, cell: CellPlan) -> bool:
        """Whether a seed's blocks must be trained in one job, one after the other."""
        return is_chained(self.learners[cell.learner], self.protocol)

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

    def trained_blocks(self, cell: CellPlan) -> list[int]:
        """After how many of a seed's hold-out blocks the cell's learner is trained."""
        return cell.code.trained(self.tasks[cell.task].n_blocks(cell.size))

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

    def stepwise(self, task: str) -> list[CellPlan]:
        """The cells of a task whose seeds are trained in steps."""
        return [cell for cell in self.cells.values() if cell.task == task and cell.until is not None]

    def rules_in_doubt(self, cell: CellPlan) -> tuple[str, list[str]]:
        """By which measure a cell of steps is decided, and between which rules: by code length where that is taken, and
        is more than the first block's beside FPA.

        Rules that its learner cannot represent are not in doubt.
        """
        task = self.tasks[cell.task]
        beyond = unrepresentable(task, cell.size, self.cannot_tell.get(cell.learner, ()))
        within = [rule for rule in rules(task) if rule not in beyond]
        coded = [rule for rule in within if rule in cell.datasets]
        beside = cell.code.codes == FIRST and FPA in cell.datasets
        return ("code_length", coded) if len(coded) > 1 and not beside else ("fpa", within)

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

    def expected(self) -> list[dict[str, Any]]:
        """What is to be run, in the form in which the report asks for it: seeds of a cell with the same datasets.

        Of seeds in steps those of the first.
        """
        entries = []
        for cell in self.cells.values():
            seeds_of: dict[tuple[str, ...], list[int]] = {}
            for seed, datasets in itertools.islice(cell.seeds.items(), cell.until.first if cell.until else None):
                seeds_of.setdefault(tuple(datasets), []).append(seed)
            about = {"task": cell.task, "size": cell.size, "learner": cell.learner}
            entries += [about | {"seeds": seeds, "datasets": list(datasets)} for datasets, seeds in seeds_of.items()]
        return entries

    def requests(self, cell: CellPlan, chunk: Chunk) -> dict[int, list[str]]:
        """The datasets that a job needs, for each of its seeds that needs any; `fpa` is of use with block 0 alone."""
        wanted = {seed: cell.seeds[seed] for seed in chunk.seeds}
        if chunk.blocks[0] > 0:
            wanted = {seed: [d for d in datasets if d != FPA] for seed, datasets in wanted.items()}
        return {seed: datasets for seed, datasets in wanted.items() if datasets}

    def _examples(self, cell: CellPlan, chunk: Chunk) -> dict[str, str]:
        """What the datasets that a job needs are to hold, as hashes, by name."""
        task = self.tasks[cell.task]
        return {name: dataset_digest(task, cell.size, name) for name in self.datasets(cell, chunk)}

    def datasets(self, cell: CellPlan, chunk: Chunk) -> list[str]:
        """The datasets that a job reads: what it measures, and where it trains on T all candidates, for T's scores."""
        asked = {name for datasets in self.requests(cell, chunk).values() for name in datasets}
        beside = rules(self.tasks[cell.task]) if chunk.blocks[0] == 0 else ()
        return sorted({*asked, *beside})

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
        found = dict.fromkeys(blocks, 0)
        for datasets in self.requests(cell, chunk).values():
            candidates = [dataset for dataset in datasets if dataset != FPA]
            raced = [dataset for dataset in candidates if dataset != RANDOM] if cell.code.codes == RACE else []
            n_late = len(candidates) - max(len(raced) - 1, 0) * fewest
            for block in blocks:
                found[block] += n_late if block > 0 else len(candidates) if self.chained(cell) else 0
            if 0 in blocks:
                chained = self.chained(cell)
                found[0] += FPA in datasets if chained else len(distinct_vocabularies(task, cell.size, tuple(datasets)))
        return found

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

    def engine_hash_of(self, cell: CellPlan) -> str:
        """The name under which the ledger files a cell's results, or is said to have done so."""
        if cell.learner in self.config.measured_by:
            return self.config.measured_by[cell.learner]
        if cell.learner in self._own:
            return with_own_code(self.learners[cell.learner].engine, self._own[cell.learner])
        engine, learner = self.engine(cell.learner), self.learners[cell.learner]
        known = engine, learner.place
        if known not in self._engine_hashes:
            self._engine_hashes[known] = identity(engine, learner)
        return self._engine_hashes[known]


def trainings_of_a_seed(task: Task, size: int) -> int:
    """How many trainings a seed takes at most for both measures, where none is chained to another; for FPA it is 1."""
    datasets = (FPA, *task.candidates)
    return len(distinct_vocabularies(task, size, datasets)) + len(task.candidates) * (task.n_blocks(size) - 1)


def _in_steps(cell: CellPlan, at_a_time: int) -> Iterator[tuple[int, ...]]:
    """The cell's seeds, so many at a time, those of different steps apart."""
    seeds, start = tuple(cell.seeds), 0
    for end in cell.until.ends if cell.until is not None else (len(seeds),):
        for at in range(start, end, at_a_time):
            yield seeds[at : min(at + at_a_time, end)]
        start = end
