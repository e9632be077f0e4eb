"""What a user's own module computes with is part of its identity, wherever it comes from; what is not, is not."""

from __future__ import annotations

import builtins
import importlib
import linecache
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from indoubt.errors import UserError
from indoubt.learner import FairseqLearner, ModuleLearner
from indoubt.notebook.arguments import named
from indoubt.workflow import code_hash
from indoubt.workflow import code_hash as learner_code
from indoubt.workflow.identity import MODULES_THEN, NOTEBOOK, identity, numbers_of, same_numbers, without_values
from indoubt.workflow.own_learners import own_of
from indoubt.workflow.plan import Plan
from indoubt.workflow.values import Values
from tests.shared.workspace import ROOT

HEAD = "import torch\nfrom torch import nn\n"
#: A learner whose parts the tests below replace; `{...}` are the places.
MODEL = """
class Mine(nn.Module):
    def __init__(self, symbols, width=8):
        super().__init__()
        self.table, self.out = nn.Embedding(symbols, width), nn.Linear(width, symbols)
        {made}

    def forward(self, tokens):
        x = self.table(tokens).cumsum(1)
        {run}
        return self.out(x)
"""


def model(made: str = "pass", run: str = "pass") -> str:
    return MODEL.format(made=made, run=run)


def of_file(path: Path, **arguments: Any) -> str:
    return own_of(ModuleLearner({"module": f"{path.stem}.Mine", **arguments}, file=str(path)))


