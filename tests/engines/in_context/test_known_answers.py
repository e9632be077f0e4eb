"""What is measured where the answer is known: of a reader that knows nothing, and of one that knows a rule."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from indoubt.data.task import load_tasks
from indoubt.engines.in_context.engine import train_chains
from indoubt.measures.classify import classify
from indoubt.training import Result
from tests.shared import in_context

TASKS = load_tasks()
CELLS = (("add-or-mul", 5), ("copy-or-reverse", 4), ("comp-or-mem", 5), ("hierar-or-linear", 4))


@pytest.fixture(scope="module")
def uniform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uniform")
    return in_context.saved_llama(folder, uniform=True, tie_word_embeddings=False)


@pytest.mark.parametrize(("name", "size"), CELLS)
def test_a_reader_that_knows_nothing_pays_log2_of_its_choices_for_each_symbol(
    uniform: Path, name: str, size: int
) -> None:
    task = TASKS[name]
    cell = in_context.cell_of(task, size, in_context.learner(uniform))
    asked = [each for each in in_context.trainings(cell, [1, 2]) if not each.decodes or each.scores]
    results = _measured(asked)
    choices = len(cell.datasets["fpa"].target_vocabulary.own) + 1
    for candidate in task.candidates:
        symbols = sum(len(output) + 1 for _, output in task.holdout_set(size, candidate))
        for seed in (1, 2):
            assert in_context.bits(cell, results, candidate, seed) == pytest.approx(symbols * math.log2(choices), 1e-6)
            outside = sum(results[each.key].outside[each.scores[0].key] for each in cell.sequence(candidate, seed))
            whole = symbols * math.log2(len(in_context.WORDS) / choices)
            assert outside / math.log(2) == pytest.approx(whole, 1e-5)


@pytest.mark.parametrize(("name", "size"), CELLS)
def test_an_oracle_of_a_rule_is_of_its_class_and_pays_nothing_for_it(name: str, size: int) -> None:
    task = TASKS[name]
    cell = in_context.cell_of(task, size, in_context.InContextLearner(in_context.ARGUMENTS, folder=""))
    for right, rule in task.candidates.items():
        results = in_context.read_by_oracle(cell, lambda source, rule=rule: rule(source, size), [7, 8])
        for seed in (7, 8):
            assert classify(task, size, in_context.outputs(cell, results, seed)) == right
            training = cell.training("fpa", seed, 0)
            assert results[training.key].outside[training.decodes[0].key] == 0
            assert in_context.bits(cell, results, right, seed) < 0.01
            for other in task.candidates:
                # each place where the outputs differ costs what was left for one of the 30 other tokens
                differ = _places_told_apart(task.holdout_set(size, right), task.holdout_set(size, other))
                wrong = math.log2(9999 * (len(in_context.WORDS) - 1))
                found = in_context.bits(cell, results, other, seed)
                assert found == pytest.approx(differ * wrong, rel=1e-3, abs=0.02), (right, other)


def _places_told_apart(known: list, told: list) -> int:
    """Places of the outputs that are sent at which an oracle that is told them says something else.

    It goes on from what it is told: its own output's symbol at the same place, and the end behind its last one.
    """
    count = 0
    for (_, own), (_, sent) in zip(known, told, strict=True):
        expected = [own[place] if place < len(own) else None for place in range(len(sent) + 1)]
        count += sum(one != other for one, other in zip(expected, [*sent, None], strict=True))
    return count


def test_a_copier_copies() -> None:
    task = TASKS["add-or-mul"]
    cell = in_context.cell_of(task, 5, in_context.InContextLearner(in_context.ARGUMENTS, folder=""))
    ((_, output),) = task.training_set(5)
    results = in_context.read_by_oracle(cell, lambda source: output, [1])
    assert classify(task, 5, in_context.outputs(cell, results, 1)) == "mem"


def test_outputs_end_where_they_must(tmp_path: Path) -> None:
    """An output that never ends is cut at 200 symbols; with min_len 1 there is one symbol at least."""
    task = TASKS["add-or-mul"]
    cell = in_context.cell_of(task, 5, in_context.InContextLearner(in_context.ARGUMENTS, folder=""), min_len=1)
    endless = in_context.read_by_oracle(cell, lambda source: ("b",) * 500, [1])
    assert {len(output) for output in in_context.outputs(cell, endless, 1)} == {200}
    silent = in_context.read_by_oracle(cell, lambda source: (), [1])
    assert {len(output) for output in in_context.outputs(cell, silent, 1)} == {1}


def test_logits_that_are_not_finite_make_no_number(tmp_path: Path) -> None:
    folder = in_context.saved_llama(tmp_path)
    task = TASKS["hierar-or-linear"]
    cell = in_context.cell_of(task, 4, in_context.InContextLearner(in_context.ARGUMENTS, folder=str(folder)))
    writer = in_context.Writer(in_context.Tokens(in_context.tokenizer()), in_context.ARGUMENTS, "")
    asked = in_context.trainings(cell, [1])

    class Broken(in_context.Oracle):
        def expects(self, state, ids, where):  # type: ignore[no-untyped-def]
            logits, state = super().expects(state, ids, where)
            return torch.full_like(logits, math.nan), state

    prompt = writer.prompt(cell.training("fpa", 1, 0))
    reader = Broken(prompt, cell, lambda source: source)
    found = list(in_context.engine.results(asked, writer, lambda seed: reader))
    assert {result.status for result in found} == {"diverged"}
    assert not any(result.nats or result.outputs or result.outside for result in found)


def _measured(asked: list) -> dict[str, Result]:
    return {result.key: result for result in train_chains([[each] for each in asked], torch.device("cpu"))}
