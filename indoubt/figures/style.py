"""What all figures have in common: colours, markers, text sizes, saving."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from indoubt.data.rules import RANDOM
from indoubt.errors import UserError
from indoubt.measures.classify import NO_RULE

#: Colours of candidate rules, told apart by the colour-blind (M. Okabe and K. Ito, 2008), with their markers.
RULE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
RULE_MARKERS = ("o", "s", "^", "D", "v", "P")
#: Greys of what is no rule.
NO_RULE_COLOURS = {"other": "#7a7a7a", "unfit": "#a6a6a6", "diverged": "#c8c8c8", RANDOM: "#7a7a7a"}
INK, FAINT = "#1a1a1a", "#d9d9d9"

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "svg.hashsalt": "doubt",
    "svg.fonttype": "path",
}


@contextmanager
def our_settings() -> Iterator[None]:
    """While it lasts, matplotlib's defaults and over them `RC`: whatever a user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def colour(label: str, rules: Sequence[str]) -> str:
    """The colour of a class or candidate; `rules` are the task's, in order."""
    return NO_RULE_COLOURS.get(label) or RULE_COLOURS[list(rules).index(label) % len(RULE_COLOURS)]


def marker(label: str, rules: Sequence[str]) -> str:
    """The marker of a candidate, so that colour is not alone in telling it."""
    return "X" if label not in rules else RULE_MARKERS[list(rules).index(label) % len(RULE_MARKERS)]


def rules_of(labels: Iterable[str]) -> list[str]:
    """Those of some classes or candidates that are rules, in the order in which they come."""
    return [label for label in dict.fromkeys(labels) if label not in (*NO_RULE, RANDOM)]


def not_measured(task: str, title: str) -> Figure:
    """A figure that says that there is nothing to show."""
    with our_settings():
        figure = Figure(figsize=(4.2, 1.2))
        figure.text(0.5, 0.62, f"{task}: {title}", ha="center", fontsize=9.5, fontweight="bold")
        figure.text(0.5, 0.3, "not measured", ha="center", fontsize=9)
    return figure


def save(figure: Figure, *paths: Path) -> None:
    """Write a figure, the same bytes for the same figure; SVG and PNG by the end of a path's name.

    Raises:
        UserError: they cannot be written.
    """
    try:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            with our_settings():
                if path.suffix == ".svg":
                    figure.savefig(path, metadata={"Date": None, "Creator": None, "Description": figure.get_label()})
                else:
                    figure.savefig(path, dpi=200, metadata={"Software": None})
    except OSError as error:
        raise UserError(f"cannot write {error.filename}: {error.strerror}; check rights and space") from error