class Session:
    """Cells that are run one after the other, as in a notebook; a cell without a name is never overwritten."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins}
        self.cells = 0

    def run(self, text: str) -> Session:
        self.cells += 1
        name = f"<ipython-input-{id(self)}-{self.cells}>"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        exec(compile(text, name, "exec"), self.space)
        return self

    def identity(self, name: str = "Mine") -> str:
        label = named(self.space[name])
        return own_of(ModuleLearner({"module": f"{label}.{name}"}, file=label))


#: By kind: cells of a session; then a cell that is run again with another content, and what makes numbers change.
CELLS = {
    "a constant that the constructor names": (["WIDE = 1", model("self.gain = WIDE")], "WIDE = 2"),
    "a constant that forward names alone": (["SCALE = 1.0", model(run="x = x * SCALE")], "SCALE = 1.5"),
    "a constant of a helper": (
        ["SCALE = 1", "def helper(x):\n    return x * SCALE", model(run="x = helper(x)")],
        "SCALE = 2",
    ),
    "a helper": (["def helper(x):\n    return x", model(run="x = helper(x)")], "def helper(x):\n    return x + 1"),
    "a default of a helper": (
        ["K = 1\ndef helper(x, k=K):\n    return x * k", model(run="x = helper(x)")],
        "K = 2\ndef helper(x, k=K):\n    return x * k",
    ),
    "a keyword's default": (
        ["K = 1\ndef helper(x, *, k=K):\n    return x * k", model(run="x = helper(x)")],
        "K = 2\ndef helper(x, *, k=K):\n    return x * k",
    ),
    "a lambda in a dict": (
        ["ACT = {'a': lambda x: x * 2}", model(run="x = ACT['a'](x)")],
        "ACT = {'a': lambda x: x * 3}",
    ),
    "text that a lambda gives": (
        ["MODE = lambda: 'one'", model(run="x = x * len(MODE())")],
        "MODE = lambda: 'three'",
    ),
    "a partial": (
        ["from functools import partial\nACT = partial(torch.mul, other=torch.tensor(2.0))", model(run="x = ACT(x)")],
        "ACT = partial(torch.mul, other=torch.tensor(3.0))",
    ),
    "a partial's number": (
        ["from functools import partial\nACT = partial(torch.clamp, min=0.0)", model(run="x = ACT(x)")],
        "ACT = partial(torch.clamp, min=-1.0)",
    ),
    "a base class of another cell": (
        [
            "class Base(nn.Module):\n    def scale(self, x):\n        return x",
            model(run="x = self.scale(x)").replace("nn.Module", "Base"),
        ],
        "class Base(nn.Module):\n    def scale(self, x):\n        return x * 2\nMine.__bases__ = (Base,)",
    ),
    "an attribute of a class without functions": (
        ["class Config:\n    gain = 1", model(run="x = x * Config.gain")],
        "class Config:\n    gain = 2",
    ),
    "an attribute that is set later": ([model(run="x = x * getattr(self, 'gain', 1)")], "Mine.gain = 3"),
    "a property": (
        [
            "class Mixin:\n    @property\n    def gain(self):\n        return 1",
            model(run="x = x * self.gain").replace("nn.Module", "Mixin, nn.Module"),
        ],
        "class Mixin2:\n    @property\n    def gain(self):\n        return 2\nMine.__bases__ = (Mixin2, nn.Module)",
    ),
    "a static method's constant": (
        [
            "K = 1\nclass Helper:\n    @staticmethod\n    def by(x):\n        return x * K",
            model(run="x = Helper.by(x)"),
        ],
        "K = 2",
    ),
    "a metaclass": (
        [
            "class Meta(type):\n    gain = 1",
            model(run="x = x * type(self).gain").replace("nn.Module", "nn.Module, metaclass=Meta"),
        ],
        "Meta.gain = 2",
    ),
    "a dataclass": (
        [
            "from dataclasses import dataclass\n@dataclass\nclass Config:\n    gain: int = 1\nCONFIG = Config()",
            model(run="x = x * CONFIG.gain"),
        ],
        "CONFIG.gain = 2",
    ),
    "a mutable value that another cell changes": (
        ["TABLE = {'gain': 1}", model(run="x = x * TABLE['gain']")],
        "TABLE['gain'] = 2",
    ),
    "a list in a list": (["LAYERS = [[1, 2], [3]]", model(run="x = x * LAYERS[0][1]")], "LAYERS[0][1] = 4"),
    "a set": (["ON = {'a', 'b', 'c'}", model(run="x = x * len(ON)")], "ON = {'a', 'b', 'd'}"),
    "a tensor": (["GAIN = torch.ones(3)", model(run="x = x * GAIN[1]")], "GAIN[1] = 1.0001"),
    "an array": (["import numpy as np\nGAIN = np.ones(3)", model(run="x = x * GAIN[1]")], "GAIN[1] = 1.0001"),
    "a module of the session": (
        ["torch.manual_seed(0)\nPART = nn.Linear(8, 8)", model(run="x = PART(x)")],
        "with torch.no_grad(): PART.weight[0, 0] += 1.0",
    ),
    "a name in a comprehension": (["N = 2", model(run="x = sum([x * N for _ in range(2)])")], "N = 3"),
    "a name in a function within forward": (
        ["N = 2", model(run="def inner(x):\n            return x * N\n        x = inner(x)")],
        "N = 3",
    ),
    "a name that is looked up by text": (["GAIN = 2", model(run="x = x * globals()['GAIN']")], "GAIN = 3"),
    "a name in what is evaluated": (["GAIN = 2", model(run="x = x * eval('GAIN + 1')")], "GAIN = 3"),
    "what a decorator encloses": (
        [
            "def by(k):\n    def wrap(f):\n        return lambda *a: f(*a) * k\n    return wrap",
            "@by(2)\ndef helper(x):\n    return x",
            model(run="x = helper(x)"),
        ],
        "@by(3)\ndef helper(x):\n    return x",
    ),
    "what a library's decorator wraps": (
        ["GAIN = 1\n@torch.no_grad()\ndef helper(x):\n    return x * GAIN", model(run="x = helper(x)")],
        "GAIN = 2",
    ),
    "what a cache remembers of a constant": (
        [
            "import functools\nGAIN = 1\n@functools.lru_cache\ndef helper():\n    return GAIN",
            model(run="x = x * helper()"),
        ],
        "GAIN = 2",
    ),
    "an object of a class of the session": (
        ["class Scale:\n    def __init__(self, k):\n        self.k = k\nS = Scale(1)", model(run="x = x * S.k")],
        "S = Scale(2)",
    ),
    "an object with slots": (
        [
            "class Scale:\n    __slots__ = ('k',)\n    def __init__(self, k):\n        self.k = k\nS = Scale(1)",
            model(run="x = x * S.k"),
        ],
        "S.k = 2",
    ),
    "a method of an object": (
        [
            "class Scale:\n    def __init__(self, k):\n        self.k = k"
            "\n    def by(self, x):\n        return x * self.k\nBY = Scale(1).by",
            model(run="x = BY(x)"),
        ],
        "BY = Scale(2).by",
    ),
    "a class that is chosen by name": (
        [
            "class One(nn.Identity):\n    k = 1\nclass Two(nn.Identity):\n    k = 2\nKINDS = {'part': One}",
            model("self.part = KINDS['part']()", "x = x * self.part.k"),
        ],
        "KINDS['part'] = Two",
    ),
    "a function as an attribute": (
        ["GAIN = 1", model("self.act = lambda x: x * GAIN", "x = self.act(x)")],
        "GAIN = 2",
    ),
    "an enumeration": (
        ["import enum\nclass Kind(enum.Enum):\n    A = 1\nKIND = Kind.A", model(run="x = x * KIND.value")],
        "class Kind(enum.Enum):\n    A = 2\nKIND = Kind.A",
    ),
    "what a hook encloses": (
        ["GAIN = 1\ndef hook(m, i, o):\n    return o * GAIN", model("self.out.register_forward_hook(hook)")],
        "GAIN = 2",
    ),
}


@pytest.mark.parametrize("kind", CELLS)
def test_values_of_a_session_count(kind: str) -> None:
    cells, change = CELLS[kind]
    session = Session().run(HEAD)
    for cell in cells:
        session.run(cell)
    first = session.identity()
    assert session.identity() == first, "nothing has changed"
    session.run("UNRELATED = 5\ndef unrelated():\n    return 6")
    for cell in cells:
        session.run(f"# a comment\n{cell}")
    assert session.identity() == first, "the cells were run again, with a comment"
    session.run(change)
    assert session.identity() != first


def test_a_class_that_a_function_makes_is_known_by_what_it_encloses() -> None:
    session = (
        Session()
        .run(HEAD)
        .run(
            "def make(k):\n"
            + "\n".join(f"    {line}" for line in model(run="x = x * k").splitlines())
            + "\n    return Mine"
        )
    )
    one, other, again = (session.run(f"Mine = make({k})").identity() for k in (1, 2, 1))
    assert one == again != other


#: By kind: files of a folder; then those that change. `mine.py` is the learner; a package may lie elsewhere.
READ = """import json
from pathlib import Path
HERE = Path(__file__).parent
def read(name):
    return (HERE / name).read_text()
