"""Trainings that go on from weights: on every back end, to the bit what the weights say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from indoubt.engines.backend import Backend
from indoubt.engines.checkpoints import save_checkpoint
from indoubt.engines.fairseq.engine import Fairseq
from indoubt.engines.fused.engine import Fused
from indoubt.engines.modules.engine import Modules
from indoubt.engines.registry import engine_named
from indoubt.learner import Learner
from indoubt.training import Result, Training
from tests.shared import made_modules as made

ENGINES = [
    *[(engine, name) for engine in ("fairseq", "fused") for name in ("transformer", "lstm", "cnn")],
    *[("modules", name) for name in ("mamba.Mamba", "recurrent.Recurrent", "one by one", "hf-gpt2")],
]


@pytest.fixture
def learner(request: pytest.FixtureRequest, learner_of: Callable[..., Learner]) -> Learner:
    engine, name = request.param
    if engine != "modules":
        return learner_of(name, updates=4)
    return made.learner("mamba.Mamba", 4, together=False) if name == "one by one" else made.learner(name, 4)


def backend_of(engine: str, learner: Learner) -> Backend:
    return {"fairseq": lambda: Fairseq(made.CPU), "fused": lambda: Fused(made.CPU)}.get(
        engine, lambda: Modules(learner, made.CPU)
    )()


def kept(engine: str, training: Training, path: Path) -> Path:
    """The weights of a training before its first update."""
    backend = backend_of(engine, training.learner)
    save_checkpoint(path, training, backend.module(backend.start([training], 0), 0))
    return path


def result_of(engine: str, *trainings: Training) -> list[Result]:
    found = {
        each.key: each for each in engine_named(engine).train_chains([[training] for training in trainings], made.CPU)
    }
    return [found[training.key] for training in trainings]


@pytest.mark.parametrize(
    ("engine", "learner"), [(pair[0], pair) for pair in ENGINES], indirect=["learner"], ids=map(" ".join, ENGINES)
)
def test_weights_of_no_updates_change_nothing_and_others_do(engine: str, learner: Learner, tmp_path: Path) -> None:
    one, other = made.training(learner, 1), made.training(learner, 2)
    alone = result_of(engine, one, other)
    same = replace(one, weights=kept(engine, one, tmp_path / "1.pt"))
    again = result_of(engine, same, other)
    assert [each.nats for each in again] == [each.nats for each in alone], "to the bit"
    assert [each.outputs for each in again] == [each.outputs for each in alone]
    crossed = replace(one, weights=kept(engine, other, tmp_path / "2.pt"))
    assert result_of(engine, crossed, other)[0].nats != alone[0].nats
    assert result_of(engine, crossed, other)[1].nats == alone[1].nats, "companions are left alone"


def test_fused_goes_on_as_fairseq_does(learner_of: Callable[..., Learner], tmp_path: Path) -> None:
    learner = learner_of("transformer", updates=5, dropout=0.0)
    training = made.training(learner, 1)
    path = kept("fairseq", made.training(learner, 3), tmp_path / "3.pt")
    ours, theirs = (result_of(engine, replace(training, weights=path))[0] for engine in ("fused", "fairseq"))
    for key, nats in theirs.nats.items():
        assert ours.nats[key] == pytest.approx(nats, rel=1e-4)


def test_a_start_is_part_of_what_a_training_is_and_its_file_is_not(learner_of: Callable[..., Learner]) -> None:
    training, start = made.training(learner_of("transformer"), 1), made.training(learner_of("lstm"), 1)
    after = replace(training, start=start)
    assert len({training.key, after.key, replace(training, start=replace(start, seed=2)).key}) == 3
    assert replace(after, weights=Path("anywhere")).key == after.key


def test_what_has_begun_goes_on_from_its_state_and_not_from_the_weights(
    learner_of: Callable[..., Learner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training of a start that was saved in the middle ends as if it had never been stopped."""
    from indoubt.engines import saved_states

    monkeypatch.setattr(saved_states, "SAVE_EVERY", -1.0)
    learner = learner_of("lstm", updates=6)
    training = made.training(learner, 1)
    training = replace(training, weights=kept("fused", made.training(learner, 2), tmp_path / "2.pt"))
    whole = result_of("fused", training)[0]
    states = tmp_path / "states"
    saved: list[Path] = []
    run = engine_named("fused").train_chains([[training]], torch.device("cpu"), state_folder=states)
    original = saved_states.SavedStates.save

    def save(self: saved_states.SavedStates, state: saved_states.SavedState) -> Path | None:
        path = original(self, state)
        saved.append(path) if path else None
        if state.done >= 3:
            raise KeyboardInterrupt
        return path

    monkeypatch.setattr(saved_states.SavedStates, "save", save)
    with pytest.raises(KeyboardInterrupt):
        list(run)
    monkeypatch.setattr(saved_states.SavedStates, "save", original)
    assert saved and saved[-1].exists()
    (resumed,) = engine_named("fused").train_chains([[training]], torch.device("cpu"), state_folder=states)
    assert resumed.nats == whole.nats
