"""What was measured of one learner on one task: frames, figures, a page; and the bar while it is measured."""

from __future__ import annotations

import html
import io
import tempfile
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from indoubt.data.task import Task
from indoubt.engines.progress import under_way
from indoubt.errors import UserError, nearest
from indoubt.figures import names
from indoubt.figures.draw import DRAWINGS
from indoubt.figures.layout import Grid
from indoubt.figures.style import Palette
from indoubt.found.functions import FoundRule
from indoubt.found.wording import by_cell, sentence
from indoubt.learner import Learner
from indoubt.tables.tables import write_tables
from indoubt.training import Result, Training

#: Columns that a notebook shows of each table; `tables` has them all.
SHOWN = {
    "fpa": ["class", "n", "n_seeds", "fpa", "ci_low", "ci_high"],
    "code_length": ["candidate", "n_seeds", "bits_mean", "ci_low", "ci_high", "n_at_least", "bits_at_least"],
}


@dataclass(frozen=True, repr=False)
class Measurement:
    """Which rules the seeds of a learner follow, and how well each rule compresses what it says.

    `tables` holds the workflow's tables by name, with every column (docs/measures.md explains them).
    """

    task: str
    size: int
    learner: str
    engine: str
    tried: Mapping[str, Any] | None
    tables: Mapping[str, pd.DataFrame]
    rules: Mapping[int, FoundRule] = field(default_factory=dict)
    definition: Task | None = None

    @property
    def fpa(self) -> pd.DataFrame:
        """A row per class of seeds: how many, their share and its interval of 95 percent."""
        return self.tables["fpa"]

    @property
    def code_lengths(self) -> pd.DataFrame:
        """A row per candidate rule: its code length in bits, mean over seeds, and its interval of 95 percent."""
        return self.tables["code_length"]

    @property
    def outputs(self) -> pd.DataFrame:
        """What the seeds of each class output for each input."""
        return self.tables["outputs"]

    @property
    def seeds(self) -> pd.DataFrame:
        """A row per seed: its class."""
        return self.tables["seed_classes"]

    @property
    def found(self) -> pd.DataFrame:
        """What the seeds do that follow no given rule: a row, or one for each rule of a split or a mixture."""
        return self.tables["found_rules"]

    def rule(self, part: int = 1) -> FoundRule:
        """A rule that was found, to call: `rule()("a b b b a")`; `rule().python` is its text.

        Raises:
            UserError: none was found, or fewer.
        """
        if part not in self.rules:
            said = " ".join(sentence(rows) for _, rows in by_cell(self.found)) or "no seed follows no given rule."
            raise UserError(f"there is no found rule {part}; {said}")
        return self.rules[part]

    def plot(self, figure: str | None = None) -> Figure:
        """One of the workflow's figures: `rule_shares`, `code_lengths` or `code_curves`; by default what was measured.

        Raises:
            UserError: there is no such figure.
        """
        name, there = figure or ("rule_shares" if len(self.fpa) else "code_lengths"), names((), swept=False)
        if name not in there:
            raise UserError(f"no figure {name!r}; there are {', '.join(there)}{nearest(name, there)}")
        palette = Palette(self.tables["fpa"], self.tables["code_length"])
        return DRAWINGS[name](self.task, self.tables, palette, Grid).figures[0]

    def page(self, path: str | Path) -> Path:
        """Write the report of it: one page that opens from disk, to show to others; returns its path.

        Raises:
            UserError: it cannot be written.
        """
        from indoubt.report.without_snakemake import draw_page  # slow to import

        tasks = {} if self.definition is None else {self.task: self.definition}
        with tempfile.TemporaryDirectory() as folder:
            write_tables(self.tables, Path(folder) / "tables")
            draw_page(Path(folder), tasks, Path(path), None, "", None)
        return Path(path)

    def __repr__(self) -> str:
        return f"{self._title()}\n\n" + "\n\n".join(table.to_string(index=False) for table in self._shown())

    def _repr_html_(self) -> str:
        """What a notebook shows: a figure and the numbers behind it."""
        image = io.StringIO()
        self.plot().savefig(image, format="svg")
        svg = image.getvalue()
        shown = "".join(table.round(3).to_html(index=False) for table in self._shown())
        return f"<p><b>{html.escape(self._title())}</b></p>{svg[svg.index('<svg') :]}{shown}"

    def _shown(self) -> list[pd.DataFrame]:
        """The measured tables, with the columns that matter most."""
        found = {name: self.tables[name] for name in SHOWN if len(self.tables[name])}
        return [table[[c for c in SHOWN[name] if c in table.columns]] for name, table in found.items()]

    def _title(self) -> str:
        parts = [f"{self.learner} on {self.task} {self.size}, engine {self.engine}"]
        if self.tried is not None:
            parts.append(f"{self.tried['weights']:,} weights")
            parts += [f"trained one at a time: {self.tried['alone']}"] if self.tried["alone"] else []
        return "; ".join(parts)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of ipywidgets, without which the bar is drawn with characters
    from tqdm.auto import tqdm

#: Seconds between two looks at what is under way.
EVERY = 0.3


class Bar:
    """Is told of trainings that are done, and looks at those that are not while it is entered."""

    def __init__(self, label: str, learner: Learner, shown: bool) -> None:
        self._label, self._learner, self._shown = label, learner, shown
        self._bar: Any = None
        self._done: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._bar is not None:
            self._thread.join()
            self._bar.close()

    def begin(self, total: int, to_do: int) -> None:
        known = f" ({total - to_do} of {total} known)" if to_do < total else ""
        if self._bar is not None:  # a race goes on
            self._bar.total += to_do
        elif self._shown and to_do:
            self._bar = tqdm(total=to_do, desc=f"{self._label}{known}", unit="training")
            self._thread.start()

    def trained(self, training: Training, result: Result) -> None:
        self._done.add(training.key)
        self.show()

    def _watch(self) -> None:
        while not self._stop.wait(EVERY):
            self.show()

    def show(self) -> None:
        """Show trainings that are done, and those under way by the share of their updates."""
        if self._bar is None:
            return
        now, done = under_way(), len(self._done)
        ours = [each for each in now.trainings if each.learner == self._learner and each.key not in self._done]
        share = round(now.share * len(ours), 1) if ours else 0
        self._bar.n = min(done + share, self._bar.total)
        self._bar.refresh()
