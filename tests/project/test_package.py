"""The package as others install it: a wheel, in an environment of its own, in a folder that holds nothing of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import indoubt
from indoubt.workflow.code_hash import code_hash, content_hash
from indoubt.workflow.identity import identity
from tests.shared.workspace import ROOT

#: All that `measure` needs for a task and a learner of one's own.
NEEDED = ("torch", "numpy", "pandas", "scipy", "statsmodels", "matplotlib", "pydantic", "tqdm", "Jinja2")
#: Hashes that decide where results are filed, and which are stale.
HASHES = """
import json, sys
from indoubt.workflow.code_hash import code_hash, content_hash
from indoubt.workflow.identity import identity
own = [identity("modules", f"learners/{name}.py") for name in ("mamba", "transformer")]
scripts = [code_hash(f"scripts/{name}.py") for name in ("trainings", "aggregate")]
json.dump([*own, *scripts, content_hash("indoubt/report/templates/*")], sys.stdout)
"""
OWN = '''
import sys
from torch import nn
from indoubt import Symbols, Task, measure
from indoubt.errors import UserError

class Bracket(Task):
    """`a a b`: its longest run, or its first symbol?"""
    name = "first-or-most"
    sizes = (1,)
    candidates = {
        "first": lambda source, size: source[:1],
        "most": lambda source, size: (max(sorted(set(source)), key=source.count),),
    }
    def training_inputs(self, size): return [tuple(each) for each in ("aab", "bba", "aba", "bab")]
    def holdout_inputs(self, size): return [tuple("abb"), tuple("baa")]

class Mine(nn.Module):
    def __init__(self, symbols, width=8):
        super().__init__()
        self.table, self.out = nn.Embedding(symbols, width), nn.Linear(width, symbols)
    def forward(self, tokens):
        return self.out(self.table(tokens).cumsum(1))

found = measure(Bracket, Mine, seeds=range(1, 13), updates=3, progress=False)
assert found.fpa["n"].sum() == 12 and len(found.code_lengths) == 2 and "<svg" in found._repr_html_()
page = found.page("page.html").read_text()
assert "its longest run, or its first symbol?" in page and "Mine" in page
for name in ("fairseq", "snakemake", "yaml", "rich", "psutil", "diptest", "transformers"):
    assert name not in sys.modules
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    sys.exit(f"{name} is installed here")
for learner, extra in (({"arch": "lstm"}, "workflow"), ({"hf": "llama"}, "hf")):
    try:
        measure(Bracket, learner, seeds=[1], updates=1)
    except UserError as error:
        assert f"install in-doubt[{extra}]" in str(error), error
'''


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    command += ["--no-build-isolation"] if find_spec("hatchling") else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("in_doubt-*.whl"))


def environment(folder: Path, wheel: Path, packages: Path) -> Path:
    """The Python of an environment with the wheel, and beside it what lies in a folder of packages."""
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True)
    (next(folder.glob("lib/python*/site-packages")) / "others.pth").write_text(f"{packages}\n")
    return python


def only(folder: Path, names: tuple[str, ...]) -> Path:
    """A folder with some distributions of this environment, and with what they require."""
    folder.mkdir()
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop().lower()
        if name in seen:
            continue
        seen.add(name)
        distribution = metadata.distribution(name)
        requirements = map(Requirement, distribution.requires or [])
        waiting += [each.name for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
        for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(distribution.locate_file(top))))
    return folder


def run(command: list[str], folder: Path) -> str:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    folder.mkdir(exist_ok=True)
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_wheel_has_all_of_the_project_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("tasks", "learners", "presets", "rules", "scripts", "profiles"):
        kept = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=False).stdout
        assert {f"indoubt/project/{name}" for name in kept.split()} <= set(names)
    assert {"indoubt/project/Snakefile", "indoubt/project/config.yaml", "indoubt/py.typed"} <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"indoubt", "in_doubt"}
    assert not [name for name in names if name.endswith((".pyc", ".so"))]


def test_the_version_stands_in_one_place() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == indoubt.__version__
    assert "version =" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[project.scripts]")[0]


def test_a_module_of_ones_own_is_measured_with_nine_packages(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", wheel, only(tmp_path / "packages", NEEDED))
    (tmp_path / "own.py").write_text(OWN)
    run([str(python), str(tmp_path / "own.py")], tmp_path / "here")
    assert "add-or-mul" in run([str(tmp_path / "venv/bin/indoubt"), "tasks"], tmp_path / "here")
    ours = [identity("modules", f"learners/{name}.py") for name in ("mamba", "transformer")]
    ours += [code_hash(f"scripts/{name}.py") for name in ("trainings", "aggregate")]
    assert json.loads(run([str(python), "-c", HASHES], tmp_path)) == [
        *ours,
        content_hash("indoubt/report/templates/*"),
    ]


def site_packages() -> Path:
    return Path(str(metadata.distribution("torch").locate_file("")))


def test_an_installed_workflow_trains_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    environment(tmp_path / "venv", wheel, site_packages())
    command = [str(tmp_path / "venv/bin/indoubt"), "run", "results/runs/hierar-or-linear/4/cnn.jsonl"]
    said = run([*command, "--preset", "smoke", "--cores", "1", "--config", "updates=2"], tmp_path / "here")
    assert "trainings to do" in said and "Done in" in said
    assert (tmp_path / "here/results/runs/hierar-or-linear/4/cnn.jsonl").exists()


@pytest.mark.long
def test_an_installed_workflow_runs_the_smoke_preset(wheel: Path, tmp_path: Path) -> None:
    environment(tmp_path / "venv", wheel, site_packages())
    program, here = str(tmp_path / "venv/bin/indoubt"), tmp_path / "here"
    said = run([program, "run", "--preset", "smoke", "--cores", "2"], here)
    assert "count-or-mem" in said and (here / "results/report/index.html").exists()
    made = json.loads((here / "results/tables/provenance.json").read_text())
    assert made["revision of this software"] == f"version {indoubt.__version__}, installed"
    assert "Nothing to do" in run([program, "run", "--preset", "smoke", "--cores", "2"], here)
    assert "hierar-or-linear" in run([program, "report"], here)


@pytest.mark.long
def test_what_the_index_has_is_enough(wheel: Path, tmp_path: Path) -> None:
    """`pip install` as a user does it, with the newest of everything."""
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv/bin/python"
    run([sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", str(wheel)], tmp_path)
    (tmp_path / "own.py").write_text(OWN.split("for name in (")[0])
    run([str(python), str(tmp_path / "own.py")], tmp_path / "here")


MODULE = """
from indoubt.files import ROOT

module doubt:
    snakefile: str(ROOT / "Snakefile")
    config: config["doubt"]

use rule * from doubt as doubt_*

rule lines:
    input: "results/runs/hierar-or-linear/4/transformer.jsonl"
    output: "lines.txt"
    shell: "wc -l < {input} > {output}"
"""


def test_a_snakefile_takes_it_as_a_module(tmp_path: Path) -> None:
    experiment = {"task": "hierar-or-linear", "learners": ["transformer"], "seeds": "1-2", "measures": ["fpa"]}
    (tmp_path / "Snakefile").write_text(MODULE)
    (tmp_path / "my.yaml").write_text(
        yaml.safe_dump({"doubt": {"updates": 2, "device": "cpu", "experiments": [experiment]}})
    )
    command = [sys.executable, "-m", "snakemake", "lines.txt", "--cores", "1", "--configfile", "my.yaml"]
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "lines.txt").read_text().split() == ["2"]
