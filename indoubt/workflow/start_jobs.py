"""The jobs that train starts: one for some seeds of what cells go on from, however many cells share it.

Imported by the Snakefile: neither torch nor fairseq nor pandas here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from indoubt.data.datasets import dataset_digest
from indoubt.data.seeds import label
from indoubt.data.starts import Stage, Start
from indoubt.files import as_file_name
from indoubt.training import digest
from indoubt.workflow.cells import CellPlan
from indoubt.workflow.plan import FUSED_MINUTES, Chunk, Plan


@dataclass(frozen=True)
class StartPlan:
    """What some cells go on from: a learner's start, by the vocabularies of their datasets, of all their seeds.

    `cell` is one of these cells, `chunks` are the seeds of each job.
    """

    name: str
    start: Start
    cell: CellPlan
    seeds: tuple[int, ...]
    chunks: tuple[tuple[int, ...], ...]

    def paths(self, seeds: set[int]) -> list[str]:
        """The files of the jobs that train some seeds, below `results/starts`."""
        return [f"{self.name}/seeds-{label(chunk)}.jsonl" for chunk in self.chunks if seeds & set(chunk)]


class Starts:
    """All starts of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._names = {cell.folder: self._name(cell) for cell in plan.cells.values() if cell.learner in plan.starts}
        sharing: dict[str, list[CellPlan]] = {}
        for cell in plan.cells.values():
            if cell.folder in self._names:
                sharing.setdefault(self._names[cell.folder], []).append(cell)
        self.plans = {name: self._planned(name, cells) for name, cells in sharing.items()}

    def of(self, cell: CellPlan) -> StartPlan | None:
        """What a cell goes on from."""
        return self.plans.get(self._names.get(cell.folder, ""))

    def files(self, cell: CellPlan, chunk: Chunk) -> list[str]:
        """The files of the starts that a cell's job goes on from, below `results/starts`."""
        found = self.of(cell)
        return found.paths(set(chunk.seeds)) if found is not None else []

    def job(self, name: str, seeds: tuple[int, ...]) -> dict[str, Any]:
        """What `workflow.job.Job` reads, to train the starts of some seeds."""
        cell = self.plans[name].cell
        first = Chunk(tuple(cell.seeds)[:1], (0, 0))
        asked = {"seeds": dict.fromkeys(seeds, cell.datasets), "milestones": {}}
        task = self._plan.tasks[cell.task]
        examples = {each: dataset_digest(task, cell.size, each) for each in cell.datasets}
        return self._plan.job(cell, first) | asked | {"examples": examples}

    def chunk(self, name: str, seeds: str) -> tuple[int, ...]:
        """The seeds of the job of this name."""
        return next(chunk for chunk in self.plans[name].chunks if label(chunk) == seeds)

    def trainings_of_a_seed(self, found: StartPlan) -> int:
        """How many trainings a seed of a start takes: a stage for each pair of vocabularies of its datasets."""
        return len(found.start.stages) * len(self._vocabularies(found.cell))

    def seconds_of_a_seed(self, found: StartPlan) -> float:
        """Expected seconds of a seed of a start."""
        stages = sum(self._seconds(found.cell.learner, stage) for stage in found.start.stages)
        return stages * len(self._vocabularies(found.cell))

    def _seconds(self, learner: str, stage: Stage) -> float:
        plan, task = self._plan, self._plan.tasks[stage.task]
        there = CellPlan(stage.task, stage.size, learner)
        blocks = task.n_blocks(stage.size) if stage.rule is not None else 0
        of_updates = stage.updates / plan.learners[learner].updates
        return plan.costs.training_seconds(there, blocks) * of_updates + plan.costs.decoding_seconds(there)

    def _vocabularies(self, cell: CellPlan) -> tuple[object, ...]:
        start, task = self._plan.starts[cell.learner], self._plan.tasks[cell.task]
        pairs = (start.joint(self._plan.tasks, task, cell.size, dataset) for dataset in cell.datasets)
        return tuple(sorted({(source.symbols, target.symbols) for source, target in pairs}))

    def _name(self, cell: CellPlan) -> str:
        """What is the same for cells that go on from the same: content, and not what anything is called."""
        plan, start = self._plan, self._plan.starts[cell.learner]
        examples = [dataset_digest(plan.tasks[each.task], each.size, each.dataset) for each in start.stages]
        learned = [[each.updates, each.batch_size] for each in start.stages]
        content = [plan.learners[cell.learner].content, plan.engine_hash_of(cell), asdict(plan.protocol)]
        known = digest([*content, examples, learned, start.rename, self._vocabularies(cell)])
        return as_file_name("_".join([*(each.label.replace(" ", "-") for each in start.stages), known[:12]]))

    def _planned(self, name: str, cells: list[CellPlan]) -> StartPlan:
        seeds = tuple(sorted({seed for cell in cells for seed in cell.seeds}))
        cell = min(cells, key=lambda each: each.folder)
        found = StartPlan(name, self._plan.starts[cell.learner], cell, seeds, (seeds,))
        minutes = self._plan.config.job_minutes or FUSED_MINUTES
        step = self._plan.config.seeds_per_job or max(int(60 * minutes / self.seconds_of_a_seed(found)), 1)
        chunks = tuple(seeds[at : at + step] for at in range(0, len(seeds), step))
        return StartPlan(name, found.start, cell, seeds, chunks)
