"""The engine against the reference, and what must not change a result: companions, a kill, too little memory."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import side_by_side as sides
import torch
from side_by_side import CPU, SMALL, SYMBOLS, examples, ids

from indoubt.engines import loop
from indoubt.engines.backend import State
from indoubt.engines.fairseq import engine as reference
from indoubt.engines.fused import engine
from indoubt.engines.fused.engine import train_chains
from indoubt.engines.fused.lockstep import FusedLockstep
from indoubt.learner import Learner
from indoubt.training import Decode, Protocol, Result, Score, Training
from tests.shared.fused import train_many

T, FIRST, SECOND = examples("aa>bbb", "ab>b"), examples("a>bb"), examples("aaabb>bbbbb", ">b")
BLOCKS = [T, FIRST, SECOND]
DECODE = Decode((ids("aa"), ids("a"), ids(""), ids("abab")), 0, 20)


def training(learner: Learner, seed: int, block: int, **changes: object) -> Training:
    """Seed's training on the blocks up to `block`; its scores have shapes of their own."""
    each = Training(
        learner, Protocol(), seed, SYMBOLS, SYMBOLS, tuple(BLOCKS[: block + 1]), None, (Score(FIRST), Score(T + SECOND))
    )
    return replace(each, decodes=(DECODE,) if block == 0 else (), **changes)


def grid(learner: Learner, seeds: Sequence[int]) -> list[Training]:
    return [training(learner, seed, block) for seed in seeds for block in range(3)]


def by_key(results: Iterator[Result]) -> dict[str, Result]:
    return {result.key: result for result in results}


def same(ours: Result, theirs: Result) -> bool:
    """Equal bit for bit in all that was computed."""
    return (ours.status, ours.updates, ours.nats, ours.outputs) == (
        theirs.status,
        theirs.updates,
        theirs.nats,
        theirs.outputs,
    )


@pytest.mark.parametrize("name", SMALL)
def test_code_lengths_and_outputs_are_the_references(name: str) -> None:
    # enough to learn something, too little to amplify rounding
    updates, lr = (60, 3e-2) if name.startswith("lstm") else (25, 1e-2)
    learner = sides.learner(name, updates, dropout=0.0, lr=lr, warmup_updates=10)
    trainings = grid(learner, (1, 2))
    ours = by_key(train_many(trainings, CPU))
    for each in trainings:
        (theirs,) = reference.train_chain([each], CPU)
        result = ours[each.key]
        assert (result.status, result.updates, result.engine) == ("ok", updates, "fused")
        assert result.nats == pytest.approx(theirs.nats, rel=1e-3)
        assert result.outputs == theirs.outputs
    lengths = {len(output) for result in ours.values() for outputs in result.outputs.values() for output in outputs}
    assert len(lengths) > 1, "the learners have learned nothing: outputs are all alike"


def test_the_engine_says_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[tuple[str, ...], int]] = []
    monkeypatch.setattr(loop, "say", lambda of, done: said.append((tuple(each.key for each in of), done)))
    trainings = grid(sides.learner("lstm", updates=7), (1, 2))
    results = list(train_many(trainings, CPU))
    together = dict.fromkeys(keys for keys, _ in said)
    assert said == [(keys, done) for keys in together for done in range(1, 8)]
    assert sorted(key for keys in together for key in keys) == sorted(result.key for result in results)


@pytest.mark.parametrize("name", SMALL)
def test_chains_carry_adam_as_the_reference_does(name: str) -> None:
    learner = sides.learner(name, updates=20, dropout=0.0, lr=5e-3, warmup_updates=5)
    protocol = Protocol(adam_state="carried")
    chains = [[training(learner, seed, block, protocol=protocol) for block in range(3)] for seed in (1, 2)]
    chains = [[replace(each, decodes=()) for each in chain] for chain in chains]
    ours = by_key(train_chains(chains, CPU))
    fresh = by_key(train_many([training(learner, 1, 2)], CPU))
    for chain in chains:
        for theirs in reference.train_chain(chain, CPU):
            assert ours[theirs.key].nats == pytest.approx(theirs.nats, rel=1e-3)
    carried = ours[chains[0][2].key].nats
    assert carried != pytest.approx(next(iter(fresh.values())).nats, rel=1e-2)


