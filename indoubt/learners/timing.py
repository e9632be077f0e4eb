"""How long an update of a learner of engine `modules` takes, by which jobs are cut."""

from __future__ import annotations

import math
import time

import torch

from indoubt.data.vocabulary import EOS
from indoubt.engines.fused.batches import shape_of
from indoubt.engines.modules.loader import Builder
from indoubt.engines.modules.lockstep import Lockstep
from indoubt.engines.modules.one_by_one import Plain
from indoubt.engines.modules.stacked_models import Maker
from indoubt.learner import Learner
from indoubt.learners.made_up import SOURCE, TARGET, VOCABULARY
from indoubt.training import Example, Protocol, Training

#: Updates that are timed; the fastest counts.
TIMED = 4
#: T of add-or-mul/5.
EXAMPLE = Example((4,) * 5 + (EOS,), (4,) * 10 + (EOS,))


def seconds_of(learner: Learner, examples: int) -> float:
    """Seconds of an update on so many of `EXAMPLE`, per model of a full lockstep, rounded to a power of sqrt(2)."""
    training = Training(learner, Protocol(), 1, SOURCE, TARGET, ((EXAMPLE,) * examples,))
    device = torch.device("cpu")
    builder, shape = Builder(learner), shape_of(training.examples)
    together, lockstep = 1, None
    if learner.arguments["together"]:
        maker = Maker(builder, VOCABULARY, device)
        together = maker.together(shape)
        lockstep = Lockstep([training] * together, maker, shape, device, 0)
    trained = lockstep or Plain(training, builder, shape, device, 0)
    times, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)  # as where it is trained; several that wait for each other would all be counted
    try:
        for _ in range(TIMED):
            started = time.process_time()
            trained.update()
            times.append(time.process_time() - started)
    finally:
        torch.set_num_threads(threads)
    return float(2.0 ** (round(2 * math.log2(max(min(times), 1e-6) / together)) / 2))
