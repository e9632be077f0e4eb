"""What only a real GPU shows: recorded updates, memory, failures of the device, and results beside the CPU's.

Equality with fairseq is tested in test_equality.py, on a GPU too where there is one.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import side_by_side as sides
import torch
from side_by_side import CPU, SMALL
from test_engine import by_key, grid, killed, resumed, training

from indoubt.data.datasets import dataset_in_memory
from indoubt.data.task import load_tasks
from indoubt.engines.fairseq import engine as reference
from indoubt.engines.fused import engine
from indoubt.engines.fused import lockstep as recording
from indoubt.engines.fused.architectures import bytes_of_a_model, canonical
from indoubt.engines.fused.batches import shape_of
from indoubt.engines.fused.engine import train_chains
from indoubt.engines.fused.lockstep import FusedLockstep
from indoubt.learner import Learner
from indoubt.training import Protocol, Result
from indoubt.workflow.required_trainings import Cell
from tests.shared.fused import train_many
from tests.shared.workspace import ROOT

CUDA = torch.device("cuda")
pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"),
    pytest.mark.xdist_group("gpu"),
]
#: A relative difference that rounding makes in code lengths after some tens of updates.
ROUNDING = 1e-3


def check(ours: dict[str, Result], theirs: dict[str, Result]) -> None:
    """Equal, but for rounding."""
    assert ours.keys() == theirs.keys()
    for key, result in ours.items():
        assert (result.status, result.updates, result.outputs) == ("ok", theirs[key].updates, theirs[key].outputs)
        assert result.nats == pytest.approx(theirs[key].nats, rel=ROUNDING)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[recording.Recorded]:
    """All updates that locksteps have recorded, or tried to."""
    made: list[recording.Recorded] = []
    start = recording.Recorded.__init__

    def noted(self: recording.Recorded, device: torch.device) -> None:
        start(self, device)
        made.append(self)

    monkeypatch.setattr(recording.Recorded, "__init__", noted)
    return made


@pytest.mark.parametrize("name", SMALL)
def test_recorded_updates_give_what_launched_ones_and_the_cpu_give(
    name: str, recorded: list[recording.Recorded], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learner = sides.learner(name, 25, lr=1e-2, warmup_updates=10)
    trainings = grid(learner, (1, 2, 3))
    ours = by_key(train_many(trainings, CUDA))
    assert recorded and all(each._graph is not None for each in recorded)
    assert "notice" not in capsys.readouterr().err
    assert {result.device for result in ours.values()} == {torch.cuda.get_device_name()}
    with monkeypatch.context() as patch:
        patch.setattr(recording, "WARM_UP", 10**9)
        check(ours, by_key(train_many(trainings, CUDA)))
    check(ours, by_key(train_many(trainings, CPU)))
    (alone,) = train_many([trainings[4]], CUDA)
    check({alone.key: alone}, {alone.key: ours[alone.key]})


@pytest.mark.parametrize("name", SMALL)
def test_engine_fairseq_runs_there_and_scores_what_fused_has_trained(name: str) -> None:
    learner = sides.learner(name, 25, dropout=0.0, lr=1e-2, warmup_updates=10)
    trainings = grid(learner, (1, 2))
    models: dict[str, torch.nn.Module] = {}
    ours = by_key(train_many(trainings, CUDA, keep=lambda each, model: models.update({each.key: model})))
    again = {each.key: reference.evaluate_kept(each, models[each.key], CUDA) for each in trainings}
    check(ours, again)
    check(ours, {each.key: next(reference.train_chain([each], CUDA)) for each in trainings})


@pytest.mark.parametrize("name", SMALL)
def test_batches_drawn_by_chance_and_chains(name: str) -> None:
    learner = replace(sides.learner(name, 20, lr=5e-3, warmup_updates=5), batch_size=2)
    check(by_key(train_many(grid(learner, (1, 2)), CUDA)), by_key(train_many(grid(learner, (1, 2)), CPU)))
    learner, carried = replace(learner, batch_size=None), Protocol(adam_state="carried")
    chains = [[training(learner, seed, block, protocol=carried) for block in range(3)] for seed in (1, 2)]
    check(by_key(train_chains(chains, CUDA)), by_key(train_chains(chains, CPU)))


@pytest.mark.parametrize("name", ["lstm-attention", "transformer"])
def test_killed_and_gone_on_with(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainings = grid(sides.learner(name, updates=20), (1, 2, 3))
    monkeypatch.setattr(engine.Fused, "_together", lambda *about: 3)  # of nine
    whole = by_key(train_many(trainings, CUDA))
    before = by_key(iter(killed([[each] for each in trainings], tmp_path, 30, monkeypatch, CUDA)))
    begun = resumed(monkeypatch)
    after = by_key(train_many([t for t in trainings if t.key not in before], CUDA, state_folder=tmp_path))
    assert begun == [10] and before and not before.keys() & after.keys()
    check(before | after, whole)


def late_blocks(learner: Learner) -> Cell:
    """Twenty examples of count-or-mem/40, the largest shape of the paper's tasks."""
    task = load_tasks()["count-or-mem"]
    data = {"mem": dataset_in_memory(task, 40, "mem")}
    return Cell(data, len(task.training_inputs(40)), task.block_size_at(40), learner, Protocol())


