"""Program: the commands under one name, and the run of one of them to its exit code.

A command's module is imported when the command is used, so `--help` stays fast. Results go to standard output. Every
mistake is one sentence on standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cyclopts import App, CycloptsError, Parameter

from pipeline import __version__
from pipeline.cli.help import ColumnHelp

MISTAKE = 1
USAGE = 2  # as argparse and most programs have it
INTERRUPTED = 130  # as shells count SIGINT
BROKEN_PIPE = 141  # as shells count SIGPIPE
NOTHING_TO_TRACE = (OSError, ValueError)  # their messages are for users; GANFORGE_TRACE=1 shows where they come from


@dataclass(frozen=True)
class Command:
    """One command of a program."""

    path: str  # `module:function`, or `module:app` of a command with commands of its own
    summary: str  # in the list of commands; the first sentence of the function's docstring


def build_program(name: str, description: str, commands: Mapping[str, Command], words: Sequence[str] = ()) -> App:
    """Return the program; `words` is the command line that it will read."""
    program = new_app(name, description)
    for position, (key, command) in enumerate(commands.items()):
        # A summary replaces the docstring as the command's help page, so the command in use gets none.
        summary = None if key in words[:1] else command.summary
        program.command(command.path, name=key, help=summary, sort_key=position)
    return program


def new_app(name: str, description: str | None = None) -> App:
    """Return a program, or a command with commands of its own, without any command yet."""
    return App(
        name=name,
        help=description,
        version=f"ganforge {__version__}",
        help_format="plaintext",
        help_formatter=ColumnHelp(),
        # No `--no-force` or `--empty-optimizer`. The last of two values counts, and lists grow.
        default_parameter=Parameter(negative=(), allow_repeating=True),
    )


def run_program(program: App, words: Sequence[str], prepare: Callable[[], None] | None = None) -> int:
    """Return the exit code of one command; `prepare` is called once the words are understood."""
    try:
        command, bound, _ = program.parse_args(list(words), exit_on_error=False, print_error=False)
    except (CycloptsError, ValueError) as error:  # a `ValueError` comes from options that exclude each other
        from pipeline.cli.mistakes import sentence

        print(f"ganforge: {sentence(error, program)}", file=sys.stderr)
        return USAGE
    # Without a command, a program prints its help page. A script that forgot the command must notice.
    lacks_command = command == program.help_print and not {*words} & {*program.help_flags}
    try:
        if prepare is not None:
            prepare()
        code = command(*bound.args, **bound.kwargs)
        sys.stdout.flush()
    except BrokenPipeError:  # `head`, for example, has read enough; Python must not write at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except NOTHING_TO_TRACE as error:
        if os.environ.get("GANFORGE_TRACE"):
            raise
        print(f"ganforge: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print("ganforge: interrupted; finished work is kept", file=sys.stderr)
        return INTERRUPTED
    return USAGE if lacks_command else code or 0
