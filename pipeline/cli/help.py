"""Help: help pages as plain text in two columns, equal on a terminal and in a pipe.

Cyclopts gathers the contents and calls a `ColumnHelp` for each part. Text is wrapped to the terminal's width, to 80
columns in a pipe, and never wider than 100.
"""

from __future__ import annotations

import textwrap
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

WIDEST = 100  # columns; longer lines are hard to read
NAMES = 26  # columns for names; a longer name gets a line of its own
TITLES = {"Parameters": "Options"}
UNBROKEN = 100_000  # columns, so that rich leaves wrapping to `textwrap`


class ColumnHelp:
    """Prints the parts of a help page."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:  # noqa: ARG002
        """Print a list of commands, arguments or options below its title."""
        if panel.entries:
            title = _text(panel.title)
            lines = [line for entry in panel.entries for line in _entry_lines(entry, _width(console))]
            _print(console, "\n".join([f"{TITLES.get(title, title)}:", *lines, ""]))

    def render_usage(self, console: Console, _: ConsoleOptions, usage: Any) -> None:
        """Print the line that shows how the command is typed."""
        text = _text(usage).strip().removeprefix("Usage:").strip()
        _print(console, f"usage: {text}\n")

    def render_description(self, console: Console, _: ConsoleOptions, description: Any) -> None:
        """Print the command's docstring: paragraphs are wrapped, indented lines keep their form."""
        blocks = _text(description).strip().split("\n\n")
        wrapped = [block if block.startswith("  ") else _wrapped(block, _width(console)) for block in blocks if block]
        if wrapped:
            _print(console, "\n\n".join(wrapped) + "\n")


def _width(console: Console) -> int:
    return min(console.width, WIDEST)


def _wrapped(block: str, width: int) -> str:
    """Return a paragraph of lines that fill the width; examples keep their lines, so that they can be copied."""
    if block.startswith("example: "):
        return block
    lines = block.split("\n")
    end = next((number for number, line in enumerate(lines) if line.startswith("  ")), len(lines))
    return "\n".join([*textwrap.wrap(" ".join(lines[:end]), width), *lines[end:]])


def _entry_lines(entry: HelpEntry, width: int) -> list[str]:
    names = f"  {', '.join(entry.display_labels_with_metavar)}"
    text = " ".join(filter(None, [_text(entry.description).strip(), _facts(entry)]))
    lines = textwrap.wrap(text, width - NAMES, break_on_hyphens=False) or [""]
    if len(names) + 2 > NAMES:
        return [names, *(" " * NAMES + line for line in lines if line)]
    return [(names.ljust(NAMES) + lines[0]).rstrip(), *(" " * NAMES + line for line in lines[1:])]


def _facts(entry: HelpEntry) -> str:
    facts = [f"one of {', '.join(entry.choices)}"] if entry.choices else []
    facts += ["required"] if entry.required else []
    facts += [f"default {entry.default}"] if entry.default not in (None, "False") else []  # an option not given is off
    return f"({'; '.join(facts)})" if facts else ""


def _text(renderable: Any) -> str:
    """Return the text of anything that rich can print, without styles."""
    if renderable is None or isinstance(renderable, str):
        return renderable or ""
    from rich.console import Console

    console = Console(file=StringIO(), width=UNBROKEN, no_color=True, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(renderable, end="")
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
