"""From cell files to tables, by the command line and in parts."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from indoubt.data.rules import with_random
from indoubt.errors import UserError
from indoubt.measures.classify import classes, predictions
from indoubt.measures.rows import either, read_runs
from indoubt.schema import RUN, TABLES, columns_of
from indoubt.tables.paper_table import latex, markdown, number, paper_tables
from indoubt.tables.tables import build_tables, read_table, write_tables
from tests.shared.made_up import code, decode, follow, score, write_cells
from tests.shared.tasks import released_tasks
from tests.shared.workspace import ROOT

TASKS = released_tasks()
COUNT = TASKS["count-or-mem"]


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def tables_of(rows: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    scores, decodes = ([r for r in rows if r["kind"] == k] for k in ("score", "decode"))
    return build_tables(scores, decodes, predictions(COUNT, 10, decodes), TASKS)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of made-up cells with its tables."""
    folder = tmp_path_factory.mktemp("results")
    sizes = {name: task.sizes[:1] for name, task in TASKS.items()}
    runs = write_cells(folder, range(1, 4), sizes=sizes, learners=("cnn", "lstm"))
    written = []
    for path in runs:
        task, size, learner = path.parts[-3], int(path.parts[-2]), path.stem
        lines = predictions(TASKS[task], size, read_runs([path])[1])
        written.append(folder / "predictions" / task / str(size) / learner / "predictions.jsonl")
        written[-1].parent.mkdir(parents=True)
        written[-1].write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = script("aggregate", "--tables", folder / "tables", "--runs", *runs, "--predictions", *written)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_columns_that_others_rely_on(made_up: Path) -> None:
    def head(name: str) -> list[str]:
        with (made_up / "tables" / f"{name}.csv").open() as file:
            return next(csv.reader(file))

    assert ",".join(head("blocks")).startswith(
        "task,size,dataset,learner,seed,block,n_examples,bits,training_id,engine,device,torch,seconds,status,"
        "adam_state,rng_streams"
    )
    assert head("fpa")[:9] == ["task", "size", "learner", "class", "n_seeds", "n_fit", "n", "fpa", "ci_low"]
    wanted = {"task", "size", "learner", "candidate", "n_seeds", "bits_mean", "nats_mean", "bits_median", "ci_low"}
    assert wanted | {"ci_high", "bits_per_example", "n_diverged", "ci_note"} <= set(head("code_length"))


def test_the_rows_of_the_tables(made_up: Path) -> None:
    tables = {name: read_table(made_up / "tables", name) for name in RUN}
    n_codes = sum(2 * len(task.candidates) for task in TASKS.values())
    assert len(tables["code_length"]) == n_codes and len(tables["seed_code_lengths"]) == 3 * n_codes
    assert len(tables["fpa"]) == sum(2 * len(classes(task)) for task in TASKS.values())
    blocks = sum(3 * 2 * len(t.candidates) * t.n_blocks(t.sizes[0]) for t in TASKS.values())
    assert len(tables["blocks"]) == blocks
    assert tables["fpa"].groupby(["task", "size", "learner"])["fpa"].sum().tolist() == pytest.approx([1] * 8)


def test_bits_are_written_with_all_their_digits(made_up: Path) -> None:
    blocks = read_table(made_up / "tables", "blocks")
    assert (blocks["bits"] == blocks["nats"] / math.log(2)).all()


def test_a_shared_training_is_counted_once() -> None:
    rows = [r for c in ("count", "mem") for r in code(COUNT, 10, c, "lstm", 1, 5.0)]
    costs = tables_of([*rows, decode(outputs=follow(COUNT, 10, "mem"))])["costs"]
    assert costs["n_trainings"].tolist() == [39] and costs["seconds"].tolist() == [78.0]


def test_equal_outputs_are_counted_together() -> None:
    rows = [decode(seed=s, outputs=follow(COUNT, 10, c)) for s, c in enumerate(("mem", "mem", "count"), 1)]
    table = tables_of([*rows, decode(seed=4)])["outputs"]
    assert len(table) == 2 * 21
    of_mem = table[(table["class"] == "mem") & (table["src"] == "a a")].iloc[0]
    assert (of_mem["pred"], of_mem["n_seeds"], of_mem["n_class"]) == (" ".join("b" * 10), 2, 2)


