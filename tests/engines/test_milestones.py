"""Milestones: what a training gives on the way, at no change of what it gives at its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from indoubt.data.binary import load_dataset
from indoubt.data.task import FPA, load_tasks
from indoubt.engines.backend import Lockstep
from indoubt.engines.fused import lockstep as fused_lockstep
from indoubt.engines.registry import engine_named
from indoubt.learner import Learner
from indoubt.training import Protocol, Result, Training
from indoubt.workflow.required_trainings import Cell, chains
from tests.shared import made_modules as made
from tests.shared.stopping import Stopped, stop_at_save
from tests.shared.workspace import ROOT

CPU = torch.device("cpu")
TASK = load_tasks()["hierar-or-linear"]
MILESTONES = (3, 10, 20)
SEEDS = (1, 2, 3)


@pytest.fixture
def cell_of(results: Path, learner_of: Callable[..., Learner]) -> Callable[..., Cell]:
    """A function that gives a cell of 20 updates, looked at during training or not."""
    datasets = {name: load_dataset(results / "data-bin/hierar-or-linear/4" / name) for name in (FPA, "hierar")}

    def of(
        name: str,
        looked_at: bool,
        updates: int = 20,
        protocol: Protocol = Protocol(),  # noqa: B008  (it is frozen)
        **changed: Any,
    ) -> Cell:
        reached = tuple(at for at in MILESTONES if at <= updates)
        milestones = {seed: dict.fromkeys(datasets, reached) for seed in SEEDS} if looked_at else {}
        if name in OF_MODULES:
            learner = replace(made.learner(name, updates, **OF_MODULES[name]), **changed)
        else:
            learner = learner_of(name, updates, **changed)
        return Cell(datasets, len(TASK.training_inputs(4)), 4, learner, protocol, milestones)

    return of


def trained(
    engine: str, cell: Cell, folder: Path | None = None, seeds: Sequence[int] = SEEDS, blocks: int = 2
) -> dict[str, Result]:
    wanted = chains(cell, [(name, seed) for seed in seeds for name in (FPA, "hierar")], range(blocks))
    return {result.key: result for result in engine_named(engine).train_chains(wanted, CPU, state_folder=folder)}


def asked(cell: Cell, seeds: Sequence[int] = SEEDS, blocks: int = 2) -> Iterator[Training]:
    for chain in chains(cell, [(name, seed) for seed in seeds for name in (FPA, "hierar")], range(blocks)):
        yield from chain


OF_MODULES: dict[str, dict[str, Any]] = {
    "decoder_only.DecoderOnly": {"heads": 2, "ffn": 32},
    "noisy.Noisy": {"file": str(ROOT / "tests/shared/learners/noisy.py"), "together": False},
}
ENGINES = [
    ("fairseq", "transformer"),
    pytest.param("fairseq", "cnn", marks=pytest.mark.long),
    ("fused", "transformer"),
]


SMALL_LSTM = {"encoder_hidden_size": 24, "decoder_hidden_size": 24, "decoder_out_embed_dim": 24}
SMALL_CNN = {"encoder_layers": "[(24, 3)]", "decoder_layers": "[(24, 3)]"}
LAYERS_DROPPED = {"encoder_layers": 3, "decoder_layers": 2, "encoder_layerdrop": 0.5, "decoder_layerdrop": 0.4}
#: What each engine takes: a learner, and what else is changed of it.
TAKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("fairseq", "transformer", {}),
    ("fairseq", "transformer", LAYERS_DROPPED),
    ("fairseq", "lstm-attention", SMALL_LSTM),
    ("fairseq", "cnn", SMALL_CNN),
    ("fused", "transformer", {}),
    ("fused", "lstm-attention", SMALL_LSTM),
    ("fused", "cnn", SMALL_CNN),
    ("modules", "decoder_only.DecoderOnly", {}),
    ("modules", "noisy.Noisy", {}),  # draws random numbers of its own
]
PROTOCOLS = [
    Protocol(adam_state, streams, min_len)  # type: ignore[arg-type]
    for adam_state in ("fresh", "carried")
    for streams, min_len in (("independent", 0), ("released", 1))
]
#: Layer dropout and batches drawn by chance are what a look could move, so each engine is tried with and without.
CASES = [
    pytest.param(engine, learner, changed, protocol, size, id="-".join(map(str, words)))
    for engine, learner, changed in TAKEN
    for protocol in PROTOCOLS
    for size in (None, 2)
    if engine == "fairseq" or protocol.rng_streams == "independent"
    for words in [
        (engine, learner, "dropped" * (changed is LAYERS_DROPPED), protocol.adam_state, protocol.rng_streams, size)
    ]
]


@pytest.mark.parametrize(("engine", "learner", "changed", "protocol", "batch_size"), CASES)
def test_ends_are_to_the_bit_those_without_milestones(
    engine: str,
    learner: str,
    changed: dict[str, Any],
    protocol: Protocol,
    batch_size: int | None,
    cell_of: Callable[..., Cell],
) -> None:
    """Of a training, and of those after it in its chain, which follow on with its moments and its random stream."""
    cells = [cell_of(learner, at, 6, protocol=protocol, batch_size=batch_size, **changed) for at in (True, False)]
    looked, plain = (trained(engine, cell, seeds=[1], blocks=3) for cell in cells)
    assert len(plain) == 4 - (not cells[0].chained)  # T's is one training, unless chains have each their own
    for training in asked(cells[0], [1], 3):
        ours, theirs = looked[training.key], plain[training.key]
        assert {key: ours.nats[key] for key in theirs.nats} == theirs.nats
        assert {key: ours.outputs[key] for key in theirs.outputs} == theirs.outputs
        assert ours.looking > 0 == theirs.looking
        assert set(ours.nats) == {score.key for score in (*training.scores, *training.beside)}
        assert set(ours.outputs) == {decode.key for decode in training.decodes}


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


def kill_at(update: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send SIGTERM before an update, counted over all locksteps."""
    count, original = 0, Lockstep.update

    def counted(lockstep: Lockstep, halts: Sequence[int]) -> None:
        nonlocal count
        count += 1
        if count == update:
            os.kill(os.getpid(), signal.SIGTERM)
        original(lockstep, halts)

    monkeypatch.setattr(fused_lockstep, "CALL_SECONDS", 0.0)  # an update a call
    monkeypatch.setattr(Lockstep, "update", counted)


