"""Trainings that are stopped halfway and go on: the same numbers, bit for bit, on the CPU."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from indoubt.data.binary import load_dataset
from indoubt.data.codes import CodeKind
from indoubt.engines import saved_states
from indoubt.engines.fairseq.engine import train_chain, train_chains
from indoubt.engines.registry import engine_named
from indoubt.learner import Learner
from indoubt.training import Protocol, Result, Training
from indoubt.workflow.identity import numbers_of
from indoubt.workflow.ledger import read_records
from indoubt.workflow.required_trainings import Cell
from tests.shared.made_modules import learner as of_modules
from tests.shared.stopping import Stopped, stop_at_save
from tests.shared.workspace import ROOT

CPU = torch.device("cpu")
FRESH, RELEASED = Protocol(), Protocol("carried", "released", 1)


def cell(results: Path, learner: Learner, protocol: Protocol, milestones: Sequence[int] = ()) -> Cell:
    folder = results / "data-bin/add-or-mul/5"
    datasets = {name: load_dataset(folder / name) for name in ("fpa", "mul")}
    return Cell(datasets, 1, 1, learner, protocol, {3: {"mul": milestones}})


def numbers(results: Sequence[Result]) -> list[tuple[object, ...]]:
    return [(result.key, result.status, result.updates, result.nats, result.outputs) for result in results]


def interrupted(chain: Sequence[Training], folder: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> list[Result]:
    """Train a chain that is killed at the `after`th chance to save, having saved just then; what it gave until then."""
    given: list[Result] = []
    with monkeypatch.context() as patch:
        stop_at_save(after, patch)
        try:
            for result in train_chains([chain], CPU, state_folder=folder):
                given.append(result)  # noqa: PERF402  (what was given before the kill is kept)
        except Stopped:
            return given
    raise AssertionError(f"fewer than {after} updates were done")


CASES = {
    "transformer, one training": ("transformer", FRESH, {}, 1),
    "lstm with attention, one training": ("lstm-attention", FRESH, {"encoder_hidden_size": 32}, 1),
    "cnn, chained": ("cnn", RELEASED, {}, 3),
    "batches drawn from the released stream": ("transformer", RELEASED, {"batch_size": 2}, 3),
    "batches drawn from independent streams": ("transformer", FRESH, {"batch_size": 2}, 1),
    "layers dropped from the released stream": ("transformer", RELEASED, {"encoder_layerdrop": 0.5}, 3),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("after", "milestones"), [(1, ()), (9, ()), (9, (1, 3))])
def test_goes_on_bit_for_bit(
    case: str,
    after: int,
    milestones: Sequence[int],
    results: Path,
    learner_of: Callable[..., Learner],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, protocol, changed, n_blocks = CASES[case]
    if name == "lstm-attention":
        changed = changed | {"decoder_hidden_size": 32}
    learner = learner_of(name, updates=10 if n_blocks == 1 else 4, **changed)
    chain = cell(results, learner, protocol, milestones).trainings("mul", 3, range(n_blocks))
    whole = list(train_chain(chain, CPU))
    first = interrupted(chain, tmp_path, monkeypatch, after)
    rest = list(train_chains([chain], CPU, state_folder=tmp_path))
    assert numbers(rest) == numbers(whole)
    assert numbers(first) == numbers(whole[: len(first)])
    assert len(first) == (after - 1) // learner.updates
    assert not list(tmp_path.iterdir()), "a state is left over"


@pytest.mark.parametrize("changed", [{}, {"batch_size": 2}, {"encoder_layerdrop": 0.5}])
def test_a_killed_chain_gives_finished_results_again_and_trains_none_twice(
    changed: dict[str, float], results: Path, learner_of: Callable[..., Learner], tmp_path: Path
) -> None:
    """Killed between two trainings: what was finished comes from the state, to the second that it took."""
    chain = cell(results, learner_of("transformer", updates=2, **changed), RELEASED).trainings("mul", 1, range(3))
    killed = train_chains([chain], CPU, state_folder=tmp_path)
    first = [next(killed), next(killed)]
    again = list(train_chains([chain], CPU, state_folder=tmp_path))
    assert [asdict(result) for result in again[:2]] == [asdict(result) for result in first]
    assert numbers(again) == numbers(list(train_chain(chain, CPU)))


def test_a_chain_begins_anew_where_more_is_asked_of_a_training_that_it_has_finished(
    results: Path, learner_of: Callable[..., Learner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = learner_of("cnn", updates=3, encoder_layers="[(24, 3)]", decoder_layers="[(24, 3)]")
    before, now = (cell(results, learner, RELEASED, at).trainings("mul", 3, range(3)) for at in ((), (2,)))
    interrupted(before, tmp_path, monkeypatch, 4)  # after the second block's first update
    given = list(train_chains([now], CPU, state_folder=tmp_path))
    assert [result.key for result in given] == [training.key for training in now]
    assert all(result.has_all(training) for result, training in zip(given, now, strict=True))
    assert numbers(given) == numbers(list(train_chain(now, CPU)))


@pytest.mark.parametrize("damage", ["cut off", "another program's", "a list"])
def test_a_state_that_is_of_no_use_is_ignored(
    damage: str, results: Path, learner_of: Callable[..., Learner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = cell(results, learner_of("transformer", updates=3), FRESH).trainings("mul", 1, [0])
    interrupted(chain, tmp_path, monkeypatch, 2)
    (path,) = tmp_path.iterdir()
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "a list":
        torch.save([1, 2], path)
    else:
        path.write_text("hello")
    assert numbers(list(train_chains([chain], CPU, state_folder=tmp_path))) == numbers(list(train_chain(chain, CPU)))


ENGINES = [("fairseq", "transformer"), ("fused", "transformer"), ("fused", "cnn"), ("modules", "mamba.Mamba")]


@pytest.mark.parametrize(("engine", "name"), ENGINES)
@pytest.mark.parametrize("made", [{}, {"torch": "1.0"}, {"device": "NVIDIA H200"}], ids=["here", "torch", "device"])
def test_a_state_is_resumed_by_the_torch_and_the_device_that_made_it_alone(
    engine: str,
    name: str,
    made: dict[str, str],
    results: Path,
    learner_of: Callable[..., Learner],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The state is given other weights, so that its use shows in the numbers."""
    learner = of_modules(name, 4) if engine == "modules" else learner_of(name, 4)
    chain = cell(results, learner, FRESH).trainings("mul", 1, [0])
    train_them = engine_named(engine).train_chains
    (whole,) = train_them([chain], CPU)
    with monkeypatch.context() as patch:
        stop_at_save(2, patch)
        with pytest.raises(Stopped):
            list(train_them([chain], CPU, state_folder=tmp_path))
    (path,) = tmp_path.iterdir()
    state = torch.load(path, weights_only=True)
    assert state["made_with"] == {"torch": str(torch.__version__), "device": "cpu"}
    weights = state["state"]["model"].values() if engine == "fairseq" else [state["state"]["weights"]]
    for each in weights:
        each.mul_(1.5)
    torch.save(state | {"made_with": state["made_with"] | made}, path)
    (resumed,) = train_them([chain], CPU, state_folder=tmp_path)
    assert (resumed.nats == whole.nats) == bool(made)
    assert ("was saved on device" in capsys.readouterr().err) == bool(made)


