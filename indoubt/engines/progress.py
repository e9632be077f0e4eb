"""What this process trains at the moment: engines say it, and whoever shows how far a run is may ask.

No number hangs on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indoubt.training import Training


@dataclass(frozen=True)
class UnderWay:
    """Trainings of one learner that are updated together, and how many of their updates they have behind them."""

    trainings: Sequence[Training] = ()
    done: int = 0

    @property
    def share(self) -> float:
        """The part of the updates that is done, 0 to 1."""
        return self.done / self.trainings[0].learner.updates if self.trainings else 0.0


class _Notice:
    """One value for the whole process; replaced in one go, so that another thread reads an old one or a new one."""

    now = UnderWay()


def say(trainings: Sequence[Training], done: int) -> None:
    """These are being trained, and have had so many updates."""
    _Notice.now = UnderWay(trainings, done)


def under_way() -> UnderWay:
    """What was said last; nothing, before anything was said."""
    return _Notice.now
