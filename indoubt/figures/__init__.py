"""Pictures: the tables of a run go in, figures per task come out. Imports tables."""

from collections.abc import Collection

#: Names of each task's figures, and of those that are drawn where an experiment has milestones.
NAMES = ("rule_shares", "code_lengths", "code_curves")
OF_FPA_MILESTONES, OF_CODE_MILESTONES = "trajectories", "code_trajectories"
#: The figure of a task on which learners of a sweep are measured.
OF_SWEEPS = "sweeps"


#: The figure of a whole run, all tasks together, as files beside the tasks' folders.
ATLAS = ("atlas.svg", "atlas.png")


def names(looked_at: Collection[str], swept: bool) -> tuple[str, ...]:
    """The figures of a task of which some measures (`fpa`, `code_length`) are taken at milestones too.

    Args:
        swept: whether learners of a sweep are measured on it.
    """
    over_time = {"fpa": OF_FPA_MILESTONES, "code_length": OF_CODE_MILESTONES}
    return (*NAMES, *(name for measure, name in over_time.items() if measure in looked_at), *[OF_SWEEPS] * swept)


def files(name: str) -> tuple[str, ...]:
    """The files of a figure, below its task's folder: for print, for the screen, and cut into panels for the report."""
    return (f"{name}.svg", f"{name}.png", f"panels/{name}.svg")
