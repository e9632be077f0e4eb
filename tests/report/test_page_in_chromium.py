"""The page in a real Chromium: nothing fetched, everything fits, for everybody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indoubt.tables.tables import read_table


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium that keeps a log of requests and of the console."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver_path = shutil.which("chromedriver")
    if chromium is None or driver_path is None:
        pytest.skip("Chromium and its driver are not installed (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking",
                     "disable-component-update", "disable-sync"):  # fmt: skip
        options.add_argument(f"--{argument}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    yield driver
    driver.quit()


def show(browser: Any, page: Path, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())


@pytest.mark.chromium
@pytest.mark.parametrize("width", [360, 1300])
def test_in_chromium_nothing_is_fetched_and_nothing_complains(browser: Any, made_up: Path, width: int) -> None:
    browser.get("about:blank")
    browser.get_log("performance")
    show(browser, made_up / "report" / "index.html", width)
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert requests and all(url.startswith(("file://", "data:")) for url in requests)
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.chromium
def test_in_chromium_tables_sort_filter_and_save(browser: Any, made_up: Path, tmp_path: Path) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    show(browser, made_up / "report" / "index.html", 1300)
    browser.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
    column = "return [...document.querySelectorAll('#fpa-add-or-mul tbody tr')].map(r => r.cells[4].dataset.sort)"
    fpa = read_table(made_up / "tables", "fpa")
    numbers = sorted(fpa.loc[(fpa["task"] == "add-or-mul") & (fpa["n"] > 0), "n"].astype(float))
    head = browser.find_element("css selector", "#fpa-add-or-mul thead th:nth-child(5)")
    for wanted in (numbers[::-1], numbers):  # the first click sorts downwards, the second upwards
        browser.execute_script("arguments[0].click()", head)
        WebDriverWait(browser, 10).until(lambda b, w=wanted: [float(n) for n in b.execute_script(column)] == w)
    browser.find_element("css selector", "[data-filter=fpa-add-or-mul]").send_keys("cnn mem")
    shown = browser.execute_script(
        "return [...document.querySelectorAll('#fpa-add-or-mul tbody tr')].filter(r => !r.hidden).length"
    )
    assert shown == 2 and "2 of" in browser.find_element("css selector", "#fpa-add-or-mul .count").text
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    for button in ("fpa-add-or-mul.csv", "rule_shares-add-or-mul.svg"):
        browser.execute_script("arguments[0].click()", browser.find_element("css selector", f"[data-save='{button}']"))
    WebDriverWait(browser, 10).until(lambda _: {p.suffix for p in tmp_path.iterdir()} == {".csv", ".svg"})
    assert (tmp_path / "fpa-add-or-mul.csv").read_text().startswith("task,size,learner,class")
    assert "currentColor" not in (tmp_path / "rule_shares-add-or-mul.svg").read_text()


@pytest.mark.chromium
@pytest.mark.parametrize("width", [390, 1300])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_chromium_the_page_is_for_everybody(browser: Any, made_up: Path, width: int, theme: str) -> None:
    """No violation of WCAG 2, levels A and AA, that axe-core can see, with all that folds unfolded."""
    from axe_core_python.selenium import Axe

    wanted = [{"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
    show(browser, made_up / "report" / "index.html", width)
    browser.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
    found = Axe().run(browser, options={"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa"]}})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(found["passes"]) > 10
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


@pytest.mark.chromium
@pytest.mark.parametrize("width", [390, 1300])
def test_in_chromium_figures_fit_and_have_one_text_size(browser: Any, made_up: Path, width: int) -> None:
    show(browser, made_up / "report" / "index.html", width)
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('.panels svg[role=img]')].map(svg => {"
        "const box = svg.getBoundingClientRect(); return [box.left, box.right, box.width / svg.viewBox.baseVal.width]})"
    )
    assert all(left >= 0 and right <= width for left, right, _ in boxes)
    assert max(scale for *_, scale in boxes) - min(scale for *_, scale in boxes) < 0.01
    lefts = {round(left) for left, *_ in boxes}
    assert len(lefts) == 1 if width == 390 else len(lefts) >= 4


@pytest.mark.chromium
def test_in_chromium_no_text_is_too_small_to_read(browser: Any, made_up: Path) -> None:
    show(browser, made_up / "report" / "index.html", 1300)
    browser.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
    small = browser.execute_script(
        "return [...document.querySelectorAll('body *')].flatMap(element => {"
        "const said = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());"
        "const matrix = element.ownerSVGElement && element.getScreenCTM ? element.getScreenCTM() : {a: 1, b: 0};"
        "const drawn = Math.hypot(matrix.a, matrix.b);"
        "const size = parseFloat(getComputedStyle(element).fontSize) * drawn;"
        "return said && element.getClientRects().length && size < 11.9 ? [[element.textContent, size]] : []})"
    )
    assert small == []


@pytest.mark.chromium
def test_in_chromium_paper_has_room_for_all_and_not_what_is_folded_for_it(browser: Any, made_up: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    show(browser, made_up / "report" / "index.html", 700)  # A4 within its margins
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    lefts, folded, shown = browser.execute_script(
        "const seen = selector => [...document.querySelectorAll(selector)].filter(each => each.offsetParent);"
        "return [seen('main h2').map(each => each.getBoundingClientRect().left),"
        "seen('details:not([open])').length, seen('details[open]').length]"
    )
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert min(lefts) >= 0 and folded == 0 and shown > 5


@pytest.mark.chromium
def test_in_chromium_light_and_dark(browser: Any, made_up: Path) -> None:
    show(browser, made_up / "report" / "index.html", 1300)
    colour = "return getComputedStyle(document.documentElement).getPropertyValue('--paper').trim()"
    before = browser.execute_script(colour)
    browser.find_element("id", "theme").click()
    assert browser.execute_script(colour) != before