@pytest.mark.parametrize("name", SMALL)
def test_alone_and_among_50_others_is_equal_bit_for_bit(name: str) -> None:
    learner = sides.learner(name, updates=20)
    others = grid(learner, range(2, 19))[:50]
    for one in grid(learner, [1]):
        (alone,) = train_many([one], CPU)
        together = by_key(train_many([*others[:25], one, *others[25:]], CPU))
        assert len(together) == 51
        assert same(together[one.key], alone)


@pytest.mark.parametrize("name", SMALL)
def test_companions_whose_examples_are_as_many_but_of_other_lengths_change_no_bit(name: str) -> None:
    """They share the longest source and target alone, so at most times other numbers of rows have symbols."""
    learner = sides.learner(name, updates=20, lr=1e-2, warmup_updates=5)
    sets = [("aaabb>bbbbb", "a>b", "b>b"), ("aaabb>bbbbb", "abbab>abbab", "babab>bbaab"), ("a>babab", "aaabb>b", "b>")]
    blocks = [(examples(*pairs), FIRST) for pairs in sets]
    one = replace(training(learner, 1, 0), blocks=blocks[0])
    others = [replace(training(learner, seed, 0), blocks=each) for seed in (2, 3, 4) for each in blocks]
    (alone,) = train_many([one], CPU)
    together = by_key(train_many([*others, one], CPU))
    assert same(together[one.key], alone)


def test_a_diverged_training_is_named_and_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = sides.learner("transformer", updates=120)
    trainings = [training(learner, seed, 1) for seed in (1, 2, 3)]
    undisturbed = by_key(train_many(trainings, CPU))
    start = engine.FusedLockstep.__init__

    def start_with_a_nan(self: FusedLockstep, *arguments: object) -> None:
        start(self, *arguments)  # type: ignore[arg-type]
        self.weights.values["decoder.embed_out"][1, 0, 0] = torch.nan

    monkeypatch.setattr(engine.FusedLockstep, "__init__", start_with_a_nan)
    kept: list[str] = []
    disturbed = by_key(train_many(trainings, CPU, keep=lambda each, model: kept.append(each.key)))
    bad = disturbed[trainings[1].key]
    assert (bad.status, bad.updates, bad.nats, bad.outputs) == ("diverged", 1, {}, {})
    assert kept == [trainings[0].key, trainings[2].key]
    assert all(same(disturbed[key], undisturbed[key]) for key in kept)


def test_what_follows_a_diverged_training_in_its_chain_has_diverged_and_other_chains_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Adam's moments, which live on, are no numbers any more, whether the training had company or ended early."""
    learner, carried = sides.learner("transformer", updates=5), Protocol(adam_state="carried")
    chains = [[training(learner, seed, block, protocol=carried) for block in range(3)] for seed in (1, 2)]
    monkeypatch.setattr(engine.Fused, "_together", lambda *about: 2)
    undisturbed = by_key(train_chains(chains, CPU))
    start = engine.FusedLockstep.__init__

    def start_with_a_nan(self: FusedLockstep, group: Sequence[Training], *arguments: object) -> None:
        start(self, group, *arguments)  # type: ignore[arg-type]
        for row, each in enumerate(group):
            if (each.seed, each.block) == (1, 1):
                self.weights.values["decoder.embed_out"][row, 0, 0] = torch.nan

    monkeypatch.setattr(engine.FusedLockstep, "__init__", start_with_a_nan)
    for given in (chains, chains[:1]):
        results = by_key(train_chains(given, CPU))
        assert len(results) == 3 * len(given)
        found = [results[each.key] for each in chains[0]]
        assert [(each.status, each.updates) for each in found] == [("ok", 5), ("diverged", 1), ("diverged", 5)]
        sound = [each for each in undisturbed if each in results and results[each].status == "ok"]
        assert len(sound) == 3 * len(given) - 2
        assert all(same(results[key], undisturbed[key]) for key in sound)


def test_kept_models_are_fairseqs_and_score_the_same() -> None:
    learner = sides.learner("cnn", updates=10)
    trainings = grid(learner, (1, 2))
    models: dict[str, torch.nn.Module] = {}
    results = by_key(train_many(trainings, CPU, keep=lambda each, model: models.update({each.key: model})))
    for each in trainings:
        again = reference.evaluate_kept(each, models[each.key], CPU)
        assert results[each.key].nats == pytest.approx(again.nats, rel=1e-5)
        assert results[each.key].outputs == again.outputs


