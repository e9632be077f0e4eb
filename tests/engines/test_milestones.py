"""Milestones: what a training gives on the way, at no change of what it gives at its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from doubt.data.binary import load_dataset
from doubt.data.task import FPA, load_tasks
from doubt.engines.choice import train_chains_of
from doubt.engines.fused import lockstep as fused_lockstep
from doubt.engines.reference import saved_state
from doubt.training import Learner, Protocol, Result, Training
from doubt.workflow.running.measurement import Cell, chains

CPU = torch.device("cpu")
TASK = load_tasks()["hierar-or-linear"]
MILESTONES = (3, 10, 20)
SEEDS = (1, 2, 3)


@pytest.fixture
def cell_of(results: Path, learner_of: Callable[..., Learner]) -> Callable[..., Cell]:
    """A function that gives a cell of 20 updates, looked at during training or not."""
    datasets = {name: load_dataset(results / "data-bin/hierar-or-linear/4" / name) for name in (FPA, "hierar")}

    def of(name: str, looked_at: bool, updates: int = 20, **changed: float) -> Cell:
        milestones = {seed: dict.fromkeys(datasets, MILESTONES) for seed in SEEDS} if looked_at else {}
        learner = learner_of(name, updates, **changed)
        return Cell(datasets, len(TASK.training_inputs(4)), 4, learner, Protocol(), milestones)

    return of


def trained(engine: str, cell: Cell, folder: Path | None = None) -> dict[str, Result]:
    wanted = chains(cell, [(name, seed) for seed in SEEDS for name in (FPA, "hierar")], range(2))
    return {result.key: result for result in train_chains_of(engine)(wanted, CPU, state_folder=folder)}


def asked(cell: Cell) -> Iterator[Training]:
    for chain in chains(cell, [(name, seed) for seed in SEEDS for name in (FPA, "hierar")], range(2)):
        yield from chain


ENGINES = [
    ("fairseq", "transformer"),
    pytest.param("fairseq", "cnn", marks=pytest.mark.long),
    ("fused", "transformer"),
]


@pytest.mark.parametrize(("engine", "learner"), ENGINES)
def test_ends_are_to_the_bit_those_without_milestones(engine: str, learner: str, cell_of: Callable[..., Cell]) -> None:
    looked, plain = trained(engine, cell_of(learner, True)), trained(engine, cell_of(learner, False))
    for training in asked(cell_of(learner, False)):
        ours, theirs = looked[training.key], plain[training.key]
        assert {key: ours.nats[key] for key in theirs.nats} == theirs.nats
        assert {key: ours.outputs[key] for key in theirs.outputs} == theirs.outputs
        assert ours.looking > 0 == theirs.looking


@pytest.mark.parametrize(("engine", "learner"), ENGINES)
def test_a_look_shows_what_a_shorter_training_ends_with(
    engine: str, learner: str, cell_of: Callable[..., Cell]
) -> None:
    """Without dropout, whose masks hang on the training's own number of updates."""
    looked = trained(engine, cell_of(learner, True, dropout=0.0))
    for updates in MILESTONES:
        shorter = trained(engine, cell_of(learner, False, updates, dropout=0.0))
        for training in asked(cell_of(learner, True, dropout=0.0)):
            key = replace(training, learner=replace(training.learner, updates=updates)).key
            at = training.at(updates)
            for score in at.scores:
                assert looked[training.key].nats[score.key] == shorter[key].nats[replace(score, at=None).key]
            for decode in at.decodes:
                assert looked[training.key].outputs[decode.key] == shorter[key].outputs[replace(decode, at=None).key]
            assert at.scores or at.decodes


@pytest.mark.parametrize("engine", ["fairseq", "fused"])
def test_a_killed_training_goes_on_with_what_it_has_shown(
    engine: str, cell_of: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = cell_of("transformer", True)
    whole = trained(engine, cell)
    module = saved_state if engine == "fairseq" else fused_lockstep
    count = 0

    def kill_at_15(*arguments: object) -> object:
        nonlocal count
        count += 1
        if count == 15:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments)

    monkeypatch.setattr(fused_lockstep, "CALL_SECONDS", 0.0)  # an update a call
    owner = module.SavedState if engine == "fairseq" else module.Lockstep
    original = owner.due if engine == "fairseq" else owner.update
    monkeypatch.setattr(owner, "due" if engine == "fairseq" else "update", kill_at_15)
    with pytest.raises(SystemExit):
        trained(engine, cell, tmp_path)
    assert list(tmp_path.glob("*.pt"))
    monkeypatch.undo()
    again = trained(engine, cell, tmp_path)
    for key, result in whole.items():
        assert again[key].nats == result.nats and again[key].outputs == result.outputs


def test_a_state_that_has_passed_a_new_milestone_is_begun_anew(
    cell_of: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0
    original = fused_lockstep.Lockstep.update

    def kill_at_15(lockstep: fused_lockstep.Lockstep) -> None:
        nonlocal count
        count += 1
        if count == 15:
            os.kill(os.getpid(), signal.SIGTERM)
        original(lockstep)

    monkeypatch.setattr(fused_lockstep, "CALL_SECONDS", 0.0)  # an update a call
    monkeypatch.setattr(fused_lockstep.Lockstep, "update", kill_at_15)
    with pytest.raises(SystemExit):
        trained("fused", cell_of("transformer", False), tmp_path)
    monkeypatch.undo()
    looked = trained("fused", cell_of("transformer", True), tmp_path)
    for training in asked(cell_of("transformer", True)):
        assert {score.key for score in training.scores} == set(looked[training.key].nats)
        assert {decode.key for decode in training.decodes} == set(looked[training.key].outputs)
