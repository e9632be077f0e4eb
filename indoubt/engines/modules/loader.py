"""From a file to a learner's class, to what its forward and its constructor take, and to a module for a seed."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from indoubt.data.vocabulary import JointVocabulary
from indoubt.engines.fairseq.randomness import seed_everything
from indoubt.engines.modules.inputs import Takes
from indoubt.engines.modules.user_code import Reading, imported_files, is_own, package_of, reading, stamps
from indoubt.errors import UserError, said
from indoubt.files import ROOT
from indoubt.learner import HuggingFaceLearner, Learner, ModuleLearner

#: Parameters of forward, by which an encoder-decoder and a language model are told apart.
FORWARDS: dict[tuple[str, ...], Takes] = {("source", "source_mask", "previous"): "pair", ("tokens",): "tokens"}
#: Arguments of the constructor that say how many symbols there are, by what forward takes.
SIZES = {"pair": ("source_symbols", "target_symbols"), "tokens": ("symbols",)}
#: Classes that were given from Python and not by a file, by the name that stands in a file's place.
GIVEN: dict[str, type[nn.Module]] = {}
#: Classes that were given from Python but lie in a file, by the file and their name: they count as they are in memory.
GIVEN_OF_FILES: dict[tuple[Path, str], type[nn.Module]] = {}

_loaded: dict[tuple[Path, tuple[tuple[str, int, int], ...]], dict[str, type[nn.Module]]] = {}
#: What was read while a learner's file was imported, by the name of the module that came of it.
_read: dict[str, Reading] = {}


def load_class(file: str, name: str | None) -> type[nn.Module]:
    """The learner's class in a file.

    Args:
        file: a path, from the project's folder where it is not absolute; or a name in `GIVEN`.
        name: of the class; None: the only one whose forward has one of the two forms.

    Raises:
        UserError: no such file, it cannot be imported, or it holds no such class, or several.
    """
    if file in GIVEN:
        return GIVEN[file]
    path = ROOT / file
    if name is not None and is_given(file, name):
        return GIVEN_OF_FILES[path.resolve(), name]
    classes = _classes(path)
    if name is not None:
        if name not in classes:
            raise UserError(f"module {file!r} has no class {name!r}; it has {', '.join(classes) or 'none'}")
        form_of(classes[name])
        return classes[name]
    fitting = [each for each in classes.values() if _takes(each) is not None]
    if len(fitting) == 1:
        return fitting[0]
    about = ", ".join(each.__name__ for each in fitting) if fitting else "; ".join(map(_forward, classes.values()))
    hint = f"; say which: module: {file}:{fitting[0].__name__}" if fitting else ""
    raise UserError(
        f"module {file!r} must define exactly one nn.Module whose forward takes (source, source_mask, previous) or "
        f"(tokens); it defines {len(fitting)}{': ' if about else ''}{about}{hint}"
    )


def is_given(file: str, name: str) -> bool:
    """Whether a learner's class was given from Python, and is not read from a file."""
    return file in GIVEN or ((ROOT / file).resolve(), name) in GIVEN_OF_FILES


def form_of(learner: type[nn.Module]) -> Takes:
    """What a class's forward takes.

    Raises:
        UserError: neither of the two.
    """
    if learner.__hash__ is None:
        raise UserError(
            f"class {learner.__name__} is not hashable, as a dataclass is not, and torch keeps modules in sets: write "
            "@dataclass(eq=False)"
        )
    takes = _takes(learner)
    if takes is None:
        raise UserError(f"{_forward(learner)}; it must take (source, source_mask, previous) or (tokens)")
    return takes


def parameters_of(learner: type[nn.Module]) -> dict[str, inspect.Parameter]:
    """What the constructor takes beside the numbers of symbols, by name.

    Raises:
        UserError: it does not take the numbers of symbols, or takes arguments without names.
    """
    found = dict(inspect.signature(learner.__init__).parameters)
    found.pop(next(iter(found)))  # self
    sizes = SIZES[form_of(learner)]
    for size in sizes:
        if found.pop(size, None) is None:
            raise UserError(
                f"class {learner.__name__} must take {' and '.join(sizes)}, the numbers of symbols, since its forward "
                f"takes ({', '.join(_names(learner))})"
            )
    for parameter in found.values():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise UserError(f"class {learner.__name__} takes {parameter}; give its constructor arguments with names")
    return found


def where_it_failed(error: BaseException, file: str) -> str:
    """` (file:line)` of the innermost place in a learner's own folder that an error went through, or nothing."""
    if file in GIVEN:
        return ""
    folder = str((ROOT / file).resolve().parent)
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folder)]
    return f" ({Path(places[-1].filename).name}:{places[-1].lineno})" if places else ""


def read_on_import(learner: type[nn.Module]) -> Reading:
    """What the code of a learner's file, and of what it imports, read when it was imported here."""
    return _read.get(learner.__module__, Reading())


