"""Files beside a task's own that it imports: found while it is imported, and forgotten by Python afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def importing_beside(folder: Path) -> Iterator[list[Path]]:
    """While it lasts, `import helper` finds the file beside a task's; two folders may each have a `helper`.

    Yields:
        A list that holds, once it has ended, the files of the folder that were imported, packages there included.
    """
    found: list[Path] = []
    names = {each.stem for each in folder.glob("*.py")} | {each.parent.name for each in folder.glob("*/__init__.py")}
    names -= {"indoubt", *sys.stdlib_module_names}  # `copy.py` may be a task and `import copy` mean Python's own
    others = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in names}
    for name in others:
        del sys.modules[name]
    wrote_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # a cache tells edits by whole seconds
    sys.path.insert(0, str(folder))
    try:
        yield found
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = wrote_bytecode
        for name in [name for name in sys.modules if name.partition(".")[0] in names]:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(folder):
                found.append(Path(file))
                del sys.modules[name]
        sys.modules.update(others)
