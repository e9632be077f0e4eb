"""How far a measurement is, as a bar in a notebook or a terminal: by the updates that trainings have behind them."""

from __future__ import annotations

import threading
import warnings
from types import TracebackType
from typing import Any

from indoubt.engines.progress import under_way
from indoubt.training import Learner, Result, Training

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
        if self._shown and to_do:
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
