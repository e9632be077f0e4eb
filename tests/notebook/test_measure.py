"""`from doubt import measure`: the workflow's numbers, in one call, for tasks and learners of one's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from torch import Tensor, nn

import doubt
from doubt import Symbols, Task, measure
from doubt.data.seeds import parse_seeds
from doubt.data.task import line, load_tasks
from doubt.errors import UserError
from tests.shared.workspace import ROOT, Workspace

pytestmark = pytest.mark.xdist_group("notebook")


class Bag(nn.Module):
    """The sum of the source, and of the output so far."""

    def __init__(self, source_symbols: int, target_symbols: int, width: int = 8) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(source_symbols, width), nn.Embedding(target_symbols, width)
        self.out = nn.Linear(width, target_symbols)

    def forward(self, source: Tensor, source_mask: Tensor, previous: Tensor) -> Tensor:
        read = (self.source(source) * source_mask[..., None]).sum(1, keepdim=True)
        return self.out(self.target(previous).cumsum(1) + read)


class Turned(Task):
    """`a a` stays, and `a b`: does it stay too, or is it turned?"""

    name = "turned"
    sizes = (2,)
    candidates = {"same": lambda source, size: source, "turned": lambda source, size: source[::-1]}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * size, ("b",) * size]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [("a", "b"), ("b", "a")]


def test_numbers_are_the_workflows_to_the_last_bit(tmp_path: Path) -> None:
    definition = {"module": "decoder_only", "heads": 2, "positions": "rope"}
    experiment = {"task": "hierar-or-linear", "sizes": [4], "learners": ["mine"], "seeds": "1-2"}
    config = {"device": "cpu", "updates": 20, "learners": {"mine": definition}, "experiments": [experiment]}
    workspace = Workspace(tmp_path / "w", config)
    workspace.run("results/runs/hierar-or-linear/4/mine.jsonl")
    program = f"""
import json
from doubt import measure
m = measure("hierar-or-linear", {definition}, seeds="1-2", updates=20, device="cpu", name="mine", progress=False)
blocks = m.tables["blocks"][["dataset", "seed", "block", "training_id", "nats"]]
outputs = m.outputs[["src", "pred", "seeds"]]
json.dump([frame.values.tolist() for frame in (blocks, outputs)], open("measured.json", "w"))
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)
    blocks, outputs = json.loads((tmp_path / "measured.json").read_text())
    text = (workspace.here / "results/runs/hierar-or-linear/4/mine.jsonl").read_text()
    rows = list(map(json.loads, text.splitlines()))
    keys = ("dataset", "seed", "block", "training_id", "nats")
    theirs = [[row[key] for key in keys] for row in rows if row["kind"] == "score"]
    assert sorted(blocks) == sorted(theirs) and len(blocks) == 16
    said = {(seed, src): pred for src, pred, seeds in outputs for seed in parse_seeds(seeds.replace(" ", ","))}
    sources = [line(source) for source in load_tasks()["hierar-or-linear"].test_inputs(4)]
    decodes = [row for row in rows if row["kind"] == "decode"]
    assert said == {(row["seed"], s): p for row in decodes for s, p in zip(sources, row["outputs"], strict=True)}


def test_a_task_and_a_learner_of_ones_own_are_measured_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = measure(Turned, Bag, seeds=range(4), updates=30, ledger=tmp_path)
    assert "12/12" in capsys.readouterr().err
    again = measure(Turned(), {"module": Bag}, seeds=range(4), updates=30, ledger=tmp_path)
    assert capsys.readouterr().err == ""  # nothing was trained
    assert first.tables["blocks"].equals(again.tables["blocks"])
    wider = measure(Turned, {"module": Bag, "width": 12}, seeds=range(2), updates=30, ledger=tmp_path, progress=False)
    assert capsys.readouterr().err == ""
    assert wider.code_lengths["n_seeds"].tolist() == [2, 2]
    assert first.fpa["n"].sum() == 4 and set(first.fpa["class"]) == {"same", "turned", "other", "unfit", "diverged"}
    assert list(first.code_lengths["candidate"]) == ["same", "turned"] and len(first.seeds) == 4
    assert set(first.outputs["src"]) == {"a a", "b b", "a b", "b a"}
    assert first.engine == "modules" and first.task == "turned" and first.learner == "Bag"


def test_a_measurement_shows_itself() -> None:
    found = measure(Turned, Bag, seeds="1-2", measures=("fpa",), updates=5, progress=False)
    page = found._repr_html_()
    assert "Bag on turned 2, engine modules" in page and "<svg" in page and "<table" in page
    assert "unfit" in repr(found) and "bits_mean" not in repr(found)
    for figure in ("rule_shares", "code_lengths", "code_curves"):
        assert found.plot(figure).get_figwidth() > 3
    with pytest.raises(UserError, match="did you mean 'rule_shares'"):
        found.plot("rule_share")


def test_learners_of_a_name_run_on_the_engine_that_fits() -> None:
    options = {"seeds": [1], "measures": ("fpa",), "updates": 2, "progress": False, "device": "cpu"}
    for name, engine in (("transformer", "fused"), ("mamba", "modules")):
        found = measure("add-or-mul", name, **options)  # type: ignore[arg-type]
        assert (found.engine, found.size) == (engine, 5)
    slow = {"arch": "lstm", "encoder_layers": 2, "decoder_layers": 2, "optimizer": "adam", "lr": 1e-3}
    assert measure("add-or-mul", slow, **options).engine == "fairseq"  # type: ignore[arg-type]


def test_what_is_wrong_is_said_in_one_sentence() -> None:
    class Nothing(Task):
        name = "nothing"

    for arguments, words in (
        (("add-or-mull", "mamba"), "did you mean 'add-or-mul'?"),
        (("add-or-mul", "mambo"), "no learner 'mambo'; did you mean 'mamba'?"),
        (("add-or-mul", {"module": "mamba", "widht": 3}), "learner 'mamba': class Mamba has no argument 'widht'"),
        (("add-or-mul", 3), "3 is no learner"),
        ((Nothing, "mamba"), "task Nothing lacks sizes, candidates"),
        (("add-or-mul", "mamba", "3-1"), "seeds: the range '3-1' runs backwards"),
        (("add-or-mul", "mamba", "1", ("fpas",)), "no measure 'fpas'"),
    ):
        with pytest.raises(UserError) as error:
            measure(*arguments)  # type: ignore[arg-type]
        assert words in str(error.value)
    with pytest.raises(UserError, match="has no size 6"):
        measure("add-or-mul", "mamba", size=6)


def test_tasks_stay_light_and_unknown_names_unknown() -> None:
    program = "import sys, doubt; doubt.Task; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'measurse'"):
        doubt.measurse  # noqa: B018


def test_the_notebook_runs() -> None:
    notebook = nbformat.read(ROOT / "docs/notebook.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT / "docs")}})
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = "".join(str(output.get("data", {}).get("text/html", "")) for output in outputs)
    assert "<svg" in shown and "Mine on" in shown


def test_the_presets_definitions_are_those_that_have_names() -> None:
    preset = yaml.safe_load((ROOT / "presets/learners.yaml").read_text())
    named = {name for experiment in preset["experiments"] for name in experiment["learners"]}
    assert named <= set(preset["learners"]) and len(preset["learners"]) >= 20
