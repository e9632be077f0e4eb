"""The README's two pictures, from the tables of the findings' archive.

    .venv/bin/indoubt archive rebuild --tables docs/findings/atlas.tar.gz --results results/findings/atlas
    .venv/bin/python docs/tools/pictures.py results/findings/atlas

writes docs/images/findings.png, the atlas of nine tasks, and docs/images/answer.png, what the report opens with, of
four tasks and six learners. The latter needs Chromium and its driver.
"""

from __future__ import annotations

import base64
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pandas as pd
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from indoubt.data.task import load_tasks
from indoubt.figures.draw import draw_atlas, draw_figures
from indoubt.report.page import build_page

IMAGES = Path(__file__).resolve().parents[1] / "images"
COLUMNS = [
    *("hierar-or-linear/4", "odd-or-place/4", "oddone-or-linear/4", "first-last-majority-parity/5", "add-or-mul/5"),
    *("count-or-mem/10", "mul-by-3/5", "count-wrap-saturate/5", "comp-or-mem/5"),
]
LEARNERS = [
    *("lstm", "lstm-attention", "gru-64", "rnn-64", "cnn", "transformer", "transformer-0.1", "transformer-joint"),
    *("transformer-learned", "transformer-nope", "transformer-alibi", "transformer-relative", "transformer-rope"),
    *("hf-t5", "decoder-sinusoidal", "decoder-learned", "decoder-nope", "decoder-nope-2", "decoder-alibi"),
    *("decoder-alibi-8", "decoder-relative", "decoder-rope", "hf-gpt2", "hf-llama", "mamba", "s4d"),
]
#: What the answer is shown of.
ANSWERED = {"add-or-mul": 5, "comp-or-mem": 5, "count-or-mem": 10, "hierar-or-linear": 4}
OF = ["lstm", "cnn", "transformer", "decoder-nope", "hf-llama", "mamba"]
#: The README's width in pixels, the window's that has a column of it, and how many dots a pixel has.
WIDTH, WINDOW, DOTS = 880, 912, 2


def main(results: Path) -> None:
    tables = results / "tables"
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw_atlas(tables, Path(folder), COLUMNS, LEARNERS)
        shutil.copy(next(path for path in drawn if path.suffix == ".png"), IMAGES / "findings.png")
        some = Path(folder) / "tables"
        some.mkdir()
        for path in tables.glob("*.csv"):
            _some(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(some / path.name, index=False)
        draw_figures(some, Path(folder))
        page = Path(folder) / "index.html"
        page.write_text(build_page(some, Path(folder), load_tasks()), encoding="utf-8")
        (IMAGES / "answer.png").write_bytes(_answer(page))


def _some(table: pd.DataFrame) -> pd.DataFrame:
    """Its rows of the cells that are shown."""
    shown = pd.Series(True, index=table.index)
    if {"task", "size"} <= set(table):
        shown &= pd.Series([str(ANSWERED.get(task)) for task in table["task"]], index=table.index) == table["size"]
    return table[shown & table["learner"].isin(OF)] if "learner" in table else table[shown]


def _answer(page: Path) -> bytes:
    """A picture of the table that the page opens with."""
    options = webdriver.ChromeOptions()
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver") or "chromedriver"))
    try:
        size = {"width": WINDOW, "height": 900, "deviceScaleFactor": DOTS, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(page.as_uri())
        top, bottom = browser.execute_script(
            "const [head, table] = ['#answer > h2', '.answer-scroll'].map(e => document.querySelector(e));"
            "table.style.maxHeight = 'none';"
            "return [head.getBoundingClientRect().top, table.getBoundingClientRect().bottom].map(y => y + scrollY)"
        )
        left = (WINDOW - WIDTH) / 2
        clip = {"x": left, "y": top - 8, "width": WIDTH, "height": bottom - top + 16, "scale": 1}
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    finally:
        browser.quit()
    return base64.b64decode(shot["data"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
