"""What trying a learner of engine `modules` out has shown; light, for the workflow reads it while it plans."""

from __future__ import annotations

from dataclasses import dataclass

#: Examples of the larger of the two batches that are timed.
EIGHT = 8


@dataclass(frozen=True)
class TriedOut:
    """
    `weights` is how many numbers the learner trains or holds, for dictionaries of 8 symbols. `alone` says why its
    models are trained one at a time, or is None; `notes` is what else a user should know. `seconds` is what an update
    of T of add-or-mul/5 takes on one CPU thread, per model of a full lockstep, and `seconds_of_eight` what one of
    `EIGHT` such examples does, rounded to powers of sqrt(2): job sizes hang on them. `in_place` is whether its dropout
    writes into what it is given, and `cannot_tell` what it cannot tell apart (`data.indistinguishable`).
    """

    weights: int
    alone: str | None
    notes: list[str]
    seconds: float
    seconds_of_eight: float
    in_place: bool = False
    cannot_tell: tuple[str, ...] = ()