"""
FILES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "a constant of a package, by its name": (
        {"mine.py": f"{HEAD}import lib.blocks as b\n{model(run='x = x * b.SCALE')}", "lib/blocks.py": "SCALE = 1.0",
         "lib/__init__.py": ""},
        {"lib/blocks.py": "SCALE = 5.0"},
    ),
    "a part of the learner's own package, by a relative import": (
        {"lib/mine.py": f"{HEAD}from .deep.blocks import SCALE\n{model(run='x = x * SCALE')}", "lib/__init__.py": "",
         "lib/deep/__init__.py": "", "lib/deep/blocks.py": "from ..sizes import SCALE", "lib/sizes.py": "SCALE = 1.0"},
        {"lib/sizes.py": "SCALE = 5.0"},
    ),
    "a package along PYTHONPATH": (
        {"mine.py": f"{HEAD}from parts.blocks import helper\n{model(run='x = helper(x)')}",
         "path/parts/__init__.py": "", "path/parts/blocks.py": "from .more import K\ndef helper(x):\n    return x * K",
         "path/parts/more.py": "K = 1"},
        {"path/parts/more.py": "K = 2"},
    ),
    "a module along PYTHONPATH that is imported where it is used": (
        {"mine.py": f"{HEAD}{model(run='import late; x = x * late.K')}", "path/late.py": "K = 1"},
        {"path/late.py": "K = 2"},
    ),
    "a module that is imported by its name as text": (
        {"mine.py": f"{HEAD}import importlib\nL = importlib.import_module('late')\n{model(run='x = x * L.K')}",
         "path/late.py": "K = 1"},
        {"path/late.py": "K = 2"},
    ),
    "all that a module holds": (
        {"mine.py": f"{HEAD}from late import *\n{model(run='x = x * K')}", "path/late.py": "K = 1"},
        {"path/late.py": "K = 2"},
    ),
    "what a package's star holds": (
        {"mine.py": f"{HEAD}from parts import *\n{model(run='x = x * late.K')}", "path/parts/late.py": "K = 1",
         "path/parts/__init__.py": "__all__ = ['late']"},
        {"path/parts/late.py": "K = 2"},
    ),
    "a file that the constructor loads": (
        {"mine.py": HEAD + READ + model("self.register_buffer('t', torch.tensor(json.loads(read('t.json'))))"),
         "t.json": "[1.0, 2.0]"},
        {"t.json": "[1.0, 2.00001]"},
    ),
    "a file that is read at import": (
        {"mine.py": HEAD + READ + "CONFIG = json.loads(read('c.json'))\n" + model("self.k = CONFIG['k']"),
         "c.json": '{"k": 1}'},
        {"c.json": '{"k": 2}'},
    ),
    "a file that a helper reads at import and keeps in a function": (
        {"mine.py": f"{HEAD}from helper import gain\n{model(run='x = x * gain()')}",
         "helper.py": READ + "def made(k):\n    return lambda: k\ngain = made(json.loads(read('c.json')))",
         "c.json": "1"},
        {"c.json": "2"},
    ),
    "a file that forward reads": (
        {"mine.py": HEAD + READ + model(run="x = x * float((HERE / 'gain.txt').read_text())"), "gain.txt": "1"},
        {"gain.txt": "2"},
    ),
    "a file that a cached function reads": (
        {"mine.py": HEAD + READ + "import functools\n@functools.cache\ndef gain():\n"
         "    return float((HERE / 'gain.txt').read_text())\n" + model(run="x = x * gain()"), "gain.txt": "1"},
        {"gain.txt": "2"},
    ),
    "code that is run from a file": (
        {"mine.py": HEAD + READ + "exec((HERE / 'more.txt').read_text())\n" + model(run="x = x * K"),
         "more.txt": "K = 1"},
        {"more.txt": "K = 2"},
    ),
    "a built-in learner": ({"mine.py": "from learners.s4d import S4D as Base\nclass Mine(Base):\n    pass"}, {}),
}  # fmt: skip


@pytest.fixture
def along_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose `path` Python looks along; what was imported from it is forgotten again."""
    (tmp_path / "path").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (mine,) = folder.rglob("mine.py")
    return mine


