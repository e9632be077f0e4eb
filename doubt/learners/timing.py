"""How long an update of a learner of engine `modules` takes, by which jobs are cut."""

from __future__ import annotations

import math
import time

import torch

from doubt.engines.fused.arrays.batch import EOS, shape_of
from doubt.engines.modules.building import Builder
from doubt.engines.modules.lockstep import Lockstep
from doubt.engines.modules.models import Maker
from doubt.learners.made_up import SOURCE, TARGET, VOCABULARY
from doubt.training import Example, Learner, Protocol, Training

#: Updates that are timed; the fastest counts.
TIMED = 4
#: T of add-or-mul/5.
EXAMPLE = Example((4,) * 5 + (EOS,), (4,) * 10 + (EOS,))


def seconds_of(learner: Learner) -> float:
    """Seconds of an update of `EXAMPLE`, per model of a full lockstep, rounded to a power of two."""
    training = Training(learner, Protocol(), 1, SOURCE, TARGET, ((EXAMPLE,),))
    device = torch.device("cpu")
    maker = Maker(Builder(learner), VOCABULARY, device)
    shape = shape_of(training.examples)
    together = maker.together(shape)
    lockstep = Lockstep([training] * together, maker, shape, device, 0)
    times = []
    for _ in range(TIMED):
        started = time.process_time()
        lockstep.update()
        times.append(time.process_time() - started)
    return float(2.0 ** round(math.log2(max(min(times), 1e-6) / together)))
