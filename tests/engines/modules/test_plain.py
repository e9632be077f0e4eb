"""A learner's numbers are those of a plain PyTorch loop, whether it may be trained together with others or not."""

from __future__ import annotations

import os
import signal
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from indoubt.engines.checkpoints import load_checkpoint, save_checkpoint
from indoubt.engines.fairseq.optimizer import Optimizer
from indoubt.engines.fused.architectures import canonical
from indoubt.engines.fused.batches import shape_of
from indoubt.engines.modules import engine
from indoubt.engines.modules.contents import changed, contents_of, put_back
from indoubt.engines.modules.engine import evaluate_kept, train_chains
from indoubt.engines.modules.inputs import vocabulary_of
from indoubt.engines.modules.loader import Builder
from indoubt.engines.modules.one_by_one import PlainTraining
from indoubt.learner import Learner
from indoubt.learners.module_definitions import resolve_module
from indoubt.training import Protocol, Result, Training
from tests.shared import made_modules as made
from tests.shared.made_modules import CPU, ROOT, T, training

pytestmark = pytest.mark.xdist_group("modules")
KINDS = ROOT / "tests/shared/learners/kinds"
#: Files without dropout, and whether their models may be trained together.
WITHOUT_CHANCE = {
    "control_pair": True,
    "tied": True,
    "frozen": True,
    "scripted": True,
    "rope_cache": True,
    "cached_table": True,
    "hook_clamp": False,
    "checkpointed": False,
    "reentrant": False,
    "padding_idx": False,
    "ema_teacher": False,
    "counter": False,
    "in_turns": False,
    "halves_gradients": False,
}


def learner_of(file: str, updates: int = 20, **arguments: Any) -> Learner:
    """A learner as a configuration would have it: tried out, and trained as was found to be right."""
    given = {"module": str(KINDS / f"{file}.py"), "lr": 1e-2, "warmup_updates": 5, **arguments}
    return resolve_module(given, updates, None, Protocol(), None, (6, 8)).learner


def plain_loop(each: Training) -> tuple[nn.Module, float]:
    """A user's own loop, with fairseq's Adam and schedule: the module that it trains, and T's code length under it."""
    rows = sorted(T, key=lambda example: -len(example.source))
    source, target, previous = (
        nn.utils.rnn.pad_sequence([torch.tensor(ids) for ids in sequences], True, 1)
        for sequences in (
            [e.source for e in rows],
            [e.target for e in rows],
            [(2, *e.target[:-1]) for e in rows],
        )
    )
    builder, vocabulary = Builder(each.learner), vocabulary_of(each)
    module = builder.module(vocabulary, each.seed)
    optimizer = Optimizer(module, Namespace(**each.learner.arguments))
    if builder.takes == "tokens":
        joint = torch.tensor(vocabulary.source_ids)[source]
        length = max(len(e.source) - 1 + len(e.target) for e in rows)
        tokens, where = torch.full((len(rows), length), 1), torch.zeros_like(target)
        for row, example in enumerate(rows):
            n = len(example.source) - 1
            tokens[row, :n] = joint[row, :n]
            tokens[row, n] = vocabulary.separator
            tokens[row, n + 1 : n + len(example.target)] = torch.tensor(example.target[:-1])
            where[row] = (n + torch.arange(target.size(1))).clamp(max=length - 1)

    def loss() -> torch.Tensor:
        if builder.takes == "tokens":
            logits = module(tokens).gather(1, where[..., None].expand(-1, -1, vocabulary.symbols))[..., :8]
        else:
            logits = module(source, source != 1, previous)
        return F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=1, reduction="sum")

    for update in range(each.learner.updates):
        module.train()
        optimizer.zero_grad()
        (loss() / len(rows)).backward()
        optimizer.step(update, 1)
    module.eval()
    with torch.no_grad():
        return module, float(loss())


def of_t(learner: Learner, seed: int) -> Training:
    return replace(training(learner, seed), scores=(made.Score(T),), decodes=())


