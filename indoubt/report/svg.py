"""Figures as they go into the page: cut into panels, inline, following its light or dark colours, small."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

from indoubt.errors import UserError
from indoubt.figures.style import FAINT, INK

#: Colours of a figure that follow the page's, with what they become.
FOLLOW = {INK: "currentColor", FAINT: "var(--faint)", "#ffffff": "var(--paper)"}
#: CSS pixels of a point, the unit of a figure's picture.
PIXELS = 96 / 72


@dataclass(frozen=True)
class Panels:
    """A figure's panels as elements of the page, what they share (of no size itself), and what it says below them."""

    elements: list[str]
    shared: str
    caption: str


def panels(path: Path, prefix: str, label: str) -> Panels:
    """The panels of the figure in `path`, one SVG each, at the size at which they were drawn.

    Args:
        path: a figure as `indoubt.figures.layout.Stack` draws it.
        prefix: what its ids begin with, so that those of several figures do not clash.
        label: its alternative text; each panel's title is added to it.

    Raises:
        UserError: the figure is missing.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"figure {path} cannot be read: {error.strerror}; make it with `snakemake figures`") from error
    described = re.search(r"<dc:description>(.*?)</dc:description>", text, flags=re.S)
    titles = re.findall(r'<g id="title-\d+">\s*<!-- (.*?) -->', text, flags=re.S)
    drawing = _on_the_page(text[text.index("<svg") :], prefix)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing)
    assert size is not None, f"{path} has no viewBox"
    groups = [group for group in _groups(drawing) if re.match(r'<g id="[^"]*panel-', group)]
    width, strip = float(size[1]), float(size[2]) / max(len(groups), 1)
    shared = "".join(re.findall(r"<defs><(?:clipPath|pattern).*?</defs>", drawing, flags=re.S))
    elements = []
    for place, (group, title) in enumerate(zip(groups, titles, strict=True)):
        named = escape(f"{label}: {unescape(title)}", quote=True)
        box = f'viewBox="0 {place * strip:.2f} {width:g} {strip:.2f}"'
        extent = f'width="{width * PIXELS:.0f}" height="{strip * PIXELS:.0f}"'
        elements.append(f'<svg role="img" aria-label="{named}" {extent} {box}>{group}</svg>')
    hidden = f'<svg class="shared" aria-hidden="true" width="0" height="0">{shared}</svg>'
    return Panels(elements, hidden, " ".join(unescape(described[1]).split()) if described else "")


def _on_the_page(text: str, prefix: str) -> str:
    """A drawing without what the page does not need, its ids its own, its colours the page's."""
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"\s+", " ", text).replace("> <", "><")
    text = re.sub(r"([1-9]\d*\.\d\d)\d+", r"\1", text)
    names: dict[str, str] = {}

    def short(found: re.Match[str]) -> str:
        kept = f"{prefix}{found[2]}" if found[2].startswith("panel-") else f"{prefix}{len(names):x}"
        return found[1] + names.setdefault(found[2], kept)

    text = re.sub(r'(\bid="|href="#|url\(#)([^")]+)', short, text).replace("xlink:href", "href")
    for colour, follow in FOLLOW.items():
        text = text.replace(colour, follow)
    return text


def _groups(drawing: str) -> list[str]:
    """The groups of the figure's own level: background, then a group per panel."""
    found, depth, start = [], 0, 0
    for tag in re.finditer(r"<(/?)g\b[^>]*?(/?)>", drawing):
        if not tag[1] and depth == 1:
            start = tag.start()
        depth += -1 if tag[1] else 0 if tag[2] else 1
        if tag[1] and depth == 1:
            found.append(drawing[start : tag.end()])
    return found
