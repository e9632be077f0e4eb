"""Scores that a training gives beside what is asked of it: of all later blocks, and T's of all blocks of every rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from indoubt.data.binary import load_dataset
from indoubt.data.task import FPA
from indoubt.engines.fused.engine import Fused
from indoubt.engines.registry import ENGINES
from indoubt.training import Learner, Protocol, Result, Score, Training
from indoubt.workflow.ledger import Ledger
from indoubt.workflow.required_trainings import Cell, chains
from tests.shared import made_modules as made

CPU = torch.device("cpu")
NOTE = {"task": "add-or-mul", "size": 5, "learner": "transformer", "seed": 1, "block": 0}


@pytest.fixture
def cell(results: Path, learner_of: Callable[..., Learner]) -> Cell:
    """add-or-mul/5: six blocks of one example; a learner of 5 updates."""
    return cell_of(results, learner_of("transformer", 5))


def cell_of(results: Path, learner: Learner, protocol: Protocol = Protocol()) -> Cell:  # noqa: B008  (it is frozen)
    names = (FPA, "add", "mul", "mem")
    return Cell({n: load_dataset(results / "data-bin/add-or-mul/5" / n) for n in names}, 1, 1, learner, protocol)


def train(engine: str, trainings: Sequence[Training]) -> dict[str, Result]:
    return {result.key: result for result in ENGINES[engine].train_chains([[each] for each in trainings], CPU)}


def bare(training: Training, scores: Sequence[Score] | None = None) -> Training:
    return replace(training, scores=training.scores if scores is None else tuple(scores), beside=())


def test_of_an_fpa_run_t_gives_the_scores_of_all_blocks_of_every_rule(cell: Cell) -> None:
    ((training,),) = chains(cell, [(FPA, 1)], [0])
    assert training.scores == () and len(training.decodes) == 1
    assert set(training.beside) == {Score(b) for n in ("add", "mul", "mem") for b in cell.blocks(n, 1)[1:]}
    assert training.key == bare(training).key


@pytest.mark.parametrize("block", range(6))
def test_a_training_gives_all_later_blocks_of_its_rule(cell: Cell, block: int) -> None:
    training = cell.training("mul", 3, block)
    later = cell.blocks("mul", 3)[block + 1 :]
    assert [each.examples for each in training.scores] == later[:1]
    assert [each.examples for each in training.beside][: len(later) - 1] == later[1:]
    assert block == 0 or len(training.beside) == len(later) - 1


def test_dictionaries_that_differ_are_other_trainings(results: Path, learner_of: Callable[..., Learner]) -> None:
    """In comp-or-mem T of `fpa` has a dictionary of its own, in which the rules' outputs have other numbers."""
    names = (FPA, "compo", "mem_prim", "mem_func")
    data = {name: load_dataset(results / "data-bin/comp-or-mem/5" / name) for name in names}
    cell = Cell(data, 6, 1, learner_of("transformer", 5), Protocol())
    assert cell.training(FPA, 1, 0).beside == ()
    blocks = {Score(block) for name in names[1:] for block in cell.blocks(name, 1)[1:]}
    training = cell.training("compo", 1, 0)
    assert {*training.scores, *training.beside} == blocks


def test_where_adam_is_carried_t_is_a_training_of_each_rule(results: Path, learner_of: Callable[..., Learner]) -> None:
    cell = cell_of(results, learner_of("transformer", 5), Protocol(adam_state="carried"))
    assert cell.training(FPA, 1, 0).beside == ()
    assert [each.examples for each in cell.training("mul", 1, 0).beside] == cell.blocks("mul", 1)[2:]


@pytest.mark.parametrize("engine", ["fairseq", "fused", "modules"])
def test_what_is_given_beside_is_what_is_given_when_asked_and_changes_nothing_else(
    engine: str, results: Path, learner_of: Callable[..., Learner]
) -> None:
    learner = made.learner("decoder_only.DecoderOnly", 5) if engine == "modules" else learner_of("transformer", 5)
    cell = cell_of(results, learner)
    wanted = [each for (each,) in chains(cell, [(FPA, 1), ("mul", 1), ("mul", 2)], range(3))]
    found = train(engine, wanted)
    without = train(engine, [bare(each) for each in wanted])
    asked = train(engine, [bare(each, dict.fromkeys((*each.scores, *each.beside))) for each in wanted])
    for training in wanted:
        result, plain = found[training.key], without[training.key]
        assert list(result.nats)[: len(plain.nats)] == list(plain.nats)
        assert {key: result.nats[key] for key in plain.nats} == plain.nats and result.outputs == plain.outputs
        assert result.nats == asked[training.key].nats


@pytest.mark.parametrize("engine", ["fairseq", "fused", "modules"])
def test_scores_of_single_blocks_sum_to_that_of_the_blocks_together(
    engine: str, results: Path, learner_of: Callable[..., Learner]
) -> None:
    """So that codes in larger blocks can be added up from what is stored."""
    learner = made.learner("decoder_only.DecoderOnly", 5) if engine == "modules" else learner_of("transformer", 5)
    training = cell_of(results, learner).training("mul", 1, 1)
    parts = [score.examples for score in (*training.scores, *training.beside)]
    joined = Score(tuple(example for part in parts for example in part))
    asked = bare(training, [*map(Score, parts), joined])
    nats = train(engine, [asked])[training.key].nats
    assert len(parts) == 5 and math.fsum(nats[Score(part).key] for part in parts) == pytest.approx(
        nats[joined.key], rel=1e-5
    )


def test_what_was_trained_before_stays_whole_and_what_it_lacks_is_asked_for_by_name(cell: Cell, tmp_path: Path) -> None:
    """A ledger of earlier has no scores beside: it gives all that it was asked for, and is trained again for more."""
    ((training,),) = chains(cell, [(FPA, 1), ("mul", 1)], [0])
    earlier = train("fused", [bare(training)])[training.key]
    Ledger(tmp_path, "fused-1").add(training, earlier, NOTE)
    known = Ledger(tmp_path, "fused-1")
    assert known.find(training) == earlier
    coarser = replace(training, scores=(*training.scores, training.beside[0]))
    assert known.find(coarser) is None
    known.add(training, train("fused", [training])[training.key], NOTE)
    assert known.find(coarser) is not None and len(known.results(training)) == 1


def test_a_score_beside_that_is_not_finite_leaves_the_training_as_it_was(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a training diverged is decided by what was asked of it, as ever; what is left out is asked for later."""
    ((training,),) = chains(cell, [(FPA, 1), ("mul", 1)], [0])
    evaluate = Fused.evaluate

    def spoiled(self: Any, lockstep: Any, asked: Sequence[Training], results: Sequence[Result]) -> None:
        evaluate(self, lockstep, asked, results)
        if not asked[0].decodes:
            results[0].status, results[0].nats = "diverged", {}

    monkeypatch.setattr(Fused, "evaluate", spoiled)
    result = train("fused", [training])[training.key]
    assert result.status == "ok" and set(result.nats) == {score.key for score in training.scores}
    assert all(map(math.isfinite, result.nats.values())) and result.has_all(training)
