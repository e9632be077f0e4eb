"""Devices that fail in one lockstep, or cannot record an update: what is finished is kept, the rest goes on."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import side_by_side as sides
import torch
from side_by_side import CPU, examples
from test_engine import by_key, grid, killed, resumed, same, training

from indoubt.engines import devices
from indoubt.engines.fused import engine, kernels
from indoubt.engines.fused.engine import train_chains
from indoubt.engines.fused.lockstep import WARM_UP, FusedLockstep, Recorded
from indoubt.errors import UserError
from indoubt.training import Protocol, Result, Score, Training
from tests.shared.fused import train_many
from tests.shared.workspace import ROOT

CUDA = torch.device("cuda")
BROKEN = torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCompile with ...")


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    start = FusedLockstep.__init__

    def small_memory(self: FusedLockstep, group: list[object], *arguments: object) -> None:
        if len(group) > 2:
            raise torch.OutOfMemoryError("as on a GPU that others use too")
        start(self, group, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(FusedLockstep, "__init__", small_memory)


def test_out_of_memory_splits_further(request: pytest.FixtureRequest) -> None:
    trainings = grid(sides.learner("transformer", updates=20), range(1, 6))
    whole = by_key(train_many(trainings, CPU))
    request.getfixturevalue("little_memory")
    split = by_key(train_many(trainings, CPU))
    assert all(same(split[key], whole[key]) for key in whole)


def test_what_was_saved_splits_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    trainings = grid(sides.learner("transformer", updates=20), range(1, 3))
    monkeypatch.setattr(engine.Fused, "_together", lambda *about: 6)
    whole = by_key(train_many(trainings, CPU))
    assert not killed([[each] for each in trainings], tmp_path, 15, monkeypatch)
    request.getfixturevalue("little_memory")
    begun = resumed(monkeypatch)
    split = by_key(train_many(trainings, CPU, state_folder=tmp_path))
    assert begun == [15] * 4  # of 6 trainings: 3 and 3, then 1 and 2 twice
    assert all(same(split[key], whole[key]) for key in whole)


def test_memory_that_does_not_suffice_at_the_end_of_a_lockstep_does_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here for the model that is kept of a second training, when the first one's chain could go on."""
    learner, carried = sides.learner("transformer", updates=5), Protocol(adam_state="carried")
    chains = [[training(learner, seed, block, protocol=carried) for block in range(3)] for seed in (1, 2)]
    monkeypatch.setattr(engine.Fused, "_together", lambda *about: 2)
    whole = by_key(train_chains(chains, CPU))
    module = engine.Fused.module

    def no_memory(self: engine.Fused, lockstep: FusedLockstep, row: int) -> torch.nn.Module:
        if row == 1:
            raise torch.OutOfMemoryError("none left")
        return module(self, lockstep, row)

    monkeypatch.setattr(engine.Fused, "module", no_memory)
    results = list(train_chains(chains, CPU, keep=lambda each, model: None))
    assert sorted(result.key for result in results) == sorted(whole)
    assert all(same(result, whole[result.key]) for result in results)


def test_looks_at_what_is_done_again_in_halves_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, evaluate, update = sides.learner("transformer", updates=5), engine.evaluate, FusedLockstep.update
    trainings = [training(learner, seed, 0, scores=(Score(examples("ab>b"), at=2),)) for seed in (1, 2)]

    def slow(asked: Sequence[Training], *arguments: object) -> None:
        time.sleep(1.0 * (len(asked) - 1))
        evaluate(asked, *arguments)  # type: ignore[arg-type]

    def fails(self: FusedLockstep, halts: Sequence[int]) -> None:
        if len(self.trainings) == 2 and self.done >= 2:
            raise torch.OutOfMemoryError("none left")
        update(self, halts)

    monkeypatch.setattr(engine, "evaluate", slow)
    monkeypatch.setattr(FusedLockstep, "update", fails)
    results = list(train_many(trainings, CPU))
    assert len(results) == 2 and all(0 < result.looking < 0.4 for result in results)


@pytest.mark.parametrize("alive", [True, False])
def test_a_lockstep_that_fails_loses_nothing(alive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainings = grid(sides.learner("transformer", updates=20), (1, 2, 3))
    monkeypatch.setattr(engine.Fused, "_together", lambda *about: 3)
    whole = by_key(train_many(trainings, CPU))
    monkeypatch.setattr("indoubt.engines.fused.lockstep.CALL_SECONDS", 0.0)  # an update a call
    monkeypatch.setattr("indoubt.engines.saved_states.SAVE_EVERY", 0)
    update = FusedLockstep.update

    def fails_once(self: FusedLockstep, halts: Sequence[int]) -> None:
        if self.trainings[0].seed == 2 and self.done == 12:
            raise BROKEN
        update(self, halts)

    monkeypatch.setattr(devices, "computes", lambda device: alive)
    results: list[Result] = []
    follows = r", so 3 trainings were not done \(seeds 2\)" if alive else " and computes no more; what else was trained"
    saying = rf"failed \(AcceleratorError: CUDA error: an illegal memory .*\){follows}"
    with monkeypatch.context() as patch:
        patch.setattr(FusedLockstep, "update", fails_once)
        with pytest.raises(UserError, match=saying):
            results.extend(train_many(trainings, CPU, state_folder=tmp_path))  # those before the error
    assert [result.key for result in results] == [
        each.key for each in trainings if each.seed in ((1, 3) if alive else (1,))
    ]
    missing = [each for each in trainings if each.key not in by_key(iter(results))]
    begun = resumed(monkeypatch)
    results += train_many(missing, CPU, state_folder=tmp_path)
    assert begun == [12]
    assert all(same(result, whole[result.key]) for result in results) and len(results) == len(whole)


def test_a_single_training_that_does_not_fit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(self: FusedLockstep, *arguments: object) -> None:
        raise torch.OutOfMemoryError("none left")

    monkeypatch.setattr(FusedLockstep, "__init__", no_memory)
    with pytest.raises(
        UserError, match=r"failed \(OutOfMemoryError: none left\), so 3 trainings .* \(seeds 1\).*`device: cpu`"
    ):
        list(train_many(grid(sides.learner("transformer"), [1]), CPU))


def test_what_is_wrong_with_the_code_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: FusedLockstep, halts: Sequence[int]) -> None:
        raise RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")

    monkeypatch.setattr(FusedLockstep, "update", wrong)
    with pytest.raises(RuntimeError, match="must match the size"):
        list(train_many(grid(sides.learner("transformer"), [1]), CPU))