def test_no_rows_give_tables_with_headers(tmp_path: Path) -> None:
    done = script("aggregate", "--tables", tmp_path)
    assert done.returncode == 0, done.stderr
    for name in RUN:
        table = read_table(tmp_path, name)
        assert list(table.columns) == columns_of(name) and (table.empty or name == "claims")
    assert (tmp_path / "paper_table.md").read_text() == "Nothing was measured.\n"
    assert "nothing was measured" in (tmp_path / "paper_table.tex").read_text()


@pytest.mark.parametrize(("part", "value"), [("adam_state", "carried"), ("rng_streams", "released"), ("min_len", 1)])
def test_mixed_protocols_are_refused_by_name(part: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{part} is .*count-or-mem/10/cnn.*count-or-mem/10/lstm"):
        tables_of([score(), score(learner="cnn", **{part: value})])
    with pytest.raises(UserError, match=part):  # predictions of one protocol, codes of another
        tables_of([score(), decode(outputs=follow(COUNT, 10, "mem"), **{part: value})])


def test_mixed_engines_are_shown() -> None:
    rows = [r for s in (1, 2) for r in code(COUNT, 10, "mem", "lstm", s, 5.0, engine=f"engine{s}")]
    rows += [decode(seed=s, outputs=follow(COUNT, 10, "mem"), device=f"device{s}") for s in (1, 2)]
    tables = tables_of(rows)
    assert tables["code_length"]["engine"].tolist() == ["mixed: engine1, engine2"]
    assert set(tables["fpa"]["device"]) == {"mixed: device1, device2"}
    mixed_seed = code(COUNT, 10, "mem", "lstm", 3, 5.0)
    mixed_seed[3]["torch"] = "1.1"
    assert tables_of(mixed_seed)["seed_code_lengths"]["torch"].tolist() == ["mixed: 0.0, 1.1"]
    assert either([]) == "" and either([1, 1]) == "1"


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "line 1 is not JSON"), ("[]", "a JSON object is needed"), ('{"kind": "x"}', "kind is 'x'"),
     ('\n{"kind": "score"}', "line 2 lacks task")],
)  # fmt: skip
def test_broken_cell_files(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "cell.jsonl").write_text(text)
    with pytest.raises(UserError, match=said):
        read_runs([tmp_path / "cell.jsonl"])