def killed(
    trainings: list[list[Training]],
    folder: Path,
    at: int,
    monkeypatch: pytest.MonkeyPatch,
    device: torch.device = CPU,
) -> list[Result]:
    """Results that came before SIGTERM at update number `at`, counted over all locksteps."""
    results, updates, update = [], 0, FusedLockstep.update

    def counted(self: FusedLockstep, halts: Sequence[int]) -> None:
        nonlocal updates
        update(self, halts)
        updates += 1
        if updates == at:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(FusedLockstep, "update", counted)
        patch.setattr("indoubt.engines.fused.lockstep.CALL_SECONDS", 0.0)  # an update a call
        with pytest.raises(SystemExit) as ended:
            results += train_chains(trainings, device, state_folder=folder)
    assert ended.value.code == 143
    return results


def resumed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that from now on gets the update at which each saved lockstep goes on."""
    begun: list[int] = []
    take_up = FusedLockstep.take_up

    def noted(self: FusedLockstep, state: State, rows: Mapping[int, int], done: int) -> None:
        begun.append(done)
        take_up(self, state, rows, done)

    monkeypatch.setattr(FusedLockstep, "take_up", noted)
    return begun


@pytest.mark.parametrize("name", ["lstm-attention", "transformer"])
def test_killed_and_resumed_is_equal_bit_for_bit(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = sides.learner(name, updates=20)
    trainings = grid(learner, (1, 2, 3))
    monkeypatch.setattr(engine.Fused, "_together", lambda *about: 3)  # of nine
    whole = by_key(train_many(trainings, CPU))
    before = by_key(iter(killed([[each] for each in trainings], tmp_path, 30, monkeypatch)))
    assert 0 < len(before) < len(trainings)
    assert list(tmp_path.iterdir())
    missing = [each for each in trainings if each.key not in before][::-1]
    begun = resumed(monkeypatch)
    after = by_key(train_many(missing, CPU, state_folder=tmp_path))
    assert begun == [10]
    assert not list(tmp_path.iterdir())
    assert all(same((before | after)[key], whole[key]) for key in whole)


def test_a_damaged_state_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = sides.learner("transformer", updates=20)
    one = training(learner, 1, 0)
    (whole,) = train_many([one], CPU)
    killed([[one]], tmp_path, 5, monkeypatch)
    (state,) = tmp_path.iterdir()
    state.write_bytes(state.read_bytes()[:1000])
    (after,) = train_many([one], CPU, state_folder=tmp_path)
    assert same(after, whole)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_does_not_stop_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learner = sides.learner("transformer", updates=20)
    one = training(learner, 1, 0)
    (whole,) = train_many([one], CPU)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("indoubt.engines.saved_states.SAVE_EVERY", 0)
    monkeypatch.setattr(torch, "save", full)
    (after,) = train_many([one], CPU, state_folder=tmp_path)
    assert same(after, whole)
    assert "cannot be saved" in capsys.readouterr().err


def test_a_killed_chain_resumes_within_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = sides.learner("transformer", updates=20)
    protocol = Protocol(adam_state="carried")
    chains = [[training(learner, seed, block, protocol=protocol) for block in range(3)] for seed in (1, 2)]
    whole = by_key(train_chains(chains, CPU))
    killed(chains, tmp_path, 33, monkeypatch)
    monkeypatch.setattr("indoubt.engines.fused.lockstep.CALL_SECONDS", 0.0)  # an update a call
    done, update = [], FusedLockstep.update
    monkeypatch.setattr(FusedLockstep, "update", lambda self, halts: (done.append(self.done), update(self, halts))[1])
    after = by_key(train_chains(chains, CPU, state_folder=tmp_path))
    assert len(done) == 7 + 20
    assert all(same(after[key], whole[key]) for key in whole)


def test_states_of_other_trainings_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = sides.learner("transformer", updates=20)
    killed([[training(learner, 1, 0)]], tmp_path, 5, monkeypatch)
    states = list(tmp_path.iterdir())
    assert len(list(train_many([training(learner, 2, 0)], CPU, state_folder=tmp_path))) == 1
    assert list(tmp_path.iterdir()) == states


def test_seconds_are_shared_out() -> None:
    learner = sides.learner("transformer", updates=20)
    started = time.monotonic()
    results = list(train_many([training(learner, seed, 0) for seed in range(8)], CPU))
    wall = time.monotonic() - started
    assert 0 < sum(result.seconds for result in results) < wall


def test_learners_without_a_fused_form_are_refused() -> None:
    learner = sides.learner("transformer", encoder_normalize_before=True)
    with pytest.raises(ValueError, match="encoder_normalize_before True has no fused form"):
        list(train_many([training(learner, 1, 0)], CPU))
