"""The matrix of starts: rows, columns and marks say what the table says."""

from __future__ import annotations

from typing import Any

import pandas as pd

from indoubt.figures.starts import starts_matrix
from indoubt.figures.style import Palette
from indoubt.schema import columns_of


def row(task: str, start: str, rule: str, share: float, differs: str) -> dict[str, Any]:
    about = {"task": task, "size": 4, "learner": f"plain {start}", "base": "plain", "start": start, "class": rule}
    return dict.fromkeys(columns_of("starts"), 0) | about | {"share": share, "n_seeds": 8, "differs": differs}


def test_no_start_comes_first_and_the_tasks_own_t_last() -> None:
    table = pd.DataFrame(
        [
            row("odd-or-place", "T itself", "oddone", 0.5, "False"),
            row("odd-or-place", "hierar-or-linear 4 linear", "left", 0.75, "True"),
            row("odd-or-place", "none", "oddone", 1.0, ""),
            row("copy-or-reverse", "none", "unfit", 0.25, ""),
        ]
    )
    fpa = pd.DataFrame([{"task": "odd-or-place", "class": name, "kind": "candidate"} for name in ("oddone", "left")])
    (figure,) = starts_matrix(table, Palette(fpa, pd.DataFrame(columns=["task", "candidate"]))).figures
    (axes,) = figure.axes
    names = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    assert names == ["none", "hierar-or-linear 4 linear", "T itself"]
    places = {(round(text.get_position()[0] + 0.26), text.get_position()[1]): text.get_text() for text in axes.texts}
    assert places == {(0, 2): "oddone\n50%", (0, 1): "left\n75%", (0, 0): "oddone\n100%", (1, 0): "unfit\n25%"}
    filled = {
        (round(line.get_xdata()[0] + 0.38), line.get_ydata()[0]): line.get_markerfacecolor() for line in axes.lines
    }
    assert filled[0, 2] == "white" != filled[0, 1], "what does not differ is an outline"
    assert filled[0, 0] != filled[0, 1], "two rules, two colours"


def test_without_starts_it_says_so() -> None:
    empty = pd.DataFrame(columns=columns_of("starts"))
    fpa, code = pd.DataFrame(columns=["task", "class", "kind"]), pd.DataFrame(columns=["task", "candidate"])
    (figure,) = starts_matrix(empty, Palette(fpa, code)).figures
    assert any("not measured" in text.get_text() for text in figure.texts)