def test_broken_tables(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing"):
        read_table(tmp_path, "fpa")
    (tmp_path / "fpa.csv").write_text("")
    with pytest.raises(UserError, match="lacks even its header"):
        read_table(tmp_path, "fpa")
    (tmp_path / "fpa.csv").write_text("task,size\n")
    with pytest.raises(UserError, match="lacks the columns learner"):
        read_table(tmp_path, "fpa")


def test_a_word_where_a_number_must_stand_is_said(tmp_path: Path) -> None:
    write_tables(tables_of([decode(outputs=follow(COUNT, 10, "count"))]), tmp_path)
    path = tmp_path / "fpa.csv"
    path.write_text(path.read_text().replace("0.20654931437723745", "a fifth", 1))
    with pytest.raises(UserError, match=r"fpa\.csv is damaged: ci_low is 'a fifth', no share"):
        read_table(tmp_path, "fpa")


@pytest.mark.parametrize("learner", ["1e5", "NA", "nan", "007", "True"])
def test_names_are_read_as_they_were_written(tmp_path: Path, learner: str) -> None:
    """A learner may be called what looks like a number or like nothing, and a training's hash may look like one."""
    rows = code(COUNT, 10, "mem", learner, 1, 5.0, training_id="12e34567")
    write_tables(tables_of([*rows, decode(learner=learner, outputs=follow(COUNT, 10, "count"))]), tmp_path)
    for name in ("blocks", "seed_classes", "fpa", "code_length", "costs"):
        assert set(read_table(tmp_path, name)["learner"]) == {learner}, name
    assert set(read_table(tmp_path, "blocks")["training_id"]) == {"12e34567"}


def test_a_table_of_an_earlier_version_lacks_what_came_later(tmp_path: Path) -> None:
    rows = code(COUNT, 10, "mem", "lstm", 1, 5.0)
    write_tables(tables_of([*rows, decode(outputs=follow(COUNT, 10, "count"))]), tmp_path)
    for name, later in (("seed_code_lengths", "outside_bits"), ("verdicts", "cannot_tell")):
        today = read_table(tmp_path, name)
        today.drop(columns=later).to_csv(tmp_path / f"{name}.csv", index=False)
        before = read_table(tmp_path, name)
        pd.testing.assert_frame_equal(before[today.columns], today, check_dtype=False)


def test_no_table_leaves_with_other_columns_than_the_schema_says(tmp_path: Path) -> None:
    table = tables_of([decode(outputs=follow(COUNT, 10, "count"))])["fpa"]
    with pytest.raises(ValueError, match="table fpa has the columns"):
        write_tables({"fpa": table.drop(columns="n_fit")}, tmp_path)
    with pytest.raises(ValueError, match="table fpa has the columns"):
        write_tables({"fpa": table[[*table.columns[::-1]]]}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_column_has_a_meaning_and_its_interval_its_ends() -> None:
    for name, table in TABLES.items():
        for column, about in table.columns.items():
            assert about.meaning, (name, column)
            assert {*(about.ends or ()), *filter(None, [about.note])} <= set(table.columns), (name, column)


def test_empty_outputs_survive_reading(tmp_path: Path) -> None:
    write_tables(tables_of([decode(outputs=follow(COUNT, 10, "count"))]), tmp_path)
    table = read_table(tmp_path, "outputs")
    assert table["src"][0] == "" and table["pred"][0] == "" and table["agrees"][0] == "count"


def test_the_paper_table() -> None:
    rows = [r for s in (1, 2) for c, b in (("count", 2.0), ("mem", 30.0)) for r in code(COUNT, 10, c, "lstm", s, b * s)]
    tables = tables_of([*rows, *(decode(seed=s, outputs=follow(COUNT, 10, "count")) for s in (1, 2))])
    papers = paper_tables(tables["fpa"], tables["code_length"])
    text = markdown(papers)
    assert "| lstm | 10 | 2 | 1.00 [0.34, 1.00] | 0.00 [0.00, 0.66] | 2 | **3.00** [" in text
    for part in ("adam\\_state", "\\textbf{3.00}", "\\multicolumn{2}{c}{FPA}"):
        assert part in latex(papers)


def test_random_is_never_the_shortest() -> None:
    task = with_random(COUNT)
    rows = [r for c, b in (("mem", 5.0), ("random", 1.0)) for r in code(task, 10, c, "lstm", 1, b)]
    tables = build_tables(rows, [], [], {task.name: task})
    assert tables["code_length"]["candidate"].tolist() == ["mem", "random"]
    assert "**1.00**" not in markdown(paper_tables(tables["fpa"], tables["code_length"]))


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0"), (123.4, "123"), (12.34, "12.3"), (0.0123, "0.0123"), (9.63e-6, "9.6e-6"), (math.nan, "–")],
)
def test_numbers(value: float, said: str) -> None:
    assert number(value) == said


@pytest.mark.parametrize("kind", ["score", "decode"])
def test_a_learner_that_was_configured_in_two_ways_is_refused(kind: str) -> None:
    """Wherever its rows are: another task's, another seed's, or a prediction of before beside the runs of today."""
    made = {"score": score, "decode": lambda **changed: decode(outputs=follow(COUNT, 10, "count"), **changed)}[kind]
    one, other = made(), made(seed=2, configured="otherwise", updates=200)
    with pytest.raises(UserError, match=r"'lstm'.*two ways.*seed 1 \(updates 3000.*seed 2 \(updates 200.*make run"):
        tables_of([one, other])
    assert len(tables_of([one, made(learner="another", configured="otherwise")])) == len(RUN)


def test_predictions_of_before_beside_the_runs_of_today_are_refused() -> None:
    row = decode(outputs=follow(COUNT, 10, "count"))
    old = predictions(COUNT, 10, [row | {"configured": "before"}])
    with pytest.raises(UserError, match="configured in two ways"):
        build_tables([], [row], old, TASKS)


def test_rows_on_two_versions_of_a_dataset_are_refused() -> None:
    with pytest.raises(UserError, match=r"different examples.*different versions of dataset 'count'"):
        tables_of([score(), score(seed=2, examples="before")])


def test_a_file_of_rows_that_do_not_belong_together_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lstm.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (score(), score(block=2, configured="otherwise"))))
    with pytest.raises(UserError, match="configured in two ways"):
        read_runs([path])
