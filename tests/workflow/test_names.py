"""Names and keys that would lose something or break a path: refused when the configuration is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from indoubt.errors import UserError
from indoubt.files import as_file_name
from indoubt.learners.sweeps import in_a_name, read_grid
from indoubt.workflow.config_checks import faults_of
from indoubt.workflow.config_files import check_unique, content_of, load
from indoubt.workflow.heartbeat import heartbeat, signs
from tests.shared.workspace import ROOT


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a/b", "may hold letters"),
        ("../up", "may hold letters"),
        ("-dash", "may hold letters"),
        (".hidden", "may hold letters"),
        ("a{b}", "may hold letters"),
        ("a b", "may hold letters"),
        ("a ", "may hold letters"),
        ("a\n", "may hold letters"),
        ("é", "may hold letters"),
        ("", "may hold letters"),
        ("x" * 201, "has 201 characters, more than 200"),
        ("cnn,layers=" + "+".join(["512x3"] * 24), "ends with '+512x3' 20 times or more"),
        ("aaaaaaaaaaaaaaaaaaaa", "ends with 'a' 20 times or more"),
        ("cnn.jsonl", "ends with .jsonl"),
    ],
)
def test_names_that_break_a_path_are_refused(name: str, said: str) -> None:
    (fault,) = faults_of([name], [])
    assert said in fault


@pytest.mark.parametrize("name", ["cnn", "a" * 19, "9a.b_c=d,e+f-g", "x".join(map(str, range(60)))])
def test_other_names_are_not(name: str) -> None:
    assert faults_of([name], [name]) == []


def test_names_that_differ_in_case_alone_are_refused_where_both_are_measured() -> None:
    (fault,) = faults_of(["cnn", "CNN", "lstm"], ["CNN", "cnn", "lstm"])
    assert "'CNN' and 'cnn' differ in case alone" in fault
    assert faults_of(["cnn", "CNN"], ["CNN"]) == []


def test_many_equal_layers_have_a_short_name() -> None:
    assert faults_of([f"cnn,layers={in_a_name('[(512, 3)] * 24')}"], []) == []


def test_a_job_of_long_names_gives_signs_of_life(tmp_path: Path) -> None:
    job = {"task": "t" * 100, "size": 5, "learner": "l" * 200, "seeds": [1], "blocks": [0, 0]}
    with heartbeat(tmp_path, job), heartbeat(tmp_path, job | {"learner": "l" * 199 + "x"}):
        assert [sign.state for sign in signs(tmp_path)] == ["running", "running"]
    assert as_file_name("short") == "short" and len(as_file_name("é" * 300).encode()) <= 220


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "a", 3),
        ("learners:\n  cnn: {x: 1}\n  cnn: {y: 2}\n", "cnn", 3),
        ("- {task: 1, task: 1}\n", "task", 1),
        ("a: 1\n'a': 2\n", "a", 2),
        ("yes: 1\ntrue: 2\n", "true", 2),
        ("{1: 1, 01: 2}\n", "01", 1),
        ("x: &x {a: 1}\ny: {<<: *x, <<: *x}\n", "<<", 2),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_its_lines(text: str, key: str, line: int) -> None:
    with pytest.raises(UserError, match=rf"my\.yaml, line {line}: the key '{key}' stands twice"):
        load(text, "my.yaml")


def test_what_a_merge_brings_along_may_be_overridden() -> None:
    text = "x: &x {a: 1, b: 2}\ny: &y\n  <<: *x\n  a: 3\nz:\n  <<: [*y, *x]\n  b: 4\nl: [*y, *y]\n"
    assert load(text, "my.yaml") == yaml.safe_load(text)
    assert load(text, "my.yaml")["z"] == {"a": 3, "b": 4}


@pytest.mark.parametrize("text", ["{", "a: !!python/object/apply:os.getcwd []", "a: 2026-99-99", "[" * 5000])
def test_what_is_no_yaml_is_said_so(text: str) -> None:
    with pytest.raises(UserError, match="is no YAML"):
        load(text, "my.yaml")


def test_json_too() -> None:
    check_unique('{"a": 1,\n\t"b": {"a": 2}}', "my.json")
    with pytest.raises(UserError, match=r"my\.json: the key 'b' stands twice"):
        check_unique('{"a": {"b": 1,\n\t"b": 2}}', "my.json")


@pytest.mark.parametrize("text", ["__use_yte__: true\n?open('ran', 'w'): 1\n", "x: &x {__use_yte__: no}\n<<: *x\n"])
def test_a_template_is_refused_and_not_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Snakemake would: our own programs look first, and refuse a run of what Snakemake alone has evaluated."""
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(text)
    with pytest.raises(UserError, match=r"^my\.yaml is a template \(__use_yte__\), which runs code"):
        content_of(["my.yaml"], [])
    with pytest.raises(UserError, match="is a template"):
        check_unique(text, "my.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["my.yaml"]


def test_every_way_in_refuses_it(tmp_path: Path) -> None:
    """Our own programs, and Snakemake, which reads its configuration before any code of ours."""
    (tmp_path / "my.yaml").write_text("learners:\n  mine: {arch: lstm}\n  mine: {arch: fconv}\n")
    said = "my.yaml, line 3: the key 'mine' stands twice, in line 2 too"
    with pytest.raises(UserError, match=said):
        content_of([str(tmp_path / "my.yaml")], [])
    with pytest.raises(UserError, match="--config gives updates twice"):
        content_of([], ["updates=5", "updates=6"])
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "-n", "--cores", "1"]
    command += ["--configfile", "my.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and said in done.stderr + done.stdout


def test_grid_files(tmp_path: Path) -> None:
    path = tmp_path / "grid.json"
    path.write_text('{"arch": ["lstm"], "--dropout": [0.1, 0.2]}')
    assert read_grid("mine", str(path)) == {"arch": ["lstm"], "dropout": [0.1, 0.2]}
    for text, said in (
        ('{"arch": ["lstm"], "lr": [1], "--lr": [2]}', "gives lr twice"),
        (json.dumps({"method": "grid", "parameters": {"lr": {"values": [1]}}}), r"names no `arch`.*another tool's"),
        ('{"lr": [1]}', "names no `arch`"),
        ("[" * 100_000, "is no JSON"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=said):
            read_grid("mine", str(path))