@pytest.mark.parametrize("name", sides.SMALL)
@pytest.mark.parametrize("native", [True, False], ids=["C", "torch"])
def test_the_memory_of_a_lockstep_is_free_when_it_is_done(
    name: str, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No ring of references holds it until Python looks for rings: on a GPU the next lockstep needs the room."""
    alive: list[weakref.ref[torch.Tensor]] = []
    start = FusedLockstep.__init__

    def noted(self: FusedLockstep, *arguments: object) -> None:
        assert all(each() is None for each in alive)
        start(self, *arguments)  # type: ignore[arg-type]
        alive.extend(weakref.ref(each.flat) for each in (self.weights, self.adam.first, self.adam.second))

    monkeypatch.setattr(FusedLockstep, "__init__", noted)
    monkeypatch.setattr(engine.Fused, "_together", lambda *about: 3)
    if native:
        monkeypatch.setattr(kernels, "LARGE", 1)  # so that an LSTM takes its steps in C
    else:
        monkeypatch.setattr(kernels, "_library", lambda dtype: None)
    gc.disable()
    try:
        list(train_many(grid(sides.learner(name, updates=5), (1, 2, 3)), CPU))
        assert alive and all(each() is None for each in alive)
    finally:
        gc.enable()


def test_a_device_without_memory_still_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("none left")

    monkeypatch.setattr(torch, "ones", full)
    assert devices.computes(CPU)


class Graph:
    """Stands for a CUDA graph: what is called while it records is not executed but replayed."""

    def __init__(self, calls: list[str], error: Exception | None) -> None:
        self.calls, self.error = calls, error

    @contextmanager
    def recording(self) -> Iterator[None]:
        n = len(self.calls)
        yield
        del self.calls[n:]
        if self.error is not None:
            raise self.error

    def replay(self) -> None:
        self.calls.append("replayed")


def recorded(monkeypatch: pytest.MonkeyPatch, device: torch.device, error: Exception | None = None) -> list[str]:
    calls: list[str] = []
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: Graph(calls, error))
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: graph.recording())
    update = Recorded(device)
    for _ in range(WARM_UP + 3):
        update(lambda: calls.append("called"))
    return calls


def test_updates_are_recorded_on_a_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recorded(monkeypatch, CUDA) == ["called"] * WARM_UP + ["replayed"] * 3
    assert recorded(monkeypatch, CPU) == ["called"] * (WARM_UP + 3)


def test_an_update_that_cannot_be_recorded_is_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = RuntimeError("CUDA error: operation not permitted when stream is capturing\nand so on")
    assert recorded(monkeypatch, CUDA, error) == ["called"] * (WARM_UP + 3)
    told = capsys.readouterr().err
    assert told.count("notice:") == 1 and "operation not permitted when stream is capturing" in told
    with pytest.raises(torch.OutOfMemoryError):  # for which a lockstep is halved
        recorded(monkeypatch, CUDA, torch.OutOfMemoryError("none left"))


#: 4,000 examples under a limit that leaves no room for what an update of them computes.
WITHOUT_MEMORY = """
import sys; sys.path[:0] = ["tests/engines/fused", "."]
import resource
import side_by_side as sides
from indoubt.engines.fused import kernels
from tests.shared.fused import train_many
from indoubt.training import Protocol, Training
import torch

kernels.there_are(torch.ones(1))
one = (*sides.examples("abbab>a", "babba>b") * 2000,)
training = Training(sides.learner("transformer", updates=3), Protocol(), 1, sides.SYMBOLS, sides.SYMBOLS, (one,))
train = train_many([training], sides.CPU)
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + 24 * 2**20,) * 2)
print(list(train))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux says how much memory a process has")
def test_too_little_memory_for_an_update_in_c_is_said() -> None:
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_MEMORY]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert "UserError: the device failed (OutOfMemoryError: memory does not suffice for an update" in done.stderr
    assert "needs more memory" in done.stderr


def test_torchs_words_for_too_little_memory_are_known() -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**50)
    assert devices.of_memory(error.value) and devices.of_device(error.value)
