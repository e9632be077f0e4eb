"""Pictures: the tables of a run go in, figures per task come out. Imports tables."""

from collections.abc import Collection

#: Names of each task's figures, and of those that are drawn where an experiment has milestones.
NAMES = ("rule_shares", "code_lengths", "code_curves")
OF_FPA_MILESTONES, OF_CODE_MILESTONES = "trajectories", "code_trajectories"


def names(looked_at: Collection[str]) -> tuple[str, ...]:
    """The figures of a task of which some measures (`fpa`, `code_length`) are taken at milestones too."""
    over_time = {"fpa": OF_FPA_MILESTONES, "code_length": OF_CODE_MILESTONES}
    return (*NAMES, *(name for measure, name in over_time.items() if measure in looked_at))


def files(name: str) -> tuple[str, ...]:
    """The files of a figure, below its task's folder: for print, for the screen, and cut into panels for the report."""
    return (f"{name}.svg", f"{name}.png", f"panels/{name}.svg")
