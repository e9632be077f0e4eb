"""What trying a learner of engine `modules` out has shown; light, for the workflow reads it while it plans."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TriedOut:
    """
    `weights` is how many numbers the learner trains or holds, for dictionaries of 8 symbols. `alone` says why its
    models are trained one at a time, or is None; `notes` is what else a user should know. `seconds` is what an update
    of T of add-or-mul/5 takes on one CPU thread, per model of a full lockstep, rounded to a power of two: job sizes
    hang on it, and must not change with the machine's load.
    """

    weights: int
    alone: str | None
    notes: list[str]
    seconds: float
