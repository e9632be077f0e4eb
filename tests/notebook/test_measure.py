"""`from indoubt import measure`: the workflow's numbers, in one call, for tasks and learners of one's own."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from torch import Tensor, nn

import indoubt
from indoubt import Symbols, Task, measure
from indoubt.data.seeds import parse_seeds
from indoubt.data.task import line, load_tasks
from indoubt.engines.progress import say
from indoubt.errors import UserError
from indoubt.learner import FairseqLearner, ModuleLearner
from indoubt.notebook import measure as measuring
from indoubt.notebook.arguments import definition_of
from indoubt.notebook.measurement import Bar
from indoubt.training import Example, Protocol, Result, Training
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
from indoubt import measure
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
        assert found.plot(figure).get_figwidth() > 3 and "<svg" in found.plot(figure)._repr_svg_()
    with pytest.raises(UserError, match="did you mean 'rule_shares'"):
        found.plot("rule_share")


def test_learners_of_a_name_run_on_the_engine_that_fits() -> None:
    options = {"seeds": [1], "measures": ("fpa",), "updates": 2, "progress": False, "device": "cpu"}
    for name, engine in (("transformer", "fused"), ("mamba", "modules")):
        found = measure("add-or-mul", name, **options)  # type: ignore[arg-type]
        assert (found.engine, found.size) == (engine, 5)
    slow = {"arch": "lstm", "encoder_layers": 2, "decoder_layers": 2, "optimizer": "adam", "lr": 1e-3}
    assert measure("add-or-mul", slow, **options).engine == "fairseq"  # type: ignore[arg-type]


def told(**changes: Any) -> type[Task]:
    return type("Told", (Turned,), changes)


def raises(source: Symbols, size: int) -> Symbols:
    return (source[5],)


SAME = Turned.candidates["same"]
WRONG: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    (("add-or-mull", "mamba"), {}, "did you mean 'add-or-mul'?"),
    (("add-or-mul", "mambo"), {}, "no learner 'mambo'; did you mean 'mamba'?"),
    (("add-or-mul", {"module": "mamba", "widht": 3}), {}, "learner 'mamba': class Mamba has no argument 'widht'"),
    (("add-or-mul", 3), {}, "3 is no learner"),
    (("add-or-mul", "my/mine.py"), {}, 'is a file: give {"module": "my/mine.py"}, or import its class and give that'),
    (("tasks/my_task.py", "mamba"), {}, "task 'tasks/my_task.py' is a file: import its class, and give that"),
    (("add-or-mul", "mamba", "3-1"), {}, "seeds: the range '3-1' runs backwards"),
    (("add-or-mul", "mamba", 2), {}, "seeds are a list of numbers or a range, such as range(1, 17)"),
    (("add-or-mul", "mamba", None), {}, "seeds are a list of numbers"),
    (("add-or-mul", "mamba", [1.5]), {}, "seeds: [1.5] is no list of seeds"),
    (("add-or-mul", "mamba", []), {}, "seeds: no seeds given"),
    (("add-or-mul", "mamba", "1", ("fpas",)), {}, "no measure 'fpas'; there are fpa and code_length; did you mean"),
    (("add-or-mul", "mamba", "1", "fpa"), {}, "measures is a list of names"),
    (("add-or-mul", "mamba", "1", ()), {}, "no measure"),
    (("add-or-mul", "mamba"), {"size": 6}, "has no size 6"),
    (("add-or-mul", "mamba"), {"size": "5"}, "has no size '5'"),
    (("add-or-mul", "mamba"), {"updates": 0}, "updates: Input should be greater than or equal to 1, it is 0"),
    (("add-or-mul", "mamba"), {"updates": "20"}, "updates: "),
    (("add-or-mul", {"module": "mamba", "updates": 0}), {}, "updates: Input should be greater than or equal to 1"),
    (("add-or-mul", "mamba"), {"device": "gpu"}, "device: 'gpu' is not allowed, it must be 'auto', 'cpu' or 'cuda'"),
    (("add-or-mul", "mamba"), {"name": 3}, "name is what tables and figures call the learner"),
    (("add-or-mul", "mamba"), {"ledger": 3}, "ledger is a folder"),
    (("add-or-mul", "mamba"), {"ledger": __file__}, "cannot be a folder"),
    (("add-or-mul", Bag(8, 8)), {}, "each seed needs weights of its own: give the class, Bag"),
    (("add-or-mul", {"module": Bag(8, 8)}), {}, "each seed needs weights of its own: give the class, Bag"),
    (("add-or-mul", {"module": dict}), {}, "<class 'dict'> is no learner"),
    (("add-or-mul", {3: "mamba"}), {}, "a definition's keys are texts"),
    (("add-or-mul", dict), {}, "<class 'dict'> is no learner"),
    ((3, "mamba"), {}, "3 is no task"),
    ((Bag, "mamba"), {}, "is no task: give a name, a subclass of indoubt.Task, or an instance"),
    ((type("Nothing", (Task,), {"name": "nothing"}), "mamba"), {}, "task Nothing lacks sizes, candidates"),
    ((told(sizes=1), Bag), {}, "task Told: sizes must be whole numbers, in a tuple such as (5, 10); they are 1"),
    ((told(sizes=(1.5,)), Bag), {}, "task Told: sizes must be whole numbers"),
    ((told(sizes=()), Bag), {}, "task Told: sizes must be whole"),
    ((told(block_size=0), Bag), {}, "task Told: block_size must be a whole number of at least 1, it is 0"),
    ((told(name="Turned"), Bag), {}, "task Told: task name 'Turned' must be lower-case letters"),
    ((told(name=3), Bag), {}, "task Told: task name 3 must be lower-case letters"),
    ((told(candidates=[SAME]), Bag), {}, "task Told: candidates must map names to functions"),
    ((told(candidates={"same": "same"}), Bag), {}, "candidate 'same' is 'same', which is no function"),
    ((told(candidates={}), Bag), {}, "task Told: candidates is empty"),
    ((told(candidates={"same": SAME, "unfit": SAME}), Bag), {},
     "task Told: candidate name 'unfit' is reserved; choose another"),
    ((told(candidates={"same": SAME, "random": SAME})(), Bag), {}, "candidate name 'random' is reserved"),
    ((told(candidates={"same": SAME, "text": lambda source, size: "".join(source)}), Bag), {},
     "task 'turned', size 2: candidate 'text' gives 'aa' as the output of 'a a', which must be a tuple of symbols"),
    ((told(candidates={"same": SAME, "raises": raises}), Bag), {},
     "task 'turned', size 2: candidate 'raises' of 'a a' fails: IndexError: tuple index out of range; correct"),
    ((told(holdout_inputs=lambda self, size: [("a", "c")]), Bag), {},
     "the input 'a c' has the symbol 'c', which T's sources and so all dictionaries lack"),
    ((told(holdout_inputs=lambda self, size: [("a", "a")]), Bag), {}, "'a a' is both in training_inputs and in"),
    ((told(training_inputs=lambda self, size: [("a", "b", "b")]), Bag), {}, "the candidates disagree on the"),
    ((told(training_inputs=lambda self, size: 1 / 0), Bag), {}, "training_inputs fails: ZeroDivisionError"),
    ((told(__init__=lambda self, more: None), Bag), {}, "task Told cannot be made: TypeError"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "options", "words"), WRONG, ids=[words[:40] for *_, words in WRONG])
def test_what_is_wrong_is_said_in_one_sentence(
    arguments: tuple[Any, ...], options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """... before anything is trained."""
    monkeypatch.setattr(measuring, "measured", lambda *_: pytest.fail("something was trained"))
    with pytest.raises(UserError) as error:
        measure(*arguments, **options)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_names_of_the_findings_are_known() -> None:
    preset = yaml.safe_load((ROOT / "presets/atlas.yaml").read_text())
    for name in {name for experiment in preset["experiments"] for name in experiment["learners"]}:
        assert definition_of(name, None)[1] == name
    assert definition_of("transformer-0.1", None)[0]["dropout"] == 0.1


def test_a_task_is_read_anew_each_time() -> None:
    """An instance that is measured twice, a rule of which hangs on what another cell changes."""
    said = {"a b": "a", "b a": "b"}
    rule = {"same": SAME, "said": lambda source, size: (said[line(source)],) if len(set(source)) > 1 else source}
    task = told(candidates=rule)()
    options: dict[str, Any] = {"seeds": [1], "measures": ("code_length",), "updates": 2, "progress": False}
    first = measure(task, Bag, **options).tables["blocks"]
    said["a b"] = "b"
    assert not measure(task, Bag, **options).tables["blocks"].equals(first)


def test_measurements_of_several_threads_wait_for_each_other() -> None:
    def one(name: str) -> list[float]:
        found = measure("add-or-mul", name, seeds="1-2", measures=("code_length",), updates=3, progress=False)
        return list(found.code_lengths["bits_mean"])

    names, original = ["decoder-nope", "gru-64", "decoder-rope"], nn.functional.dropout
    alone = [one(name) for name in names]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(one, names)) == alone
    assert nn.functional.dropout is original


def test_the_bar_moves_while_a_lockstep_is_under_way(capsys: pytest.CaptureFixture[str]) -> None:
    learner = ModuleLearner({"module": "bag.Bag"}, 8, file="bag.py")
    examples = (Example((4, 2), (4, 2)),)
    trainings = [Training(learner, Protocol(), seed, ("a",), ("a",), (examples,)) for seed in (1, 2)]
    others = [replace(each, learner=FairseqLearner({})) for each in trainings]
    with Bar("label", learner, shown=True) as bar:
        bar.begin(3, 2)
        for asked, done, shown in ((others, 4, "0/2"), (trainings, 2, "0.5/2"), (trainings, 8, "2.0/2")):
            say(asked, done)
            bar.show()
            assert shown in capsys.readouterr().err.replace(" ", "")
        for training in trainings:
            bar.trained(training, Result(training.key, "ok", 0.0, 8))
    said = capsys.readouterr().err
    assert "2/2" in said and "label (1 of 3 known)" in said
    say((), 0)


def test_a_class_of_a_session_is_trained_anew_when_a_constant_of_another_cell_has_changed(tmp_path: Path) -> None:
    program = """