def trained(trainings: list[Training], **options: Any) -> dict[str, Result]:
    return {result.key: result for result in train_chains([[each] for each in trainings], CPU, **options)}


@pytest.mark.parametrize("file", WITHOUT_CHANCE)
def test_numbers_are_those_of_a_plain_loop(file: str) -> None:
    """Twenty updates of three seeds at once."""
    learner = learner_of(file)
    assert learner.arguments["together"] is WITHOUT_CHANCE[file]
    trainings = [of_t(learner, seed) for seed in (1, 2, 3)]
    results = trained(trainings)
    expected = [plain_loop(each)[1] for each in trainings]
    found = [next(iter(results[each.key].nats.values())) for each in trainings]
    assert found == pytest.approx(expected, rel=1e-5)
    assert len({round(nats, 3) for nats in expected}) == 3


def test_each_weight_has_its_own_step() -> None:
    """Also a weight to which only some updates give a gradient."""
    each = of_t(learner_of("in_turns", 7), 1)
    one = PlainTraining(each, Builder(each.learner), shape_of(each.examples), CPU, 0)
    for _ in range(7):
        one.update()
    expected, _ = plain_loop(each)
    assert one.adam.steps["one.weight"] == 4 and one.adam.steps["other.weight"] == 3
    for name, weight in expected.named_parameters():
        assert torch.allclose(dict(one.module.named_parameters())[name], weight, atol=1e-6), name


def test_gradients_are_clipped_one_by_one_too() -> None:
    trainings = [of_t(learner_of("hook_clamp", limit=1.0, clip_norm=clip), 1) for clip in (0.05, 25.0)]
    found = [next(iter(trained([each])[each.key].nats.values())) for each in trainings]
    assert found == pytest.approx([plain_loop(each)[1] for each in trainings], rel=1e-4)
    assert abs(found[0] - found[1]) > 1e-3


@pytest.mark.parametrize("file", ["drop_inplace", "weight_drop"])
def test_dropout_counts_wherever_it_acts(file: str) -> None:
    drawn = KINDS / f"{file}.py"
    results = []
    for p in (0.5, 0.0) if "p=0.5" in drawn.read_text() else (None,):
        learner = learner_of(file, **({} if p is None else {"p": p}))
        trainings = [of_t(learner, seed) for seed in (1, 2)]
        once, again = trained(trainings), trained(trainings[::-1])
        assert [once[each.key].nats for each in trainings] == [again[each.key].nats for each in trainings]
        results.append(list(once[trainings[0].key].nats.values()))
        without = plain_loop(replace(trainings[0], learner=replace(learner, updates=0)))[1]
        assert results[-1] != pytest.approx([without])
    assert len(results) == 1 or abs(results[0][0] - results[1][0]) > 1e-2


