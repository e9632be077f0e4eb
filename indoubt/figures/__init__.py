"""Pictures: the tables of a run go in, figures per task come out. Imports tables.

To add a figure: an entry here, and a function of its tables in a module of its own, named in `draw.DRAWINGS`.
"""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class TaskFigure:
    """A figure of one task.

    Attributes:
        name: of its files.
        title: the question that it answers.
        caption: what it shows, for `snakemake --report` and for who cannot see it.
        table: the table that it shows; without rows of the task there it is not on the page.
        when: `""`: always; `fpa`, `code_length`: where this measure is taken at milestones; `sweep`: where
            learners of a sweep are measured.
    """

    name: str
    title: str
    caption: str
    table: str
    when: str = ""


FIGURES = {
    figure.name: figure
    for figure in (
        TaskFigure(
            "rule_shares",
            "Which rule do seeds follow?",
            "Bars: share of all seeds per class, with Wilson 95 % intervals; numbers: seeds of the class. `other`: "
            "fits T, follows no rule; `unfit`: does not fit T.",
            "fpa",
        ),
        TaskFigure(
            "code_lengths",
            "How many bits does each rule's hold-out take?",
            "Code length (bits) of each candidate's hold-out outputs, by the learner trained block after block. "
            "Points: seeds; bar: median; diamond: mean with BCa bootstrap 95 % interval. The rule with the "
            "shortest code is the one the learner prefers.",
            "code_length",
        ),
        TaskFigure(
            "code_curves",
            "How does the code get shorter, block by block?",
            "Code length per block (bits per example): how fast each candidate is learned as its examples come in. "
            "Lines: median over seeds; bands: the middle half of the seeds.",
            "code_length",
        ),
        TaskFigure(
            "trajectories",
            "When in training is a rule chosen?",
            "Share of seeds that follow each rule after so many updates, with Wilson 95 % intervals, per learner and "
            "size; dashed: half of the seeds fit T from there on.",
            "trajectories",
            "fpa",
        ),
        TaskFigure(
            "code_trajectories",
            "How does the code get shorter, update by update?",
            "Mean code length of each candidate in bits, if each block were sent after so many updates, with BCa 95 % "
            "intervals.",
            "code_trajectories",
            "code_length",
        ),
        TaskFigure(
            "sweeps",
            "How much hangs on hyperparameters?",
            "Share of seeds that follow the leading rule, and of seeds that fit T, by the values of swept arguments.",
            "sweeps",
            "sweep",
        ),
    )
}
#: The figure of a whole run, all tasks together, as files beside the tasks' folders.
ATLAS = ("atlas.svg", "atlas.png", "panels/atlas.json")
ATLAS_CAPTION = (
    "Learners by tasks: the rule that is preferred or leads, by colour and name, and how sure that is, by form."
)
#: The figure of what learners do after they have learned something else, drawn where some have a start.
STARTS = ("starts.svg", "starts.png", "panels/starts.json")
STARTS_CAPTION = (
    "Starts by tasks: what most seeds do after they have learned something else, by colour and name, and whether that "
    "differs from what the same seeds do without it, by form."
)


def names(looked_at: Collection[str], swept: bool) -> tuple[str, ...]:
    """The figures of a task of which some measures (`fpa`, `code_length`) are taken at milestones too.

    Args:
        swept: whether learners of a sweep are measured on it.
    """
    cases = {"", *looked_at, *["sweep"] * swept}
    return tuple(figure.name for figure in FIGURES.values() if figure.when in cases)


def files(name: str) -> tuple[str, ...]:
    """The files of a figure, below its task's folder: for print, for the screen, and its panels for the page."""
    return (f"{name}.svg", f"{name}.png", f"panels/{name}.json")
