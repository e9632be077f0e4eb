"""Engine `modules` on a real GPU: the CPU's results, but for rounding."""

from __future__ import annotations

import pytest
import torch
from test_modules_engine import LEARNERS, by_key

from indoubt.engines.modules.engine import evaluate_kept, train_chains
from tests.shared import made_modules as made
from tests.shared.made_modules import CPU, training

CUDA = torch.device("cuda")
pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"),
    pytest.mark.xdist_group("gpu"),
]


@pytest.mark.parametrize("name", LEARNERS)
def test_code_lengths_and_outputs_are_the_cpus(name: str) -> None:
    learner = made.learner(name, 12, **LEARNERS[name])
    trainings = [training(learner, seed, block) for seed in (1, 2, 3) for block in range(2)]
    chains = [[each] for each in trainings]
    models: dict[str, torch.nn.Module] = {}
    ours = by_key(train_chains(chains, CUDA, keep=lambda each, model: models.update({each.key: model})))
    theirs = by_key(train_chains(chains, CPU))
    (alone,) = train_chains(chains[2:3], CUDA)
    assert alone.nats == pytest.approx(ours[alone.key].nats, rel=1e-3)
    for each in trainings:
        for other in (theirs[each.key], evaluate_kept(each, models[each.key], CUDA)):
            assert ours[each.key].nats == pytest.approx(other.nats, rel=1e-3)
            assert ours[each.key].outputs == other.outputs