def fresh(path: Path, folder: Path, **environment: str) -> str:
    """The identity in a process of its own."""
    program = (
        "import sys; from indoubt.learner import ModuleLearner;"
        "from indoubt.workflow.own_learners import own_of;"
        "print(own_of(ModuleLearner({'module': 'mine.Mine'}, file=sys.argv[1])))"
    )
    along = os.pathsep.join([str(ROOT), str(folder / "path")])
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(
        command, env={"PYTHONPATH": along, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("kind", [kind for kind in FILES if FILES[kind][1]])
def test_files_count_wherever_they_lie(kind: str, along_the_path: Path) -> None:
    files, changed = FILES[kind]
    path = write(along_the_path, files)
    first = of_file(path)
    assert of_file(path) == first
    write(
        along_the_path, {name: f"{text}\n" for name, text in files.items() if name.endswith("py")} | {"no.py": "K = 3"}
    )
    (path.parent / "unrelated.txt").write_text("unrelated")
    assert of_file(path) == first, "nothing that is computed with has changed"
    write(along_the_path, changed | {"mine.py": files["mine.py"]} if "mine.py" in files else changed)
    second = of_file(path)
    assert second.partition("-")[0] != first.partition("-")[0]
    write(along_the_path, files)
    assert of_file(path) == first, "it is as it was"


def test_a_built_in_learner_counts_where_it_is_built_upon(tmp_path: Path) -> None:
    path = write(tmp_path, FILES["a built-in learner"][0])
    copy = ROOT / "learners/s4d.py"
    first = of_file(path)
    beyond = learner_code.beyond_its_folder([path], [path], ())
    assert any(part.startswith("s4d.py ") for part in beyond)
    path.write_text(f"{HEAD}{model()}")
    assert of_file(path) != first and not learner_code.beyond_its_folder([path], [path], ())
    assert copy.is_file()


def test_an_editable_install_counts_by_its_files_and_a_distribution_by_its_version(
    along_the_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editable install puts a finder where Python asks for modules; its files lie in a folder of the user's."""
    folder = along_the_path / "repository"
    write(folder, {"late_lib/__init__.py": "", "late_lib/parts.py": "K = 1", "mine.py": ""})

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            return importlib.machinery.PathFinder.find_spec(name, [str(folder)]) if name == "late_lib" else None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    path = along_the_path / "mine.py"
    path.write_text(f"{HEAD}from late_lib.parts import K\n{model(run='x = x * K')}")
    first = of_file(path)
    (folder / "late_lib/parts.py").write_text("K = 2")
    assert of_file(path) != first
    path.write_text(f"{HEAD}import yaml\n{model()}")
    first = of_file(path)
    monkeypatch.setattr(learner_code.importlib.metadata, "version", lambda name: "0.0.1")
    assert of_file(path) != first


@pytest.mark.parametrize("place", ["made", "run", "import"])
def test_variables_of_the_environment_count_where_they_are_read(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "float(os.environ.get('GAIN_OF_MINE', '1'))"
    where = {
        "made": model(f"self.k = {asked}"),
        "run": model(run=f"x = x * {asked}"),
        "import": f"K = {asked}{model()}",
    }
    path = tmp_path / "mine.py"
    path.write_text(f"{HEAD}import os\n{where[place]}")
    monkeypatch.delenv("GAIN_OF_MINE", raising=False)
    first = of_file(path)
    monkeypatch.setenv("ANOTHER_OF_MINE", "2")
    assert of_file(path) == first
    monkeypatch.setenv("GAIN_OF_MINE", "2")
    if place == "import":  # it was imported before
        path.write_text(path.read_text() + "\n")
    assert of_file(path) != first


def test_what_a_constructor_makes_counts_however_it_came_to_it(tmp_path: Path) -> None:
    """As by a library that opens files past Python."""
    from safetensors.torch import save_file

    path = tmp_path / "mine.py"
    made = f"self.register_buffer('t', load_file('{tmp_path}/t.safetensors')['t'])"
    path.write_text(f"{HEAD}from safetensors.torch import load_file\n{model(made)}")
    identities = []
    for gain in (1.0, 1.0, 1.5):
        save_file({"t": torch.linspace(0, gain, 50)}, tmp_path / "t.safetensors")
        identities.append(of_file(path))
    assert identities[0] == identities[1] != identities[2]


def test_arguments_decide_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    made = "self.register_buffer('t', torch.load(table))"
    path.write_text(f"{HEAD}{model(made).replace('width=8', 'table, width=8')}")
    for name in ("one", "other"):
        torch.save(torch.tensor([1.0, float(len(name))]), tmp_path / f"{name}.pt")
    one, other = (of_file(path, table=str(tmp_path / f"{name}.pt")) for name in ("one", "other"))
    torch.save(torch.tensor([1.0, 7.0]), tmp_path / "other.pt")
    assert one == of_file(path, table=str(tmp_path / "one.pt"))
    assert len({one, other, of_file(path, table=str(tmp_path / "other.pt"))}) == 3


UNSTEADY = """
import functools, os, time, uuid
NAMES = {"gamma", "alpha", "beta", "delta"}
BY_NAME = dict.fromkeys(NAMES, 1.0)
LOOKED_UP = {}

def by_name(name, kinds=frozenset({"one", "two", "three"})):
    return BY_NAME[name] if name in NAMES else LOOKED_UP.setdefault(name, 1.0)
"""


def test_an_identity_is_the_same_in_every_process_and_place(tmp_path: Path) -> None:
    made = (
        "self.names, self.born, self.own, self.here = set(NAMES), time.time(), uuid.uuid4(), object()\n        "
        "self.act = functools.partial(by_name, 'alpha'); self.out.register_forward_hook(lambda m, i, o: o * 1.0)\n"
        "        self.register_buffer('angles', torch.arange(40.0).sin()); self.place, self.text = HERE, str(HERE)"
    )
    text = HEAD + READ + UNSTEADY + model(made, "x = x * self.act() * float(len(json.loads(read('a.json'))))")
    path = write(tmp_path / "first", {"mine.py": text, "a.json": "[1]"})
    moved = write(tmp_path / "second", {"mine.py": text, "a.json": "[1]"})
    found = {fresh(path, tmp_path, PYTHONHASHSEED=str(seed)) for seed in (0, 1)}
    found.add(fresh(moved, tmp_path, PYTHONHASHSEED="2", ATEN_CPU_CAPABILITY="default", OMP_NUM_THREADS="2"))
    found |= {of_file(path), of_file(path)}
    assert len(found) == 1


def test_looking_at_a_learner_draws_nothing_from_the_sessions_streams(tmp_path: Path) -> None:
    path = write(tmp_path, {"mine.py": HEAD + model()})
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    of_file(path)
    assert torch.equal(torch.rand(1), expected)


def test_weights_that_no_seed_governs_are_refused(tmp_path: Path) -> None:
    made = "self.register_buffer('t', torch.tensor(np.random.default_rng().normal(size=4)).float())"
    path = write(tmp_path, {"mine.py": f"{HEAD}import numpy as np\n{model(made)}"})
    with pytest.raises(UserError, match=r"class Mine gives two modules of one seed different weights \(t\): draw them"):
        of_file(path)


def test_code_that_was_edited_after_its_import_counts_as_it_is_in_memory(along_the_path: Path) -> None:
    """A class that is given from Python computes with what was imported, not with what the file says now."""
    write(along_the_path, {"path/given.py": f"{HEAD}{model()}", "mine.py": ""})
    given = importlib.import_module("given")

    def identity() -> str:
        file, _, _ = named(given.Mine).partition(":")
        return own_of(ModuleLearner({"module": "given.Mine"}, file=file))

    first = identity()
    write(along_the_path, {"path/given.py": f"{HEAD}# a comment\n{model()}"})
    assert identity() == first
    write(along_the_path, {"path/given.py": f"{HEAD}{model(run='x = x * 2')}"})
    edited = identity()
    importlib.reload(given)
    assert len({first, edited, identity()}) == 3


def test_what_a_session_sets_in_an_imported_module_counts(along_the_path: Path) -> None:
    write(along_the_path, {"path/given.py": f"{HEAD}GAIN = 1\n{model(run='x = x * GAIN')}", "mine.py": ""})
    given = importlib.import_module("given")
    file, _, _ = named(given.Mine).partition(":")
    learner = ModuleLearner({"module": "given.Mine"}, file=file)
    first = own_of(learner)
    given.GAIN = 2
    assert own_of(learner) != first


def test_what_no_more_than_earlier_versions_knew_decides_is_known_by_their_hash(tmp_path: Path) -> None:
    path = write(tmp_path, {"mine.py": f"{HEAD}from sizes import K\n{model(run='x = x * K')}", "sizes.py": "K = 1"})
    then = learner_code.joined([MODULES_THEN, *learner_code.learner_code(path)])
    name = f"modules-1-{of_file(path)}"
    assert then in same_numbers(name) and without_values(name) == f"modules-1-{then}"
    path.write_text(path.read_text() + "\nopen(__file__)\n")  # now it reads something
    then = learner_code.joined([MODULES_THEN, *learner_code.learner_code(path)])
    assert then not in same_numbers(f"modules-1-{of_file(path)}")
    for name in ("s4d", "mamba", "transformer"):  # of built-in learners the atlas's results are kept
        built_in = ROOT / f"learners/{name}.py"
        earlier = learner_code.joined([MODULES_THEN, *learner_code.learner_code(built_in)])
        assert learner_code.own_code(MODULES_THEN, built_in) == earlier


def test_a_class_of_a_session_that_names_no_value_is_known_by_its_earlier_hash() -> None:
    """Revision 5884ccd filed it under 56c1b91e62a87784, and what it filed is right; not so where a value is named."""
    helper = "def helped(x):\n    return x * 2"
    session = Session().run(HEAD).run(helper).run(model(run="x = helped(x)"))
    assert f"{NOTEBOOK}-56c1b91e62a87784" in same_numbers(f"modules-1-{session.identity()}")
    for cells in (["K = 2", helper.replace("2", "K")], ["def helped(x, k=2):\n    return x * k"]):
        for cell in cells:
            session.run(cell)
        code = without_values(f"modules-1-{session.identity()}").rpartition("-")[2]
        assert code != learner_code.joined(texts_of(session))


def texts_of(session: Session) -> list[str]:
    """The code of a session's class as earlier versions hashed it."""
    values = Values()
    values.of(session.space["Mine"])
    return values.texts()


@pytest.mark.parametrize("engine", ["fairseq", "fused"])
def test_a_plug_in_counts_by_its_code_and_by_what_it_imports_from_elsewhere(engine: str, along_the_path: Path) -> None:
    plugin = along_the_path / "plugin"
    files = {"plugin/__init__.py": "from . import model", "plugin/model.py": "import parts\nWIDTH = 1"}
    write(along_the_path, files | {"path/parts.py": "K = 1", "mine.py": ""})
    learner = FairseqLearner({}, plugins=str(plugin))
    first = identity(engine, learner)
    assert first == identity(engine, learner) != numbers_of(engine).name
    (plugin / "model.py").write_text("import parts\nWIDTH = 1  # a comment")
    code_hash.file_hash.cache_clear()
    assert identity(engine, learner) == first
    found = {first}
    for name, text in (("plugin/model.py", "import parts\nWIDTH = 2"), ("path/parts.py", "K = 2")):
        (along_the_path / name).write_text(text)
        code_hash.file_hash.cache_clear()
        found.add(identity(engine, learner))
    assert len(found) == 3


def test_a_plan_files_a_users_module_under_all_that_it_computes_with(tmp_path: Path) -> None:
    path = write(tmp_path, {"mine.py": HEAD + READ + model("self.k = json.loads(read('c.json'))"), "c.json": "1"})
    experiment = {"task": "add-or-mul", "sizes": [5], "learners": ["mine", "s4d"], "seeds": 1, "measures": ["fpa"]}
    learners = {"mine": {"module": str(path)}, "s4d": {"module": "s4d"}}
    content = {"device": "cpu", "learners": learners, "experiments": [experiment]}

    def names() -> list[str]:
        plan = Plan(content, tmp_path / "cache")
        return [plan.engine_hash_of(plan.cell("add-or-mul", 5, name)) for name in learners]

    mine, built_in = names()
    assert re.fullmatch(r".*-[0-9a-f]{16}-[0-9a-f]{16}", mine)
    assert built_in == identity("modules", ModuleLearner({}, file="learners/s4d.py"))
    tried = set((tmp_path / "cache").iterdir())
    assert names() == [mine, built_in] and set((tmp_path / "cache").iterdir()) == tried  # tried out once
    (tmp_path / "c.json").write_text("2")
    changed, same = names()
    assert changed != mine and same == built_in
