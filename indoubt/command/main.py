"""`indoubt SUBCOMMAND ...`: finds the subcommand, and imports no other."""

from __future__ import annotations

import importlib
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from types import ModuleType

from indoubt import __version__
from indoubt.command import COMMANDS
from indoubt.errors import UserError, exit_on_user_error, nearest


def main() -> None:
    """The command line `indoubt`."""
    exit_on_user_error(lambda: run(sys.argv[1:]))


def run(words: Sequence[str]) -> None:
    """Do what a command line says.

    Raises:
        UserError: there is no such subcommand, or what it says.
    """
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what may follow
        import argcomplete

        argcomplete.autocomplete(whole_parser(os.environ["COMP_LINE"].split()[1:]))
    if words and words[0] in COMMANDS:
        _module(words[0]).main(words[1:])
        return
    if words and not words[0].startswith("-"):
        hint = nearest(words[0], COMMANDS)
        raise UserError(f"there is no command {words[0]!r}{hint}; there are {', '.join(COMMANDS)}")
    parser = whole_parser(words)
    parser.parse_args(words, Namespace())
    parser.print_help()


def whole_parser(words: Sequence[str]) -> ArgumentParser:
    """A parser of all subcommands, with the options of the one that a line starts with."""
    parser = ArgumentParser("indoubt", description="What do sequence-to-sequence learners do when in doubt?")
    parser.add_argument("--version", action="version", version=f"indoubt {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, about in COMMANDS.items():
        options = [_module(name).parser()] if name in words[:1] else []
        commands.add_parser(name, help=about, parents=options, add_help=not options)
    parser.epilog = "indoubt COMMAND --help says what each of them takes."
    return parser


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"indoubt.command.{name}")
