"""The report: what is on the page."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from indoubt.data.task import line, load_tasks
from indoubt.errors import UserError
from indoubt.figures.draw import draw_figures
from indoubt.measures.classify import predictions
from indoubt.measures.rows import read_runs
from indoubt.report.answer import Answers, Finding
from indoubt.report.page import build_page
from indoubt.report.question import explained, question
from indoubt.schema import columns_of
from indoubt.schema.wording import shortened
from indoubt.tables.tables import build_tables, read_table, write_tables
from tests.shared.made_up import Row, code, decode, follow, write_cells
from tests.shared.reported import write_results
from tests.shared.tasks import released_tasks
from tests.shared.workspace import ROOT

TASKS = released_tasks()
COUNT = TASKS["count-or-mem"]


@pytest.fixture(scope="module")
def page(made_up: Path) -> str:
    return (made_up / "report" / "index.html").read_text(encoding="utf-8")


def test_the_page_has_all_sections(page: str) -> None:
    for part in (
        "Which rule does each learner prefer",
        "add-or-mul",
        "Learners",
        "Published claims",
        "How it was made",
    ):
        assert part in page
    assert "engine: made-up" in page and "git.revision" in page and "Partial:" in page
    cells = 2 * sum(min(len(task.sizes), 2) for task in TASKS.values())
    panels = 2 * cells + len(TASKS) + 1  # of code lengths for each learner and size, of shares for each task, the atlas
    assert page.count('<svg role="img" aria-label=') == panels


def test_nothing_is_fetched(page: str) -> None:
    markup = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", page, flags=re.S)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', markup)


def test_ids_are_there_once(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_numbers_are_those_of_the_tables(made_up: Path, page: str) -> None:
    verdicts = read_table(made_up / "tables", "verdicts")
    page = html.unescape(page)
    for row in verdicts.to_dict("records"):
        assert row["fpa_verdict"] in page and str(row["code_verdict"]) in page
    fpa = read_table(made_up / "tables", "fpa").query("n > 0").iloc[0]
    assert f"{fpa['fpa']:.2f} [{fpa['ci_low']:.2f}, {fpa['ci_high']:.2f}]" in page


def test_words_from_tables_are_escaped(tmp_path: Path) -> None:
    rows = [decode(seed=1, learner="<b>bold</b>", outputs=["</script>"] * 21)]
    folder = write_results(tmp_path, [], rows)
    text = build_page(folder / "tables", folder / "figures", TASKS)
    assert "<b>bold" not in text and "&lt;b&gt;bold" in text and text.count("</script>") == 3


@pytest.mark.parametrize(
    ("scores", "decodes", "said"),
    [
        pytest.param([], [], "Nothing was measured", id="nothing"),
        pytest.param(code(COUNT, 10, "mem", "lstm", 1, 2.0), [], "one candidate (mem)", id="one seed, one candidate"),
        pytest.param([], [decode(), decode(seed=2)], "diverged; FPA 2 of 2 seeds", id="all diverged"),
        pytest.param(code(COUNT, 10, "mem", "lstm", 1, 2.0)[:5], [], "incomplete", id="half a code"),
        pytest.param([], [decode(outputs=follow(COUNT, 10, "mem"))], "seen, too few seeds to test", id="one seed"),
    ],
)  # fmt: skip
def test_degenerate_results_have_a_page(tmp_path: Path, scores: list[Row], decodes: list[Row], said: str) -> None:
    folder = write_results(tmp_path, scores, decodes)
    assert said in build_page(folder / "tables", folder / "figures", TASKS)


def test_a_missing_figure_is_said(tmp_path: Path) -> None:
    folder = write_results(tmp_path, [], [decode()])
    shutil.rmtree(folder / "figures")
    with pytest.raises(UserError, match=r"rule_shares\.json .*snakemake figures"):
        build_page(folder / "tables", folder / "figures", TASKS)


def test_figures_of_what_was_not_measured_are_left_out_and_said_to_be(tmp_path: Path) -> None:
    folder = write_results(tmp_path, [], [decode(seed=s, outputs=follow(COUNT, 10, "mem")) for s in range(1, 13)])
    text = build_page(folder / "tables", folder / "figures", TASKS)
    assert text.count('<svg role="img"') == 1 and "not measured" not in (folder / "figures").name
    assert "Code length was not measured on this task." in text and "How many bits" not in text


def test_a_finding_says_its_share_with_interval_and_n_and_can_be_quoted(tmp_path: Path) -> None:
    rows = [decode(seed=s, outputs=follow(COUNT, 10, "mem" if s > 1 else "count")) for s in range(1, 13)]
    folder = write_results(tmp_path, [], rows)
    text = build_page(folder / "tables", folder / "figures", TASKS)
    sentence = "lstm on count-or-mem, size 10: mem (sure); FPA 11 of 12 seeds [0.65, 0.99]."
    assert f'data-copy="{sentence.replace(";", "&#59;")}"' in text or f'data-copy="{sentence}"' in text
    (anchor,) = re.findall(r'<li class="finding tested" id="([^"]+)"', text)
    assert f'href="#{anchor}"' in text


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (
            ["mem"] * 3 + ["count"],
            "size 10: mem (seen, too few seeds to test); FPA 3 of 4 seeds [0.30, 0.95], 7 seeds needed to test.",
        ),
        (
            ["mem", "count"] * 2,
            "size 10: seen, too few seeds to test; FPA 2 of 4 seeds: count and mem each, 7 seeds needed to test.",
        ),
    ],
)
def test_seeds_that_are_too_few_by_fpa_are_said_with_how_many_it_takes(
    tmp_path: Path, rules: list[str], sentence: str
) -> None:
    """Two learners on a task of two rules are two pairs: 2 * 2 / 2^n is below .05 from seven seeds on."""
    rows = [decode(seed=s, learner=learner, outputs=follow(COUNT, 10, rule))
            for learner in ("lstm", "cnn") for s, rule in enumerate(rules)]  # fmt: skip
    folder = write_results(tmp_path, [], rows)
    text = html.unescape(build_page(folder / "tables", folder / "figures", TASKS))
    assert f"lstm on count-or-mem, {sentence}" in text


def test_inputs_that_do_not_tell_all_rules_apart_are_told_with_how_many_tell_any_two(tmp_path: Path) -> None:
    """Of odd-or-place no single input tells all six rules apart, but any two differ on 8 of 30; of the other all do."""
    task = load_tasks()["odd-or-place"]
    rows = [decode(task.name, 4, "lstm", 1, ["x"] * len(task.test_inputs(4)))]
    lines = predictions(task, 4, rows)
    rows += [decode(outputs=follow(COUNT, 10, "mem"))]
    lines = [*lines, *predictions(COUNT, 10, rows[1:])]
    both = {each.name: each for each in (task, COUNT)}
    write_tables(build_tables([], rows, lines, both), tmp_path / "tables")
    draw_figures(tmp_path / "tables", tmp_path / "figures")
    text = build_page(tmp_path / "tables", tmp_path / "figures", both)
    assert "Size 4: any two candidates differ on 8 or more of the 30 hold-out inputs." in text
    assert text.count("any two candidates differ") == 1


def finding(folder: Path, scores: list[Row], decodes: list[Row]) -> Finding:
    tables = build_tables(scores, decodes, predictions(COUNT, 10, decodes), TASKS)
    found = {"found_rules": pd.DataFrame(columns=columns_of("found_rules"))}
    (only,) = Answers(tables | found).findings(COUNT.name, "lstm")
    return only


def test_the_measure_that_decides_stands_first(tmp_path: Path) -> None:
    scores = [
        r for s in range(1, 13) for c, b in (("count", 2.0), ("mem", 30.0)) for r in code(COUNT, 10, c, "lstm", s, b)
    ]
    decodes = [decode(seed=s, outputs=follow(COUNT, 10, "count" if s > 9 else "mem")) for s in range(1, 13)]
    by_code = finding(tmp_path, scores, decodes)
    assert (by_code.rule, by_code.state) == ("count", "tested")
    assert by_code.numbers == [(10, "2.00 bits against 30.0 (mem), n = 12")]
    by_fpa = finding(tmp_path, [], [decode(seed=s, outputs=follow(COUNT, 10, "mem")) for s in range(1, 13)])
    assert by_fpa.numbers == [(10, "FPA 12 of 12 seeds [0.76, 1.00]")]


@pytest.mark.parametrize(
    ("rules", "state", "numbers"),
    [
        (["unfit"] * 7 + ["mem"] * 5, "unfit", "5 of 12 seeds fit T"),
        (["unfit"] * 6 + ["mem"] * 6, "open", "FPA 6 of 12 seeds: mem and unfit each"),
        (["other"] * 7 + ["mem"] * 5, "no given rule", "7 of 12 seeds [0.32, 0.81] follow none of its rules"),
        (["total"] * 7 + ["mem"] * 5, "no code", "FPA 7 of 12 seeds [0.32, 0.81]"),
        (["count"] * 6 + ["mem"] * 6, "open", "FPA 6 of 12 seeds: count and mem each"),
        (["count"] * 7 + ["mem"] * 5, "open", "FPA 7 of 12 seeds: count [0.32, 0.81]"),
    ],
)
def test_no_clear_preference_is_of_several_kinds(tmp_path: Path, rules: list[str], state: str, numbers: str) -> None:
    total = COUNT.further_rules["total"]
    kept = [line(output) if (output := total(source, 10)) is not None else "x" for source in COUNT.test_inputs(10)]
    decodes = [
        decode(seed=s, outputs=kept if rule == "total" else follow(COUNT, 10, rule)) for s, rule in enumerate(rules)
    ]
    found = finding(tmp_path, [], decodes)
    assert (found.state, found.numbers) == (state, [(10, numbers)])


def test_claims_on_cells_that_were_not_run_are_folded_away(made_up: Path, page: str) -> None:
    claims = read_table(made_up / "tables", "claims")
    shown = page[page.index('id="claims"') :].split("</table>")[0]
    assert shown.count("<tr>") == 1 + (claims["n_run"] > 0).sum() < 1 + len(claims)
    folded = page[page.index("on cells that were not run") :].split("</details>")[0]
    assert folded.count("<dt>") == (claims["n_run"] == 0).sum()


def test_a_rule_has_one_colour_on_the_page_and_in_all_pictures(made_up: Path, page: str) -> None:
    chips = set(re.findall(r'class="chip" style="--rule: (#\w+)">mem<', page))
    bars = json.loads((made_up / "figures/add-or-mul/panels/rule_shares.json").read_text())["panels"][0]["svg"]
    other = json.loads((made_up / "figures/count-or-mem/panels/rule_shares.json").read_text())["panels"][0]["svg"]
    (colour,) = chips
    assert colour in bars and colour in other


def test_the_table_of_shares_says_what_happened_first(tmp_path: Path) -> None:
    rules = ["count", "mem", "mem", "other"]
    rows = [decode(seed=s, outputs=follow(COUNT, 10, rule)) for s, rule in enumerate(rules)]
    folder = write_results(tmp_path, [], rows)
    text = build_page(folder / "tables", folder / "figures", TASKS)
    body = text[text.index('id="fpa-count-or-mem"') :].split("<tbody>")[1].split("</tbody>")[0]
    assert re.findall(r'data-sort="(count|mem|other|unfit|diverged)"', body) == []
    assert re.findall(r"<td>(count|mem|other|unfit|diverged)</td>", body) == ["mem", "count", "other"]


@pytest.mark.parametrize(
    ("task", "sizes", "said"),
    [
        ("add-or-mul", [10], 'maps 10 symbols to twice that. Is the rule "10 more", "twice"'),
        ("add-or-mul", [20, 5], "maps 5 or 20 symbols to twice that."),
        ("comp-or-mem", [5, 10, 20], "5, 10 or 20 primitives, one of them"),
    ],
)
def test_questions_are_asked_in_numbers(task: str, sizes: list[int], said: str) -> None:
    assert said in question(TASKS[task], sizes)


def test_an_example_at_another_size_than_the_one_shown_is_left_out() -> None:
    rule = TASKS["add-or-mul"].candidates["add"]
    assert explained(rule, 5) == "5 more symbols than the input has: at size 5, a a a -> b b b b b b b b."
    assert explained(rule, 10) == "10 more symbols than the input has."


@pytest.mark.parametrize(
    ("symbols", "said"), [("", "(empty)"), ("b b b", "b b b"), ("b " * 46, "b × 46"), ("F a A A A A A", "F a A × 5")]
)
def test_outputs_in_short(symbols: str, said: str) -> None:
    assert shortened(symbols.split()) == said


@pytest.mark.long
def test_the_papers_grid_in_a_minute(tmp_path: Path) -> None:
    """Tables, figures and report of made-up results for every training of the paper's grid: 60 s and 2 GB."""
    runs = write_cells(tmp_path, range(1, 101))
    files = []
    for path in runs:
        task, size, learner = path.parts[-3], path.parts[-2], path.stem
        files.append(tmp_path / "predictions" / task / size / learner / "predictions.jsonl")
        files[-1].parent.mkdir(parents=True)
        lines = predictions(TASKS[task], int(size), read_runs([path])[1])
        files[-1].write_text("".join(json.dumps(line) + "\n" for line in lines))
    tables, figures, page = tmp_path / "tables", tmp_path / "figures", tmp_path / "report" / "index.html"
    commands: list[list[object]] = [
        ["aggregate", "--runs", *runs, "--predictions", *files, "--tables", tables],
        ["figures", "--tables", tables, "--figures", figures],
        ["report", "--tables", tables, "--figures", figures, "--output", page],
    ]
    started, most = time.monotonic(), 0
    for name, *arguments in commands:
        measured = "import resource,runpy,sys; sys.argv = sys.argv[1:]; sys.path.insert(0, {!r}); runpy.run_path(sys.argv[0], run_name='__main__'); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"  # noqa: E501
        script = ROOT / "scripts" / f"{name}.py"
        command = [sys.executable, "-c", measured.format(str(ROOT)), str(script), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        most = max(most, int(done.stdout.split()[-1]))
    assert time.monotonic() - started < 60
    assert most < 2e6  # in kB
    assert page.stat().st_size < 5e6


def test_a_preference_of_a_learner_that_does_not_fit_is_said_to_be_so(tmp_path: Path) -> None:
    rows = [
        r for s in range(1, 9) for c, b in (("count", 2.0), ("mem", 30.0)) for r in code(COUNT, 10, c, "lstm", s, b + s)
    ]
    folder = write_results(tmp_path, rows, [decode(seed=s, outputs=follow(COUNT, 10, "unfit")) for s in range(1, 9)])
    text = build_page(folder / "tables", folder / "figures", TASKS)
    assert "size 10: does not fit T; 0 of 8 seeds fit T, code lengths: 6.50 bits against 34.5 (mem), n = 8." in text, (
        "that it does not fit T stands before what its codes prefer"
    )


def test_shares_of_responses_stand_beside_fpa_and_kinds_are_told_apart(made_up: Path, page: str) -> None:
    responses = read_table(made_up / "tables", "responses")
    row = responses[(responses["task"] == "add-or-mul") & (responses["rule"] == "mem")].iloc[0]
    page = html.unescape(page)
    assert f"{row['share']:.2f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}]" in page
    assert page.index('id="fpa-add-or-mul"') < page.index('id="responses-add-or-mul"')
    assert "Outputs are also compared with these, which have no code length: total (" in page


def test_of_a_large_hold_out_a_part_of_the_outputs_is_shown(tmp_path: Path) -> None:
    """Of a task with a long name, too."""
    task = load_tasks()["oddone-or-hierar-mirr-cofr-paren"]
    rows = [decode(task.name, 4, "lstm", seed, ["x"] * len(task.test_inputs(4))) for seed in (1, 2)]
    write_tables(build_tables([], rows, predictions(task, 4, rows), {task.name: task}), tmp_path / "tables")
    draw_figures(tmp_path / "tables", tmp_path / "figures")
    text = build_page(tmp_path / "tables", tmp_path / "figures", {task.name: task})
    assert "of a class at most 12 inputs; outputs.csv has all" in text
    assert text.count("2 of 2 [0.34, 1.00]") < 50
