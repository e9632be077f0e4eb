"""The command `indoubt`: its subcommands, presets by name, lists, and the page of a results folder."""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

import pytest

from indoubt.command import COMMANDS, report, run, tasks
from indoubt.command import main as command
from indoubt.data.task import load_tasks
from indoubt.errors import UserError
from indoubt.measures.rows import read_runs
from indoubt.workflow.config_files import add_config_options, configfiles, content_of
from tests.shared.made_up import write_cells
from tests.shared.reported import write_results
from tests.shared.workspace import ROOT, indoubt


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_what_it_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.run([name, "--help"])
    assert ended.value.code == 0 and f"usage: indoubt {name}" in capsys.readouterr().out


def test_a_mistyped_command_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="there is no command 'statsu'; did you mean 'status'"):
        command.run(["statsu"])


def test_alone_it_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    command.run([])
    said = capsys.readouterr().out
    assert all(f"    {name} " in said for name in COMMANDS)


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    return parser.parse_args(words)


def test_presets_have_names_and_own_files_come_over_them(tmp_path: Path) -> None:
    own = tmp_path / "my.yaml"
    own.write_text("updates: 7\n")
    files = configfiles(options("--configfile", str(own), "--preset", "paper", "smoke"))
    assert files == [str(ROOT / "presets/paper.yaml"), str(ROOT / "presets/smoke.yaml"), str(own)]
    assert configfiles(options("--preset", str(own))) == [str(own)]
    assert content_of(files, [])["updates"] == 7
    with pytest.raises(UserError, match=r"no preset 'papr'; did you mean 'paper'\?; there are atlas, "):
        configfiles(options("--preset", "papr"))


def test_a_run_hands_snakemake_what_is_its(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    handed: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "run", lambda plan, options, stop, lock: handed.append(options))
    run.main(["tables", "--preset", "smoke", "--cores", "1", "--config", "device=cpu", "updates=2", "--keep-going"])
    smoke = str(ROOT / "presets/smoke.yaml")
    configured = ["--configfile", smoke, "--config", "device=cpu", "updates=2"]
    assert handed == [["tables", "--cores", "1", "--keep-going", *configured]]


def test_a_shell_completes_commands_and_presets(tmp_path: Path) -> None:
    pytest.importorskip("argcomplete")

    def completed(line: str) -> set[str]:
        answer = tmp_path / "answer"
        asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9"}
        variables = os.environ | asked | {"_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "_ARGCOMPLETE_IFS": "\n"}
        subprocess.run(indoubt(), env=variables, check=False, stderr=subprocess.DEVNULL)
        return {each.strip() for each in answer.read_text().split("\n")}

    assert completed("indoubt es") == {"estimate"}
    assert completed("indoubt plan --preset smo") == {"smoke"}
    assert "--measured" in completed("indoubt archive pack --m")


def test_tasks_are_listed_with_their_question_and_cost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    tasks.main([])
    _, *lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("comp-or-mem "))
    for said in ("5, 10, 20", "compo, mem_prim, mem_func", "11, 26, 56", "Does the function apply to the others?"):
        assert said in row
    assert {line.split()[0] for line in lines[: len(load_tasks())]} == set(load_tasks())


def test_whoever_reads_a_list_may_stop() -> None:
    process = subprocess.Popen(indoubt("tasks"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait(60) == 1
    process.stderr.close()


def test_a_results_folder_gets_its_page_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"there are no tables in .*: `indoubt run` makes them"):
        report.main(["--results", str(tmp_path)])
    rows = write_cells(tmp_path, range(1, 4), sizes={"add-or-mul": (5,)}, learners=("cnn",))
    write_results(tmp_path, *read_runs(rows))
    (tmp_path / "tables/provenance.json").write_text('{"Python": "of yesterday"}')
    (tmp_path / "tables/config.yaml").write_text("updates: 3000  # of yesterday\n")
    report.main(["--results", str(tmp_path), "--output", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    assert page.count("of yesterday") == 2 and "<svg" in page and not (tmp_path / "report").exists()
    said = capsys.readouterr().out
    assert "add-or-mul" in said and str(tmp_path / "page.html") in said
