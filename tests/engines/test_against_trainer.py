"""The reference engine against fairseq's own Trainer: the same weights to the last bit after the same updates."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairseq import options, tasks
from fairseq.trainer import Trainer

from indoubt.data.binary import load_dataset
from indoubt.engines.fairseq.engine import train_chain
from indoubt.learner import Learner
from indoubt.training import Protocol, Training
from indoubt.workflow.required_trainings import Cell

SEED, UPDATES = 3, 6


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the model's parameters; fairseq has a buffer beside them that it leaves uninitialised."""
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def trainer_states(
    data: Path, definition: dict[str, Any], n_training: int, steps: int, batch_size: int | None
) -> list[dict[str, torch.Tensor]]:
    """Weights after T, T and a block, ... as fairseq 0.9.0's Trainer gives them on the CPU, Adam carried over."""
    words = [str(data), "--cpu", "--sentence-avg", f"--seed={SEED}", "--num-workers=0"]
    for name, value in definition.items():
        flag = f"--{name.replace('_', '-')}"
        flag_only = name == "cross_self_attention"
        words += [flag] if flag_only else [f"{flag}={value}"]
    args = options.parse_args_and_arch(options.get_training_parser(), words)
    args.distributed_world_size = 1
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
    task = tasks.setup_task(args)
    model, criterion = task.build_model(args), task.build_criterion(args)
    trainer = Trainer(args, task, model, criterion)
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    task.load_dataset("train")
    dataset = task.dataset("train")
    holdout = list(range(n_training, len(dataset)))
    random.shuffle(holdout)
    states = []
    for step in range(steps):
        sent = list(range(n_training)) + holdout[:step]
        model.load_state_dict(initial)
        trainer.set_num_updates(0)
        batches = [random.choices(sent, k=batch_size) if batch_size else sent for _ in range(UPDATES)]
        for batch in batches:
            trainer.train_step([dataset.collater([dataset[i] for i in batch])])
        states.append(weights(model))
        model.eval()  # the original scores the next block here, which draws from Python's generator
        with torch.no_grad():
            model(**dataset.collater([dataset[holdout[step]]])["net_input"])
    return states


def our_states(data: Path, learner: Learner, n_training: int, steps: int) -> list[dict[str, torch.Tensor]]:
    """The same by the reference engine."""
    states = []

    def keep(training: Training, model: torch.nn.Module) -> None:
        states.append(weights(model))

    cell = Cell({"mul": load_dataset(data)}, n_training, 1, learner, Protocol("carried", "released", 1))
    list(train_chain(cell.trainings("mul", SEED, range(steps)), torch.device("cpu"), keep))
    return states


@pytest.mark.parametrize("batch_size", [None, 3], ids=["full-batch", "with-replacement"])
@pytest.mark.parametrize("name", ["lstm-attention", "lstm", "cnn", "transformer", "transformer-joint"])
def test_weights_equal_those_of_fairseqs_trainer(
    results: Path,
    definitions: dict[str, dict[str, Any]],
    learner_of: Callable[..., Learner],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    batch_size: int | None,
) -> None:
    monkeypatch.setattr(sys, "argv", ["fairseq-train"])  # fairseq's parser peeks at it for --user-dir
    data = results / "data-bin/add-or-mul/5/mul"
    expected = trainer_states(data, definitions[name], 1, 3, batch_size)
    found = our_states(data, learner_of(name, UPDATES, batch_size), 1, 3)
    assert len(found) == 3
    for ours, theirs in zip(found, expected, strict=True):
        for parameter, value in theirs.items():
            assert torch.equal(ours[parameter], value), parameter