@pytest.mark.parametrize("name", ["lstm", "lstm-attention", "cnn", "transformer", "transformer-joint"])
@pytest.mark.parametrize("block", [0, 19])
def test_a_model_needs_no_more_memory_than_is_planned(
    name: str, block: int, learner_of: Callable[..., Learner]
) -> None:
    learner, n = learner_of(name), 32
    cell = late_blocks(learner)
    trainings = [cell.training("mem", seed, block) for seed in range(n)]
    shape = canonical(shape_of(trainings[0].examples), CUDA)
    gc.collect()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    lockstep = FusedLockstep(trainings, shape, CUDA, 0)
    for _ in range(recording.WARM_UP + 2):
        lockstep.update()
    needed = (torch.cuda.max_memory_allocated() - before) / n
    planned = bytes_of_a_model(learner, lockstep.weights.flat.numel() // n, shape)
    assert 0.1 < needed / planned < 1, f"{needed / 1e6:.2f} MB a model"


def test_memory_that_is_short_halves_locksteps(
    learner_of: Callable[..., Learner], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 64 LSTMs, with 51 MB of weights, gradients and moments each, not all fit into 2 GB."""
    cell = late_blocks(learner_of("lstm", updates=6))
    trainings = [cell.training("mem", seed, 0) for seed in range(64)]
    whole = by_key(train_many(trainings, CUDA))
    sizes: list[int] = []
    start = FusedLockstep.__init__

    def noted(self: FusedLockstep, group: list[object], *arguments: object) -> None:
        sizes.append(len(group))
        start(self, group, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(FusedLockstep, "__init__", noted)
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(2e9 / total)
    try:
        split = by_key(train_many(trainings, CUDA))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert sizes[:2] == [64, 32] and sum(size < 64 for size in sizes) > 1
    check(split, whole)


FAILING = """
import sys, torch
sys.path[:0] = {paths}
import side_by_side as sides
from test_engine import training
from indoubt.engines.fused import engine
from indoubt.engines.fused.lockstep import FusedLockstep
from indoubt.errors import UserError

update = FusedLockstep.update
def fails(self, halts):
    update(self, halts)
    if self.trainings[0].seed == 2 and self.done == 12:
        torch.zeros(3, device="cuda")[torch.tensor([99], device="cuda")].sum().item()

FusedLockstep.update, engine.Fused._together = fails, lambda *about: 1
trainings = [training(sides.learner("transformer", updates=20), seed, 0) for seed in (1, 2, 3)]
try:
    for result in engine.train_chains([[each] for each in trainings], torch.device("cuda")):
        print(result.key, result.status)
except UserError as error:
    print(error)
"""


def test_a_device_that_computes_no_more_is_told_in_a_sentence() -> None:
    paths = [str(ROOT), str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-c", FAILING.format(paths=paths)], capture_output=True, text=True, check=True
    )
    *finished, told = done.stdout.splitlines()
    assert len(finished) == 1 and finished[0].endswith(" ok")
    assert told.startswith("the device failed (AcceleratorError: CUDA error: device-side assert triggered")
    assert "and computes no more; what else was trained is kept. Run again" in told