@pytest.mark.parametrize("engine", ["fairseq", "fused"])
def test_a_killed_training_goes_on_with_what_it_has_shown(
    engine: str, cell_of: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = cell_of("transformer", True)
    whole = trained(engine, cell)
    kill_at(15, monkeypatch)
    with pytest.raises(SystemExit):
        trained(engine, cell, tmp_path)
    assert list(tmp_path.glob("*.pt"))
    monkeypatch.undo()
    again = trained(engine, cell, tmp_path)
    for key, result in whole.items():
        assert again[key].nats == result.nats and again[key].outputs == result.outputs


@pytest.mark.parametrize(
    ("engine", "learner"),
    [("fairseq", "transformer"), ("fused", "transformer"), ("modules", "decoder_only.DecoderOnly")],
)
def test_a_state_that_has_passed_a_new_milestone_is_begun_anew(
    engine: str, learner: str, cell_of: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, looked_at = cell_of(learner, False), cell_of(learner, True)
    stop_at_save(15, monkeypatch)
    with pytest.raises(Stopped):
        trained(engine, plain, tmp_path)
    assert list(tmp_path.glob("*.pt"))
    monkeypatch.undo()
    looked, whole = trained(engine, looked_at, tmp_path), trained(engine, looked_at)
    for training in asked(looked_at):
        assert {each.key for each in (*training.scores, *training.beside)} == set(looked[training.key].nats)
        assert {decode.key for decode in training.decodes} == set(looked[training.key].outputs)
        assert looked[training.key].nats == whole[training.key].nats
        assert looked[training.key].outputs == whole[training.key].outputs