import sys, linecache
import __main__
from indoubt import measure

def cell(number, text):
    name = f"<ipython-input-{number}-c>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), vars(__main__))

def bits():
    options = {"seeds": [1], "measures": ("code_length",), "updates": 3, "progress": False}
    return measure("add-or-mul", Mine, ledger=sys.argv[1], **options).code_lengths["bits_mean"].tolist()

del __main__.__file__
cell(1, "from torch import nn\\nSTART = 0.0\\nclass Base(nn.Module):\\n    gain = 1")
cell(2, '''class Mine(Base):
    def __init__(self, symbols, width=8):
        super().__init__()
        self.table, self.out = nn.Embedding(symbols, width), nn.Linear(width, symbols)
        nn.init.constant_(self.out.bias, START)
    def forward(self, tokens):
        return self.out(self.table(tokens).cumsum(1)) * self.gain
''')
first, again = bits(), bits()
cell(3, "START = 2.0")
other = bits()
Base.gain = 2
print(first == again, len({str(each) for each in (first, other, bits())}))
"""
    (tmp_path / "session.py").write_text(program)
    command = [sys.executable, str(tmp_path / "session.py"), str(tmp_path / "ledger")]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "3"], done.stderr
    trained = [line for file in (tmp_path / "ledger").glob("*/*/*.jsonl") for line in file.read_text().splitlines()]
    assert len({Path(file).parts[-3] for file in (tmp_path / "ledger").glob("*/*/*.jsonl")}) == 3 and len(trained) > 3


def test_tasks_stay_light_and_unknown_names_unknown() -> None:
    program = "import sys, indoubt; indoubt.Task; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'measurse'"):
        indoubt.measurse  # noqa: B018


def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # as if installed
    notebook = nbformat.read(ROOT / "docs/notebook.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT / "docs")}})
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = "".join(str(output.get("data", {}).get("text/html", "")) for output in outputs)
    assert "<svg" in shown and "Mine on" in shown and "a small Llama on" in shown


def test_the_notebooks_outputs_are_stored() -> None:
    notebook = nbformat.read(ROOT / "docs/notebook.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        defines = cell.source.startswith(("from", "class"))
        assert bool(cell.outputs) != defines, cell.source
        assert all(output.output_type == "execute_result" for output in cell.outputs)
    assert sum("image/svg+xml" in o.data or "<svg" in o.data.get("text/html", "") for c in code for o in c.outputs) >= 4
