"""One pass over all blocks, of all seeds and candidates together, gives what each would give by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from indoubt.data.task import load_tasks
from indoubt.engines.in_context import engine, reader
from indoubt.engines.in_context.engine import train_chains
from indoubt.engines.in_context.model import HuggingFaceReader, tokens_of
from indoubt.engines.in_context.prompts import Writer
from indoubt.engines.in_context.readings import readings
from indoubt.errors import UserError
from indoubt.training import Result, Training
from indoubt.workflow.required_trainings import Cell
from tests.shared import in_context

CPU = torch.device("cpu")
SEEDS = [1, 2, 5]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_context.saved_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module", params=["hierar-or-linear", "comp-or-mem"])
def cell(folder: Path, request: pytest.FixtureRequest) -> Cell:
    task = load_tasks()[request.param]
    return in_context.cell_of(task, task.sizes[0], in_context.learner(folder))


@pytest.fixture(scope="module")
def asked(cell: Cell) -> list[Training]:
    """With outputs that are cut early: these models hardly ever end one."""
    return [
        replace(each, decodes=tuple(replace(decode, max_len=20) for decode in each.decodes))
        for each in in_context.trainings(cell, SEEDS)
    ]


@pytest.fixture(scope="module")
def together(asked: list[Training]) -> dict[str, Result]:
    return measured(asked)


def measured(asked: list[Training]) -> dict[str, Result]:
    return {result.key: result for result in train_chains([[each] for each in asked], CPU)}


def test_every_training_has_all_that_was_asked_of_it(asked: list[Training], together: dict[str, Result]) -> None:
    assert {training.key for training in asked} == together.keys()
    for training in asked:
        result = together[training.key]
        assert result.has_all(training) and result.updates == 0
        assert (result.engine, result.device, result.status) == ("in_context", "cpu", "ok")
        assert all(result.outside[score.key] >= 0 for score in training.scores)
        assert all(0 <= result.outside[decode.key] <= 1 for decode in training.decodes)


def test_alone_each_training_gives_what_it_gives_among_others(
    asked: list[Training], together: dict[str, Result]
) -> None:
    """So a prompt that ends with a block costs that block what a pass over all of them says that it costs."""
    for training in asked[:: max(len(asked) // 12, 1)]:
        alone = measured([training])[training.key]
        among = together[training.key]
        assert alone.nats == pytest.approx(among.nats, abs=1e-3)
        assert alone.outside == pytest.approx(among.outside, abs=1e-3)
        assert alone.outputs == among.outputs


def test_room_for_little_changes_no_number(
    asked: list[Training], together: dict[str, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read one prompt at a time, and logits a few places at a time."""
    monkeypatch.setattr("indoubt.engines.in_context.model.KEPT", 1)
    monkeypatch.setitem(reader.LOGITS, "cpu", len(in_context.WORDS) * 7)
    few = measured(asked)
    for key, result in together.items():
        assert few[key].nats == pytest.approx(result.nats, abs=1e-3)
        assert few[key].outputs == result.outputs


def test_what_a_prompt_begins_with_is_read_once(cell: Cell, asked: list[Training], folder: Path) -> None:
    """T is read once for all candidates and inputs, each passage once, and what is shared of two is not read again."""
    learner = in_context.learner(folder)
    writer, model = Writer(tokens_of(folder, ""), learner.arguments, ""), HuggingFaceReader(learner, CPU, 1)
    scored = [replace(training, decodes=()) for training in asked]
    list(engine.results(scored, writer, lambda seed: model))
    task_sets = {name: cell.blocks(name, 1) for name in cell.datasets if name != "fpa"}
    prompt = writer.prompt(cell.training("fpa", 1, 0))
    tokens = len(prompt.start) + sum(
        sum(len(prompt.example(example)) for block in blocks[1:] for example in block) - 1
        for blocks in task_sets.values()
    )
    assert model.tokens_read == len(SEEDS) * tokens
    assert len(readings(scored, writer)) == len(SEEDS)


def test_untrained_seeds_have_weights_of_their_own(folder: Path) -> None:
    task = load_tasks()["hierar-or-linear"]
    cell = in_context.cell_of(task, 4, in_context.learner(folder, weights="untrained"))
    drawn = measured(in_context.trainings(cell, [1, 2]))
    again = measured(in_context.trainings(cell, [2]))
    assert in_context.bits(cell, drawn, "hierar", 2) == in_context.bits(cell, again, "hierar", 2)
    same = in_context.cell_of(task, 4, in_context.learner(folder))
    trained = measured(in_context.trainings(same, [1, 2]))
    lengths = {
        in_context.bits(of, results, "hierar", seed)
        for of, results in ((cell, drawn), (same, trained))
        for seed in (1, 2)
    }
    assert len(lengths) == 4


def test_a_model_that_has_changed_since_it_was_planned_is_not_measured(tmp_path: Path) -> None:
    planned = in_context.learner(in_context.saved_llama(tmp_path))
    cell = in_context.cell_of(load_tasks()["hierar-or-linear"], 4, planned)
    in_context.saved_llama(tmp_path, seed=1)
    with pytest.raises(UserError, match="does not hold the model that this was planned for"):
        measured(in_context.trainings(cell, [1]))


def test_what_does_not_fit_into_memory_is_read_in_halves(
    asked: list[Training], together: dict[str, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = HuggingFaceReader.expects
    sizes: list[int] = []

    def full(self: HuggingFaceReader, state: Any, ids: Any, where: Any) -> Any:
        sizes.append(len(ids))
        if len(ids) > 2 and ids.shape[1] > 12:
            raise torch.OutOfMemoryError("no more")
        return whole(self, state, ids, where)

    monkeypatch.setattr(HuggingFaceReader, "expects", full)
    scored = [replace(training, decodes=()) for training in asked]
    found = measured(scored)
    assert max(sizes) > 2
    for training in scored:
        assert found[training.key].nats == pytest.approx(together[training.key].nats, abs=1e-3)
