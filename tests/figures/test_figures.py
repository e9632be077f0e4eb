"""Figures: drawn from tables alone, the same bytes each time, degenerate cases too."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import matplotlib.image
import pandas as pd
import pytest
from matplotlib.patches import Arc, Wedge

from indoubt.data.rules import with_random
from indoubt.data.task import Task, line, load_tasks
from indoubt.errors import UserError
from indoubt.figures import FIGURES, names
from indoubt.figures.atlas import ABREAST, atlas
from indoubt.figures.code_lengths import log_floor
from indoubt.figures.draw import DRAWINGS, TABLES, draw_atlas, draw_figures
from indoubt.figures.style import RULE_COLOURS, Palette
from indoubt.measures.classify import predictions
from indoubt.report.answer import Answers
from indoubt.schema import RUN, columns_of, text_columns
from indoubt.tables.tables import build_tables, read_found, read_table, write_tables
from tests.shared.made_up import Row, code, decode, follow

COUNT = load_tasks()["count-or-mem"]
NAMES = names((), swept=False)


def tables(folder: Path, rows: list[Row], task: Task = COUNT) -> Path:
    scores, decodes = ([r for r in rows if r["kind"] == k] for k in ("score", "decode"))
    cells = [
        [row for row in decodes if row["learner"] == name] for name in dict.fromkeys(r["learner"] for r in decodes)
    ]
    lines = [line for cell in cells for line in predictions(task, 10, cell)]
    write_tables(build_tables(scores, decodes, lines, {task.name: task}), folder)
    return folder


def drawn(folder: Path, rows: list[Row], task: Task = COUNT) -> list[Path]:
    return draw_figures(
        tables(folder / "tables", rows, task), folder / "figures", [(task.name, name) for name in NAMES]
    )


def codes(*bits: float) -> list[Row]:
    return [r for s, b in enumerate(bits, 1) for r in code(COUNT, 10, "mem", "lstm", s, b)]


def test_names_and_contents(tmp_path: Path) -> None:
    paths = drawn(tmp_path, [*codes(1.0, 5.0), decode(outputs=follow(COUNT, 10, "mem"))])
    assert [p.relative_to(tmp_path / "figures").as_posix() for p in paths] == [
        f"count-or-mem/{file}" for name in NAMES for file in (f"{name}.svg", f"{name}.png", f"panels/{name}.json")
    ]
    for path in paths:
        if path.suffix == ".json":
            drawing = json.loads(path.read_text())
            assert all(panel["svg"].startswith("<svg width=") for panel in drawing["panels"]) and drawing["panels"]
            assert "1 seed per cell" in drawing["notes"] or "2 seeds per cell" in drawing["notes"]
            assert "adam_state" not in drawing["notes"], "the protocol stands once on the page"
        elif path.suffix == ".svg":
            text = path.read_text()
            assert "<svg" in text and "<dc:date>" not in text
        else:
            assert matplotlib.image.imread(path).shape[0] > 100


def test_rules_that_only_classify_are_hatched_where_some_seed_follows_one(tmp_path: Path) -> None:
    total = COUNT.further_rules["total"]
    outputs = [line(output) if (output := total(source, 10)) is not None else "x" for source in COUNT.test_inputs(10)]
    for rows, hatched in (([decode(outputs=outputs)], True), ([decode(outputs=follow(COUNT, 10, "mem"))], False)):
        panels = json.loads(drawn(tmp_path / str(hatched), rows)[2].read_text())
        defined = set(re.findall(r'<pattern [^>]*?id="([^"]+)"', panels["panels"][0]["svg"]))
        used = set(re.findall(r"fill: ?url\(#([^)]+)\)", panels["panels"][0]["svg"]))
        assert bool(used) == hatched and used <= defined
        assert ("Hatched: rules that only classify." in panels["notes"]) == hatched


def test_every_figure_is_drawn_by_one_function_and_has_its_caption() -> None:
    assert list(DRAWINGS) == list(FIGURES)
    assert all(figure.caption and figure.title and figure.table in TABLES for figure in FIGURES.values())
    assert names({"fpa"}, swept=True) == ("rule_shares", "code_lengths", "code_curves", "trajectories", "sweeps")


def test_rules_of_one_task_differ_in_colour_or_marker_however_many_they_are() -> None:
    rules = [f"rule{place}" for place in range(2 * len(RULE_COLOURS) + 3)]
    fpa = pd.DataFrame({"task": "a", "class": [*rules, "other"]})
    palette = Palette(fpa, pd.DataFrame({"task": [], "candidate": []}))
    assert len({(palette.colour(rule), palette.marker(rule)) for rule in rules}) == len(rules)
    assert [palette.colour(rule) for rule in rules[: len(RULE_COLOURS)]] == list(RULE_COLOURS)
    assert palette.colour("other") not in RULE_COLOURS and palette.marker("other") == "X"


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    folder = tables(tmp_path / "tables", [*codes(1.0, 5.0), decode(outputs=follow(COUNT, 10, "mem"))])
    first, second = (draw_figures(folder, tmp_path / name) for name in ("a", "b"))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([], id="nothing"),
        pytest.param(codes(3.0), id="one seed, no FPA"),
        pytest.param(codes(0.0, 0.0, 2.0), id="zero bits"),
        pytest.param(codes(0.0, 0.0), id="all zero"),
        pytest.param([{**r, "nats": None, "status": "diverged"} for r in codes(1.0, 2.0)], id="all codes diverged"),
        pytest.param([decode(seed=1), decode(seed=2)], id="all seeds diverged"),
        pytest.param(codes(1.0)[:7], id="half a code"),
    ],
)
def test_degenerate_tables_are_drawn(tmp_path: Path, rows: list[Row]) -> None:
    for path in drawn(tmp_path, rows):
        assert path.stat().st_size > 400


def test_random_and_a_cell_that_was_not_run(tmp_path: Path) -> None:
    task = with_random(COUNT)
    rows = [r for c in task.candidates for r in code(task, 10, c, "lstm", 1, 3.0)]
    rows += code(task, 20, "mem", "cnn", 1, 3.0)
    drawn(tmp_path, rows, task)
    assert "random" in read_table(tmp_path / "tables", "code_length")["candidate"].tolist()


def test_where_a_log_axis_begins() -> None:
    assert log_floor(pd.Series([0.5, 2e-5])) == pytest.approx(1e-5)
    assert log_floor(pd.Series([1e-30])) == pytest.approx(1e-7)
    assert log_floor(pd.Series([0.0, 2.0])) == pytest.approx(0.1)


def test_the_atlas_names_the_rule_of_each_cell_and_says_how_sure(tmp_path: Path) -> None:
    rows = [decode(seed=s, outputs=follow(COUNT, 10, "mem")) for s in range(1, 13)]
    rows += [decode(seed=s, learner="cnn", outputs=follow(COUNT, 10, "unfit")) for s in range(1, 13)]
    rows += [decode(seed=s, learner="gru", outputs=follow(COUNT, 10, "count")) for s in (1, 2)]
    svg, png, _ = draw_atlas(tables(tmp_path / "tables", rows), tmp_path / "figures")
    text = svg.read_text()
    assert png.exists() and svg.name == "atlas.svg"
    for said in ("mem", "count", "– unfit", "100%", "lstm", "cnn", "gru"):
        assert f"<!-- {said} -->" in text, said
    shades = re.findall(r"fill: (#[0-9a-f]{6}); stroke: (#[0-9a-f]{6})", text)
    assert (RULE_COLOURS[1], RULE_COLOURS[1]) in shades  # mem, sure: filled
    assert ("#ffffff", RULE_COLOURS[0]) in shades  # count, two seeds: not filled


def test_a_rule_that_has_no_code_is_not_hidden_by_what_is_preferred_among_those_that_have(tmp_path: Path) -> None:
    """All seeds keep the length of source and output together (`total`, no candidate); `mem` has the shorter code."""
    kept = COUNT.further_rules["total"]
    said = [kept(source, 10) for source in COUNT.test_inputs(10)]
    outputs = ["x" if output is None else line(output) for output in said]
    rows = [decode(seed=s, outputs=outputs) for s in range(1, 13)]
    for rule, bits in (("count", 60.0), ("mem", 20.0)):
        rows += [row for s in range(1, 13) for row in code(COUNT, 10, rule, "lstm", s, bits + s / 10)]
    of = tables(tmp_path / "tables", rows)
    (verdict,) = read_table(of, "verdicts").to_dict("records")
    assert verdict["rule"] == "mem" and verdict["level"] == "tested"
    assert re.fullmatch(r"mem preferred \(n = 12, p .*\), yet 12 of 12 seeds: total", verdict["verdict"])
    everything = {name: read_table(of, name) for name in RUN} | read_found(of)
    (finding,) = Answers(everything).findings(COUNT.name, "lstm")
    assert finding.numbers == [(10, "20.6 bits against 60.7 (count), n = 12, yet 12 of 12 seeds: total")]
    text = draw_atlas(of, tmp_path / "figures")[0].read_text()
    assert "<!-- total -->" in text and "<!-- mem -->" not in text
    assert ("#ffffff", RULE_COLOURS[2]) in re.findall(r"fill: (#[0-9a-f]{6}); stroke: (#[0-9a-f]{6})", text)


def test_the_atlas_of_some_in_their_order(tmp_path: Path) -> None:
    rows = [decode(seed=1, learner=name) for name in ("cnn", "gru", "lstm")]
    of = tables(tmp_path / "tables", rows)
    svg, *_ = draw_atlas(of, tmp_path / "figures", ["count-or-mem/10"], ["lstm", "cnn"])
    said = re.findall(r"<!-- (\w+) -->", svg.read_text())
    assert said.index("lstm") < said.index("cnn") and "gru" not in said
    with pytest.raises(UserError, match=r"no task and size 'count-or-mem/20'; did you mean 'count-or-mem/10'\?"):
        draw_atlas(of, tmp_path / "figures", ["count-or-mem/20"])
    with pytest.raises(UserError, match="no learner 'gpt'"):
        draw_atlas(of, tmp_path / "figures", learners=["gpt"])


def test_a_rule_has_one_colour_in_all_columns_and_none_beside_it_the_same(tmp_path: Path) -> None:
    mul = load_tasks()["mul-by-3"]
    both = [
        tables(tmp_path / "count", [decode(seed=s, outputs=follow(COUNT, 10, "mem")) for s in range(1, 13)]),
        tables(tmp_path / "mul", [
            row
            for learner, rule in (("cnn", "mem"), ("gru", "add"), ("lstm", "mul"))
            for row in [
                decode(task=mul.name, seed=s, learner=learner, outputs=follow(mul, 10, rule)) for s in range(1, 13)
            ]
        ], mul),
    ]  # fmt: skip
    verdicts, fpa, code_length = (
        pd.concat([read_table(folder, name) for folder in both]) for name in ("verdicts", "fpa", "code_length")
    )
    (figure,) = atlas(verdicts, fpa, code_length).figures
    (axes,) = figure.axes
    shades: dict[str, set[str]] = {}
    for mark, said in zip(axes.lines, axes.texts, strict=True):
        shades.setdefault(said.get_text().split()[0], set()).add(str(mark.get_color()))
    assert shades.keys() == {"mem", "add", "mul"}
    assert all(len(of_rule) == 1 for of_rule in shades.values())
    assert len(set.union(*shades.values())) == 3


def test_columns_that_a_page_cannot_show_abreast_lie_below(tmp_path: Path) -> None:
    verdicts, fpa, code = (
        read_table(tables(tmp_path, [decode(seed=1)]), n) for n in ("verdicts", "fpa", "code_length")
    )
    many = pd.concat([verdicts.assign(task=f"task{place}") for place in range(ABREAST + 1)])
    (narrow,), (wide,) = atlas(verdicts, fpa, code).figures, atlas(many, fpa, code).figures
    assert [len(axes.get_xticks()) for axes in (*narrow.axes, *wide.axes)] == [1, ABREAST, 1]
    assert wide.get_figwidth() < 11


def test_the_atlas_of_nothing_says_so(tmp_path: Path) -> None:
    assert all(path.exists() for path in draw_atlas(tables(tmp_path / "tables", []), tmp_path / "figures"))


def test_what_was_found_has_marks_and_words_of_its_own(tmp_path: Path) -> None:
    """Where most seeds follow no rule, and `found_rules` says what they do; a row of every form."""
    forms = ("rule", "split", "mixture", "given", "about", "kind", "none", "too few seeds")
    of = tables(tmp_path / "tables", [
        decode(seed=s, learner=form.replace(" ", "-"), outputs=[line(("b",) * 10) if len(source) == 10 else "b"
                                                               for source in COUNT.test_inputs(10)])
        for form in forms for s in range(1, 13)
    ])  # fmt: skip
    empty = dict.fromkeys(columns_of("found_rules"), math.nan) | dict.fromkeys(text_columns("found_rules"), "")
    rows = [
        empty
        | {"task": COUNT.name, "size": 10, "learner": form.replace(" ", "-"), "form": form, "part": part}
        | {"short": f"short {form}", "kind": "found", "given": "mem", "n_seeds": 12, "n_part": 5 + 2 * (part == 1)}
        | {"share": 0.9, "within_one": 0.95, "consensus": 0.4, "ci_note": "", "note": ""}
        for form in forms
        for part in ((1, 2) if form in ("split", "mixture") else (1,))
    ]
    write_tables({"found_rules": pd.DataFrame(rows, columns=columns_of("found_rules"))}, of)
    verdicts, fpa, code_length = (read_table(of, n) for n in ("verdicts", "fpa", "code_length"))
    (figure,) = atlas(verdicts, fpa, code_length, found=read_found(of)["found_rules"]).figures
    (axes,) = figure.axes
    said = {text.get_text() for text in axes.texts}
    assert said == {
        *("short rule\n90 %", "2 kinds 90 %\n7+5", "one of 2\n90 %", "mem\n90 %", "short about\n±1: 95 %"),
        *("short kind\n90 %", "agree on\n40 %", "– other\n100%"),
    }
    assert sum(str(mark.get_marker()) == "D" for mark in axes.lines) == 2
    assert sum(isinstance(patch, Wedge) for patch in axes.patches) == 2
    assert sum(isinstance(patch, Arc) for patch in axes.patches) == 2
    assert len(figure.legends) == 2