@pytest.mark.parametrize("file", ["ema_teacher", "counter", "in_turns", "weight_drop"])
def test_what_was_killed_resumes_with_all_that_a_module_holds(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings = [training(learner_of(file), seed) for seed in (1, 2)]
    expected = trained(trainings)
    updates, update = 0, PlainTraining.update

    def killed_halfway(one: PlainTraining, *halts: Any) -> None:
        nonlocal updates
        updates += 1
        if updates == 31:
            os.kill(os.getpid(), signal.SIGTERM)
        update(one, *halts)

    monkeypatch.setattr(engine.PlainTraining, "update", killed_halfway)
    with pytest.raises(SystemExit):
        trained(trainings, state_folder=tmp_path)
    assert updates == 31 and len(list(tmp_path.glob("*.pt"))) == 1
    after = trained(trainings[1:], state_folder=tmp_path)
    assert updates == 40
    assert after[trainings[1].key].nats == expected[trainings[1].key].nats
    assert after[trainings[1].key].outputs == expected[trainings[1].key].outputs


@pytest.mark.parametrize("file", ["ema_teacher", "counter"])
def test_a_kept_module_keeps_all_that_it_holds(file: str, tmp_path: Path) -> None:
    each, path = training(learner_of(file), 3), tmp_path / "0.pt"
    (result,) = train_chains([[each]], CPU, keep=lambda one, model: save_checkpoint(path, one, model))
    again = evaluate_kept(each, load_checkpoint(path).model(CPU), CPU)
    assert again.nats == pytest.approx(result.nats, rel=1e-6) and again.outputs == result.outputs


def test_looks_change_nothing() -> None:
    """Of a module that counts its passes in evaluation too."""
    learner = replace(learner_of("counter"), file=str(KINDS / "counts_looks.py"))
    learner = replace(learner, arguments=learner.arguments | {"module": "counts_looks.M"})
    without = of_t(learner, 1)
    looked_at = replace(without, scores=(*without.scores, *(made.Score(T, at) for at in (3, 5, 11))))
    assert (
        next(iter(trained([without]).values())).nats.items() <= next(iter(trained([looked_at]).values())).nats.items()
    )


def test_adam_lives_on_along_a_chain_one_by_one() -> None:
    learner, carried = learner_of("hook_clamp", limit=1.0), Protocol(adam_state="carried")
    chain = [training(learner, 1, block, carried) for block in range(2)]
    together = {result.key: result.nats for result in train_chains([chain], CPU)}
    (alone,) = train_chains([chain[1:]], CPU)
    assert together[chain[1].key] != pytest.approx(alone.nats, rel=1e-4)
    first, second = (
        PlainTraining(each, Builder(learner), canonical(shape_of(each.examples), CPU), CPU, 20 * n)
        for n, each in enumerate(chain)
    )
    for _ in range(20):
        first.update()
    second.adam.first.put(0, first.adam.first, 0)
    second.adam.second.put(0, first.adam.second, 0)
    for _ in range(20):
        second.update()
    kept: list[nn.Module] = []
    list(train_chains([chain], CPU, keep=lambda _, model: kept.append(model)))
    for name, weight in second.module.named_parameters():
        assert torch.allclose(weight, dict(kept[1].named_parameters())[name], atol=1e-6), name


def test_what_diverges_one_by_one_says_so() -> None:
    wild = made.learner("wild.Wild", 10, file=str(ROOT / "tests/shared/learners/wild.py"), together=False)
    results = trained([training(wild, seed) for seed in (1, 2, 3)])
    assert sorted(result.status for result in results.values()) == ["diverged", "ok", "ok"]


class Holds(nn.Module):
    """A weight, a buffer, a frozen part, and attributes of many kinds, one of which shares a weight's memory."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)
        self.register_buffer("table", torch.zeros(2), persistent=False)
        self.seen, self.last, self.history = 0, torch.zeros(2), [0, [torch.zeros(1)]]
        self.name: str | None = None
        self.alias = self.weight.data
        self.inner = nn.GRU(2, 2)


def test_what_a_module_holds_comes_back() -> None:
    module = Holds()
    before, parts = contents_of(module), module.inner._flat_weights
    with torch.no_grad():
        module.weight += 1
        module.frozen += 1
        module.inner.weight_ih_l0.zero_()
    module.frozen.requires_grad_()
    module.table = torch.zeros(5)
    module.seen, module.last, module.name = 3, torch.ones(4), "named"
    module.history[0] = 7
    module.history[1][0] += 1
    now = contents_of(module)
    assert set(changed(before, now)) == {
        "weight", "frozen", "inner.weight_ih_l0", "table", "seen", "last", "history", "name", "alias",
    }  # fmt: skip
    put_back(module, before)
    assert changed(before, contents_of(module)) == []
    assert not module.frozen.requires_grad and module.alias.data_ptr() == module.weight.data_ptr()
    assert all(one is other for one, other in zip(parts, module.inner._flat_weights, strict=True))
    other = Holds()
    put_back(other, now)
    assert changed(now, contents_of(other)) == [] and other.history == [7, [torch.ones(1)]]
    assert other.alias.data_ptr() == other.weight.data_ptr()
