"""What all figures have in common: colours, markers, text sizes, saving."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from indoubt.data.rules import RANDOM
from indoubt.errors import UserError
from indoubt.figures.layout import SMALLEST, Drawing, ShownFigure
from indoubt.files import write_atomically
from indoubt.measures.classify import NO_RULE

#: Colours of candidate rules, told apart by the colour-blind (M. Okabe and K. Ito, 2008; the last three by
#: P. Tol), with their markers.
RULE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#999933", "#332288")
RULE_MARKERS = ("o", "s", "^", "D", "v", "P", "<", ">", "p")
#: Greys of what is no rule.
NO_RULE_COLOURS = {"other": "#7a7a7a", "unfit": "#a6a6a6", "diverged": "#c8c8c8", RANDOM: "#7a7a7a"}
INK, FAINT = "#1a1a1a", "#d9d9d9"
#: Colours that follow the page's, light or dark, with what they become there.
FOLLOW = {INK: "currentColor", FAINT: "var(--faint)", "#ffffff": "var(--paper)"}

#: Pixels of the page to an inch of a panel: the smallest text has 12 of them.
PAGE_DPI = 12 * 72 / SMALLEST

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
    "xtick.labelsize": SMALLEST,
    "ytick.labelsize": SMALLEST,
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


class Palette:
    """One colour and one marker for each rule, the same in all pictures of a results folder.

    A rule has those of its place in the first task that has it, unless a rule beside it has the colour already: then
    the first that none beside it has; where all are taken, a colour with another marker.

    Args:
        fpa, code: the tables `fpa` and `code_length`: they give the order of each task's rules.
    """

    def __init__(self, fpa: pd.DataFrame, code: pd.DataFrame) -> None:
        tasks = sorted({*fpa["task"], *code["task"]})
        of = [
            rules_of([*fpa.loc[fpa["task"] == task, "class"], *code.loc[code["task"] == task, "candidate"]])
            for task in tasks
        ]
        self._looks: dict[str, tuple[str, str]] = {}
        for rules in of:
            for rule in (each for each in rules if each not in self._looks):
                beside = {
                    self._looks[other] for others in of if rule in others for other in others if other in self._looks
                }
                self._looks[rule] = _first_free(rules.index(rule), beside)

    def colour(self, label: str) -> str:
        """The colour of a class or candidate; grey of a rule that the tables do not have."""
        return self._looks[label][0] if label in self._looks else NO_RULE_COLOURS.get(label, NO_RULE_COLOURS["other"])

    def marker(self, label: str) -> str:
        """Its marker, so that colour is not alone in telling it."""
        return self._looks[label][1] if label in self._looks else "X"


def _first_free(place: int, taken: set[tuple[str, str]]) -> tuple[str, str]:
    """Colour and marker of a rule at this place among its task's, or the first others."""
    n = len(RULE_COLOURS)
    pairs = [
        (RULE_COLOURS[each % n], RULE_MARKERS[(each + shift) % n]) for shift in range(n) for each in (place, *range(n))
    ]
    colours = {colour for colour, _ in taken}
    free = [pair for pair in pairs[: n + 1] if pair[0] not in colours] or [pair for pair in pairs if pair not in taken]
    return (free or pairs)[0]


def rules_of(labels: Iterable[str]) -> list[str]:
    """Those of some classes or candidates that are rules, in the order in which they come."""
    return [label for label in dict.fromkeys(labels) if label not in (*NO_RULE, RANDOM)]


def not_measured(task: str, title: str) -> Drawing:
    """A figure that says that there is nothing to show."""
    with our_settings():
        figure = ShownFigure(figsize=(4.2, 1.2))
        figure.text(0.5, 0.62, f"{task}: {title}", ha="center", fontsize=9.5, fontweight="bold")
        figure.text(0.5, 0.3, "not measured", ha="center", fontsize=9)
    return Drawing([figure], [title], "")


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


def save_panels(drawing: Drawing, path: Path) -> None:
    """Write a drawing as the page takes it: JSON with the SVG of each panel and what is said below them.

    Raises:
        UserError: it cannot be written.
    """
    panels = [
        {"title": title, "svg": inline(figure, f"{path.parent.parent.name}/{path.stem}/{title}")}
        for title, figure in zip(drawing.titles, drawing.figures, strict=True)
    ]
    write_atomically(path, json.dumps({"notes": drawing.notes, "panels": panels}))


def inline(figure: Figure, salt: str, dpi: float = PAGE_DPI) -> str:
    """A figure as an element of a page: an SVG of its size in pixels, text as text, its ink and paper the page's.

    Args:
        salt: what its ids are hashed with, so that those of several figures on one page do not clash.
        dpi: pixels of the page to an inch of the figure.
    """
    file = io.StringIO()
    with our_settings(), matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<g id=\"[^\"]*\"", "<g", re.sub(r">\s+<", "><", text))
    text = re.sub(r"([1-9]\d*\.\d\d)\d+", r"\1", text)
    for colour, follow in FOLLOW.items():
        text = text.replace(colour, follow)
    width, height = (round(inches * dpi) for inches in figure.get_size_inches())
    return re.sub(
        r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", rf'<svg width="{width}" height="{height}" \1>', text, count=1
    )
