"""Scores that are not finite, of weights that are."""

from __future__ import annotations

import math

import pytest
import side_by_side as sides
from side_by_side import CPU
from test_engine import training

from indoubt.engines.fairseq.engine import evaluate_kept
from indoubt.engines.fused.evaluation import evaluate
from indoubt.training import Result


@pytest.mark.parametrize("name", ["cnn", "transformer"])
def test_a_code_that_is_not_finite_is_diverged_and_disturbs_nobody(name: str) -> None:
    learner = sides.learner(name)
    trainings = [training(learner, seed, 0) for seed in (1, 2, 3)]
    models = sides.fairseq_models(learner, (1, 2, 3))
    last = [parameter for label, parameter in models[1].named_parameters() if "embed_tokens" in label][-1]
    last.data.fill_(3e38)  # finite, and no sum of two is
    weights = sides.parameters_of(learner, models)
    assert weights.finite().tolist() == [True] * 3
    results = [Result(each.key, "ok", 0.0, 20) for each in trainings]
    evaluate(trainings, weights, results, 3)
    assert [result.status for result in results] == ["ok", "diverged", "ok"]
    assert results[1].nats == {} == results[1].outputs
    assert all(math.isfinite(nats) for row in (0, 2) for nats in results[row].nats.values())
    assert len(results[0].nats) == 2 and len(results[0].outputs) == 1
    theirs = evaluate_kept(trainings[1], models[1].eval(), CPU)
    assert (theirs.status, theirs.nats, theirs.outputs) == ("diverged", {}, {})
