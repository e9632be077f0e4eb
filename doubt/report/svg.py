"""Figures as they go into the page: inline, following its light or dark colours, small."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from doubt.errors import UserError
from doubt.figures.style import FAINT, INK

#: Colours of a figure that follow the page's, with what they become.
FOLLOW = {INK: "currentColor", FAINT: "var(--faint)", "#ffffff": "var(--paper)"}


def inline(path: Path, prefix: str, label: str) -> str:
    """The SVG in `path` as an element of the page.

    Args:
        path: a figure as `doubt.figures` writes it.
        prefix: what its ids begin with, so that those of several figures do not clash.
        label: its alternative text.

    Raises:
        UserError: the figure is missing.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"figure {path} cannot be read: {error.strerror}; make it with `snakemake figures`") from error
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"\s+", " ", text).replace("> <", "><")
    text = re.sub(r"([1-9]\d*\.\d\d)\d+", r"\1", text)
    names: dict[str, str] = {}
    text = re.sub(
        r'(\bid="|href="#|url\(#)([^")]+)', lambda m: m[1] + names.setdefault(m[2], f"{prefix}{len(names):x}"), text
    )
    text = text.replace("xlink:href", "href")
    for colour, follow in FOLLOW.items():
        text = text.replace(colour, follow)
    text = re.sub(r'<svg([^>]*?) width="[^"]*"', r"<svg\1", text, count=1)
    text = re.sub(r'<svg([^>]*?) height="[^"]*"', r"<svg\1", text, count=1)
    width = re.search(r'viewBox="0 0 ([\d.]+)', text)
    size = f' style="max-width: {float(width[1]) * 1.5:.0f}px"' if width else ""
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(label, quote=True)}"{size}', 1)
