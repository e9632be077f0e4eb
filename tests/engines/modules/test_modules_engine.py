"""Engine `modules`: what must not change a result, and results that are known beforehand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from indoubt.engines.checkpoints import load_checkpoint, save_checkpoint
from indoubt.engines.modules import engine, evaluation
from indoubt.engines.modules.engine import evaluate_kept, train_chains
from indoubt.engines.modules.inputs import vocabulary_of
from indoubt.training import Protocol, Result, Training
from tests.shared import made_modules as made
from tests.shared.made_modules import BLOCKS, CPU, DECODE, FIRST, ROOT, T, training

pytestmark = pytest.mark.xdist_group("modules")
LEARNERS: dict[str, dict[str, Any]] = {
    "transformer.Transformer": {"heads": 2, "positions": "rope", "ffn": 64},
    "decoder_only.DecoderOnly": {"heads": 2, "positions": "relative", "ffn": 64},
    "recurrent.Recurrent": {"hidden": 24, "attention": True},
    "mamba.Mamba": {},
    "s4d.S4D": {},
    "hf-gpt2": {},
    "hf-t5": {},
}


def run(trainings: Sequence[Training], **options: Any) -> dict[str, Result]:
    return by_key(train_chains([[each] for each in trainings], CPU, **options))


def by_key(results: Iterator[Result]) -> dict[str, Result]:
    return {result.key: result for result in results}


def same(ours: Result, theirs: Result) -> bool:
    """Equal bit for bit in all that was computed."""
    pairs = ((getattr(each, name) for name in ("status", "updates", "nats", "outputs")) for each in (ours, theirs))
    return list(next(pairs)) == list(next(pairs))


@pytest.mark.parametrize("name", LEARNERS)
def test_a_result_does_not_depend_on_its_companions(name: str) -> None:
    learner = made.learner(name, 12, **LEARNERS[name])
    seeds = range(1, 18)
    trainings = [training(learner, seed, block) for seed in seeds for block in range(2)]
    together = run(trainings)
    assert len(together) == len(trainings)
    for few in ([trainings[12]], trainings[3:8]):
        for key, result in run(few).items():
            assert same(result, together[key])
    assert len({tuple(result.nats.values()) for result in together.values()}) == len(trainings)


def test_a_uniform_learner_needs_three_bits_for_each_of_eight_symbols() -> None:
    file = str(ROOT / "tests/shared/learners/uniform.py")
    for kind in ("Uniform", "UniformPair"):
        learner = made.learner(f"uniform.{kind}", 3, file=file)
        (result,) = run([training(learner, 1, 1)]).values()
        symbols = [sum(len(example.target) for example in block) for block in (FIRST, T + BLOCKS[2])]
        bits = [nats / torch.tensor(2.0).log().item() for nats in result.nats.values()]
        assert bits == pytest.approx([3 * n for n in symbols], rel=1e-6)


def test_both_sides_of_a_language_model_have_symbols_of_their_own() -> None:
    vocabulary = vocabulary_of(training(made.learner("mamba.Mamba"), 1))
    assert vocabulary.sizes == (8, 8, 16)
    assert vocabulary.source_ids[:6] == (0, 1, 2, 3, 8, 9) and vocabulary.separator == 10
    shared = replace(training(made.learner("mamba.Mamba"), 1), source_symbols=made.TARGET)
    assert vocabulary_of(shared).source_ids[4:6] == (4, 5)  # a symbol that both have is one symbol
    assert vocabulary_of(shared).separator == 8


@pytest.mark.parametrize("name", LEARNERS)
def test_an_example_is_scored_alike_alone_and_among_others(name: str) -> None:
    learner = made.learner(name, 20, lr=1e-2, **LEARNERS[name])
    whole = made.Score(T + BLOCKS[2])
    each = replace(training(learner, 1), scores=(whole, *(made.Score((example,)) for example in T + BLOCKS[2])))
    (result,) = run([each]).values()
    first, *others = (result.nats[score.key] for score in each.scores)
    assert sum(others) == pytest.approx(first, rel=1e-5)


def test_batches_drawn_by_chance_differ_from_update_to_update_and_not_by_companions() -> None:
    learner = made.learner("decoder_only.DecoderOnly", 6, batch_size=2)
    results = run([training(learner, seed) for seed in range(1, 4)])
    (alone,) = run([training(learner, 2)]).values()
    assert same(alone, results[alone.key])
    (whole,) = run([training(made.learner("decoder_only.DecoderOnly", 6), 2)]).values()
    assert whole.nats != alone.nats
    lockstep = made.lockstep([training(learner, 1)])
    drawn = {tuple(lockstep.batches.at(update).batch.target[0].flatten().tolist()) for update in range(20)}
    assert len(drawn) > 3 and all(len(each) == 2 * 6 for each in drawn)


def test_adam_lives_on_along_a_chain() -> None:
    learner = made.learner("decoder_only.DecoderOnly", 8)
    carried = Protocol(adam_state="carried")
    seeds = (1, 2, 3)
    chains = [[training(learner, seed, block, carried) for block in range(2)] for seed in seeds]
    together = by_key(train_chains(chains, CPU))
    alone = by_key(train_chains(chains[1:2], CPU))
    assert len(together) == 6 and all(same(alone[key], together[key]) for key in alone)
    (without_moments,) = by_key(train_chains([chains[1][1:]], CPU)).values()
    assert without_moments.nats != together[without_moments.key].nats


@pytest.mark.parametrize("adam_state", ["fresh", "carried"])
def test_what_was_killed_goes_on_bit_for_bit(adam_state: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = made.learner("decoder_only.DecoderOnly", 30)
    protocol = Protocol(adam_state=adam_state)
    each = [[training(learner, seed, block, protocol) for block in range(2)] for seed in (1, 2, 3)]
    chains = each if adam_state == "carried" else [[one] for chain in each for one in chain]
    expected = by_key(train_chains(chains, CPU))
    updates = 0
    update = engine.ModuleLockstep.update

    def killed_halfway(lockstep: Any, halts: Any) -> None:
        nonlocal updates
        updates += 1
        if updates == 45:
            os.kill(os.getpid(), signal.SIGTERM)
        update(lockstep, halts)

    monkeypatch.setattr(engine.ModuleLockstep, "update", killed_halfway)
    before: dict[str, Result] = {}
    with pytest.raises(SystemExit) as ended:
        before.update((result.key, result) for result in train_chains(chains, CPU, state_folder=tmp_path))
    assert ended.value.code == 143 and list(tmp_path.glob("*.pt"))
    left = [chain for chain in chains if any(one.key not in before for one in chain)]
    # another cut: the last of them is asked for by itself
    after = by_key(train_chains(left[:-1], CPU, state_folder=tmp_path)) | before
    after |= by_key(train_chains(left[-1:], CPU, state_folder=tmp_path))
    assert after.keys() == expected.keys() and all(same(after[key], expected[key]) for key in expected)


def test_what_diverges_says_so_and_disturbs_nobody() -> None:
    wild = made.learner("decoder_only.DecoderOnly", 10, file=str(ROOT / "tests/shared/learners/wild.py"))
    wild = replace(wild, arguments=wild.arguments | {"module": "wild.Wild"})
    results = run([training(wild, seed) for seed in range(1, 5)])
    statuses = [results[training(wild, seed).key].status for seed in range(1, 5)]
    assert statuses == ["ok", "diverged", "ok", "diverged"]  # its even seeds start with an infinite weight
    assert all(bool(result.nats) == (result.status == "ok") for result in results.values())


def test_a_kept_module_is_scored_as_it_was(tmp_path: Path) -> None:
    for name in ("transformer.Transformer", "hf-gpt2"):
        each = training(made.learner(name, 5), 1)
        path = tmp_path / f"{name}.pt"
        results = list(train_chains([[each]], CPU, keep=lambda t, model, path=path: save_checkpoint(path, t, model)))
        again = evaluate_kept(each, load_checkpoint(path).model(CPU), CPU)
        assert again.outputs == results[0].outputs
        assert list(again.nats.values()) == pytest.approx(list(results[0].nats.values()), rel=1e-6)


def test_what_cannot_run_together_runs_alone_and_repeats(tmp_path: Path) -> None:
    file = str(ROOT / "tests/shared/learners/noisy.py")
    learner = made.learner("noisy.Noisy", 8, file=file, together=False)
    trainings = [training(learner, seed) for seed in (1, 2)]
    first, second = run(trainings), run(list(reversed(trainings)))
    assert all(same(first[key], second[key]) for key in first)


def test_a_large_model_is_trained_alone() -> None:
    large = made.learner("recurrent.Recurrent", 2, hidden=512)
    lockstep = made.lockstep([training(large, 1)])
    assert len(lockstep.rows) == 1 and not lockstep.models.together
    small = made.lockstep([training(made.learner("mamba.Mamba"), seed) for seed in range(3)])
    assert len(small.rows) == 8 and small.models.together


def test_seeds_differ_in_constants_too() -> None:
    learner = made.learner("frozen.Frozen", 4, file=str(ROOT / "tests/shared/learners/frozen.py"))
    lockstep = made.lockstep([training(learner, seed) for seed in (1, 2)])
    constants = lockstep.models.constants
    assert set(constants.stacked) == {"table"} and set(constants.shared) == {"scale"}
    assert not torch.equal(constants.stacked["table"][0], constants.stacked["table"][1])
    together = run([training(learner, seed) for seed in (1, 2, 3)])
    (alone,) = run([training(learner, 2)]).values()
    assert same(alone, together[alone.key])


def test_fairseqs_learners_import_no_transformers() -> None:
    program = (
        "import sys; import indoubt.engines.registry, indoubt.learners.resolution, indoubt.engines.modules.engine;"
        "sys.exit('transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_an_untrained_models_outputs_of_200_symbols_take_less_than_half_as_many_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passes = 0
    make_inputs = evaluation.make_inputs

    def counted(*given: Any) -> Any:
        nonlocal passes
        passes += 1
        return make_inputs(*given)

    monkeypatch.setattr(evaluation, "make_inputs", counted)
    asked = replace(DECODE, sources=tuple(made.ids("a" * n) for n in range(2, 9)), min_len=200, max_len=200)
    learner = made.learner("transformer.Transformer", 0)

    def seconds(seed: int) -> float:
        nonlocal passes
        passes, started = 0, time.process_time()
        (result,) = run([replace(training(learner, seed), scores=(), decodes=(asked,))]).values()
        assert [len(output) for output in result.outputs[asked.key]] == [200] * 7
        return time.process_time() - started

    for seed in range(1, 5):
        assert any(seconds(seed) < 2.0 for _ in range(3)), "CPU time, again where a neighbour may have used the cache"
        assert passes < 100  # 7, 22, 78 and 86; symbol by symbol it would be 200
