"""From the configuration to cells: what is measured, of which learners, by which engine, and what it costs.

Imported by the Snakefile: neither torch nor fairseq nor pandas here.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from indoubt.data.check import check_task
from indoubt.data.codes import DOUBLING, FIRST
from indoubt.data.indistinguishable import unrepresentable
from indoubt.data.rules import rules
from indoubt.data.starts import Start
from indoubt.data.task import FPA, Task
from indoubt.engines.registry import engine_of
from indoubt.errors import UserError
from indoubt.learner import InContextLearner
from indoubt.learners.sweeps import expand_learners
from indoubt.training import digest, is_chained
from indoubt.workflow.cells import CellPlan, cells_of
from indoubt.workflow.config_checks import read_config
from indoubt.workflow.cost import Costs
from indoubt.workflow.identity import identity, notice, with_own_code
from indoubt.workflow.learner_cache import resolved_learners
from indoubt.workflow.prompt_lengths import check_prompts_differ
from indoubt.workflow.starts import learned_twice, start_of


class ResolvedConfig:
    """A checked configuration, with its learners resolved, as cells.

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
        definitions, starts = self.config.learners, {}
        for name in used:
            start = start_of(name, definitions[name], self.tasks, self.config.updates, *kinds)
            if start is not None:
                starts[name] = start
        for twice in learned_twice(starts, definitions):
            raise UserError(f"the configuration is wrong:\n  {twice}")
        for start in starts.values():
            for stage in start.stages:
                check_task(self.tasks[stage.task], stage.size)
        return starts

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
        lines = [f"{name}: {note}" for name, tried in sorted(self.tried.items()) for note in tried.notes]
        lines += [
            f"{name}: trained one at a time: {tried.alone}"
            for name, tried in sorted(self.tried.items())
            if tried.alone is not None
        ]
        if self.config.engine == "fused":
            pairs = sorted(self.not_fused.items())
            lines += [f"{name}: trained by engine fairseq, since {why}" for name, why in pairs]
        edited = (notice(engine) for engine in sorted({self.engine(cell.learner) for cell in self.cells.values()}))
        lines += [each for each in edited if each is not None]
        return lines

    def chained(self, cell: CellPlan) -> bool:
        """Whether a seed's blocks must be trained in one job, one after the other."""
        return is_chained(self.learners[cell.learner], self.protocol)

    def trained_blocks(self, cell: CellPlan) -> list[int]:
        """After how many of a seed's hold-out blocks the cell's learner is trained."""
        return cell.code.trained(self.tasks[cell.task].n_blocks(cell.size))

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