def _classes(path: Path) -> dict[str, type[nn.Module]]:
    """The modules that a file defines itself, imported anew only when it, or an own file that it imports or that lies
    beside it, has changed.
    """
    if not path.is_file():
        raise UserError(f"module {_shown(path)!r} does not exist")
    reached, _ = imported_files([path])
    stamp = stamps({*reached, *path.parent.glob("*.py")})
    if (path, stamp) not in _loaded:
        root, package = package_of(path)
        own = f"learner_{path.stem}_{hashlib.sha256(str((path, stamp)).encode()).hexdigest()[:8]}"
        name = ".".join([*package, own])  # in its package, for its relative imports
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            with _as_its_files_say(reached, [root, path.parent]), reading() as found:
                sys.modules[name] = module
                with contextlib.redirect_stdout(sys.stderr):
                    spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            sys.modules.pop(name, None)
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"module {_shown(path)!r} cannot be imported: {said(error)}{where_it_failed(error, str(path))}"
            ) from error
        _read[name] = found
        _loaded[path, stamp] = {
            each.__name__: each
            for each in vars(module).values()
            if isinstance(each, type) and issubclass(each, nn.Module) and each.__module__ == name
        }
    return _loaded[path, stamp]


@contextlib.contextmanager
def _as_its_files_say(reached: Collection[Path], folders: Sequence[Path]) -> Iterator[None]:
    """While it lasts, `import helper` finds the file beside a learner's, as it is now: two learners may each have a
    `helper`, and a session may have imported it before it was changed.
    """

    beside = folders[-1]

    def own() -> dict[str, ModuleType]:
        """The modules that were imported from files that a learner reaches, or that lie beside it."""
        found = {}
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            path = Path(file).resolve() if isinstance(file, str) and is_own(file) else None
            learners = name.rpartition(".")[2].startswith("learner_") or name == "__main__"
            if path is not None and not learners and (path in reached or path.parent == beside):
                found[name] = module
        return found

    before = own()
    for name in before:
        del sys.modules[name]
    added = [str(folder) for folder in dict.fromkeys(folders)]
    sys.path[:0] = added
    try:
        yield
    finally:
        for folder in added:
            sys.path.remove(folder)
        for name in own():
            del sys.modules[name]
        sys.modules.update(before)


def _names(learner: type[nn.Module]) -> list[str]:
    """What forward takes, without self; what has a default may be left out."""
    parameters = list(inspect.signature(learner.forward).parameters.values())[1:]
    return [each.name for each in parameters if each.default is each.empty]


def _takes(learner: type[nn.Module]) -> Takes | None:
    return FORWARDS.get(tuple(_names(learner)))


def _forward(learner: type[nn.Module]) -> str:
    return f"{learner.__name__}.forward takes ({', '.join(_names(learner))})"


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


class Builder:
    """Makes a learner's modules for dictionaries; the learner's code is read once, whatever becomes of its file.

    `takes` says what the modules' forward takes.
    """

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        #: The type of each weight as the last module's constructor made it, by name.
        self.own_types: dict[str, torch.dtype] = {}
        self._class: type[nn.Module] | None = None
        if isinstance(learner, HuggingFaceLearner):
            self.takes: Takes = "tokens" if learner.head == "causal" else "joint pair"
        else:
            assert isinstance(learner, ModuleLearner)
            self._class = load_class(learner.file, learner.class_name)
            self.takes = form_of(self._class)

    def module(self, vocabulary: JointVocabulary, seed: int) -> nn.Module:
        """A module on the CPU, in float32, as its own constructor initialises it for a seed."""
        seed_everything(seed)
        with contextlib.redirect_stdout(sys.stderr):
            module = self._of_class(vocabulary) if self._class is not None else self._of_hugging_face(vocabulary)
        self.own_types = {name: weight.dtype for name, weight in module.named_parameters()}
        return module.float()

    def _of_class(self, vocabulary: JointVocabulary) -> nn.Module:
        assert self._class is not None
        sizes = {name: getattr(vocabulary, name) for name in SIZES[self.takes]}
        names = parameters_of(self._class)
        given = {name: value for name, value in self.learner.arguments.items() if name in names}
        return self._class(**sizes, **given)

    def _of_hugging_face(self, vocabulary: JointVocabulary) -> nn.Module:
        from indoubt.engines.modules import hugging_face as hf  # slow to import: only where a learner asks for it

        learner, causal = self.learner, self.takes == "tokens"
        assert isinstance(learner, HuggingFaceLearner)
        hf.check_version(learner.arguments["transformers"])
        if learner.weights is not None:
            return hf.make_pretrained(Path(learner.weights), vocabulary.symbols, causal)
        return hf.make(hf.configuration(learner.type, learner.config, vocabulary.symbols), causal)


def constants_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """What a module computes with and does not train, by name: buffers, and weights that need no gradient."""
    frozen = {name: weight.detach() for name, weight in module.named_parameters() if not weight.requires_grad}
    return frozen | dict(module.named_buffers())


def trained_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """The weights that a module trains, by name; a number by itself, of shape (), comes in the shape (1,)."""
    trained = {name: weight.detach() for name, weight in module.named_parameters() if weight.requires_grad}
    return {name: weight if weight.dim() else weight[None] for name, weight in trained.items()}
