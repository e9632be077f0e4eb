"""The one kind of error that is meant for the person who runs the program."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator

#: Characters of an error's words that a message repeats.
LONGEST_WORDS = 200


#: Packages that not every installation has, and the extra that brings each.
EXTRAS = {
    **dict.fromkeys(("fairseq", "fairseq_cli", "snakemake", "psutil", "rich", "yaml"), "workflow"),
    "transformers": "hf",
}


class UserError(Exception):
    """Something that the user can put right: the message says what, where and what to do."""


def said(error: BaseException) -> str:
    """An error as one line, of which the first words say what matters."""
    words = " ".join(str(error).split())
    short = words if len(words) <= LONGEST_WORDS else f"{words[:LONGEST_WORDS]} ..."
    return f"{type(error).__name__}: {short}" if words else type(error).__name__


@contextlib.contextmanager
def optional_packages() -> Iterator[None]:
    """Have a package that is not installed, and need not be, be said as what to install.

    Raises:
        UserError: instead of the `ModuleNotFoundError`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise UserError(
            f"this needs the package {package}, which is not installed: install in-doubt[{EXTRAS[package]}] "
            "(docs/install.md)"
        ) from error


def nearest(word: object, allowed: Iterable[object]) -> str:
    """A hint `; did you mean 'x'?` for the allowed word nearest to `word`, or nothing."""
    match = difflib.get_close_matches(str(word), [str(a) for a in allowed], n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""


def how_it_ended(status: int) -> str:
    """How a process ended that said nothing, from its exit status: killed by a signal (below 0), or by itself."""
    if status >= 0:
        return f"its process ended with status {status} and said nothing"
    by = signal.Signals(-status).name
    why = ", perhaps because memory ran out: free some, then run again" if -status == signal.SIGKILL else ""
    return f"its process was killed ({by}){why}"


def exit_on_user_error(main: Callable[[], None]) -> None:
    """Run a command line's `main`; a `UserError` ends it with status 1 and its message, without a traceback.

    So does Ctrl-C, with status 130, and a reader that has read enough, such as `head`, with status 1 and no message. A
    character that the terminal's encoding lacks is shown as another.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        with optional_packages():
            main()
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that flushing at the end does not fail too
        sys.exit(1)