@pytest.mark.parametrize("engine", ["fused", "modules"])
@pytest.mark.parametrize("damage", ["cut off", "another program's", "a list"])
def test_a_state_of_a_lockstep_that_is_of_no_use_is_begun_anew(
    engine: str, damage: str, results: Path, learner_of: Callable[..., Learner], tmp_path: Path
) -> None:
    learner = of_modules("mamba.Mamba", 2) if engine == "modules" else learner_of("transformer", 2)
    chain = cell(results, learner, FRESH).trainings("mul", 1, [0])
    (whole,) = engine_named(engine).train_chains([chain], CPU)
    path = tmp_path / "it.pt"
    if damage == "a list":
        torch.save([1, 2], path)
    else:
        path.write_bytes(b"hello" if damage == "another program's" else b"")
    (again,) = engine_named(engine).train_chains([chain], CPU, state_folder=tmp_path)
    assert again.nats == whole.nats and not path.exists()


def test_a_state_that_cannot_be_written_does_not_stop_the_training(
    results: Path,
    learner_of: Callable[..., Learner],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(saved_states, "SAVE_EVERY", 0.0)
    chain = cell(results, learner_of("transformer", updates=2), FRESH).trainings("mul", 1, [0])
    assert len(list(train_chains([chain], CPU, state_folder=tmp_path / "file/states"))) == 1
    assert "cannot be saved" in capsys.readouterr().err


def test_sigterm_saves_the_state_and_the_next_run_goes_on(
    results: Path, learner_of: Callable[..., Learner], tmp_path: Path
) -> None:
    """A job as Snakemake starts it, told to end as by SLURM at a time limit, and started again."""
    learner, n_updates, code = learner_of("transformer", updates=500), 500, numbers_of("fairseq").name
    job = {"task": "add-or-mul", "size": 5, "name": "it", "learner": learner.to_json(), "protocol": asdict(FRESH)}
    job |= {"engine": "fairseq", "engine_hash": code, "n_training": 1, "block_size": 1}
    job |= {"seeds": {"1": ["mul"]}, "blocks": [0, 0], "milestones": {}, "code": asdict(CodeKind())}
    job |= {"examples": {"mul": load_dataset(results / "data-bin/add-or-mul/5/mul").digest}}
    command = [sys.executable, str(ROOT / "scripts/trainings.py"), "--job", json.dumps(job), "--device", "cpu"]
    command += [f"--data-bin={results / 'data-bin/add-or-mul/5'}", f"--output={tmp_path / 'rows.jsonl'}"]
    command += [f"--{name}={tmp_path / name}" for name in ("ledger", "states", "running")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert process.stderr is not None
    assert any("1 trainings, 1 to do" in process.stderr.readline() for _ in range(2))
    time.sleep(0.7)
    process.send_signal(signal.SIGTERM)
    assert "told to end (SIGTERM)" in process.stderr.read()
    assert process.wait() == 128 + signal.SIGTERM
    process.stderr.close()
    (sign,) = (tmp_path / "running").glob("*.json")
    assert json.loads(sign.read_text())["state"] == "stopped"
    (state,) = (tmp_path / "states" / code).glob("*/*.pt")
    done = torch.load(state, weights_only=True)["done"]
    assert 0 < done < n_updates
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    (row,) = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    chain = cell(results, learner, FRESH).trainings("mul", 1, [0])
    (whole,) = train_chain(chain, CPU)
    assert row["nats"] == next(iter(whole.nats.values()))
    (shelf,) = (tmp_path / "ledger" / code).iterdir()
    assert len(list(read_records(shelf))) == 1
    assert not list((tmp_path / "states" / code).iterdir()) and not list((tmp_path / "running").iterdir())
