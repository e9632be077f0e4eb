"""From a file to a learner's class, and from a class to what its forward takes and its constructor wants."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from doubt.engines.modules.inputs import Takes
from doubt.errors import UserError, said
from doubt.files import ROOT
from doubt.training import Learner

#: Parameters of forward, by which an encoder-decoder and a language model are told apart.
FORWARDS: dict[tuple[str, ...], Takes] = {("source", "source_mask", "previous"): "pair", ("tokens",): "tokens"}
#: Arguments of the constructor that say how many symbols there are, by what forward takes.
SIZES = {"pair": ("source_symbols", "target_symbols"), "tokens": ("symbols",)}
#: Classes that were given from Python and not by a file, by the name that stands in a file's place.
GIVEN: dict[str, type[nn.Module]] = {}


_loaded: dict[tuple[Path, tuple[tuple[str, int, int], ...]], dict[str, type[nn.Module]]] = {}


def located(learner: Learner) -> tuple[str, str]:
    """A resolved learner's file (or the name of a class in `GIVEN`) and class."""
    return str(learner.user_dir), str(learner.arguments["module"]).rsplit(".", 1)[1]


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


def form_of(learner: type[nn.Module]) -> Takes:
    """What a class's forward takes.

    Raises:
        UserError: neither of the two.
    """
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


def _classes(path: Path) -> dict[str, type[nn.Module]]:
    """The modules that a file defines itself, imported anew only when it, or a file beside it, has changed."""
    if not path.is_file():
        raise UserError(f"module {_shown(path)!r} does not exist")
    stamps = tuple((each.name, each.stat().st_mtime_ns, each.stat().st_size) for each in _beside(path))
    if (path, stamps) not in _loaded:
        name = f"learner_{path.stem}_{hashlib.sha256(str((path, stamps)).encode()).hexdigest()[:8]}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            with _own_folder_first(path.parent), contextlib.redirect_stdout(sys.stderr):
                spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"module {_shown(path)!r} cannot be imported: {said(error)}{where_it_failed(error, str(path))}"
            ) from error
        _loaded[path, stamps] = {
            each.__name__: each
            for each in vars(module).values()
            if isinstance(each, type) and issubclass(each, nn.Module) and each.__module__ == name
        }
    return _loaded[path, stamps]


def _beside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.py"))


@contextlib.contextmanager
def _own_folder_first(folder: Path) -> Iterator[None]:
    """While it lasts, `import helper` finds the file beside a learner's; two learners may each have a `helper`."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file: Any = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).parent == folder and not name.startswith("learner_"):
                del sys.modules[name]


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
