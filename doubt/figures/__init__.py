"""Pictures: the tables of a run go in, figures per task come out. Imports tables."""

#: Names of each task's figures.
NAMES = ("rule_shares", "code_lengths", "code_curves")


def files(name: str) -> tuple[str, ...]:
    """The files of a figure, below its task's folder: for print, for the screen, and cut into panels for the report."""
    return (f"{name}.svg", f"{name}.png", f"panels/{name}.svg")
