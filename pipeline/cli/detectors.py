"""`ganforge detectors`: precision and recall of every check on made-up curves.

    ganforge detectors
    ganforge detectors --write docs/checks.md
    python -m pipeline.cli.detectors

The last form needs no Dagster.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pipeline.cli.alone import run_alone
from pipeline.cli.table import aligned

DESCRIPTION = "Judge a zoo of made-up healthy and sick trainings, scores and reports with every check; needs no data."
EPILOG = "example: %(prog)s --write docs/checks.md; more: docs/checks.md"
BEGIN, END = "<!-- detectors: begin -->", "<!-- detectors: end -->"


def add_parser(commands: Any) -> None:
    """Add the command to an argument parser's subcommands."""
    parser = commands.add_parser(
        "detectors",
        help="print precision and recall of every check on made-up curves",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("--kinds", action="store_true", help="the counts of every kind of curves too")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help=f"put the tables into a Markdown file, between {BEGIN} and {END}"
    )


def run(arguments: argparse.Namespace) -> int:
    """Judge the zoo; print the tables or write them."""
    from pipeline.checks.zoo.table import judge_zoo, kind_rows, summary_rows

    if arguments.write is not None:
        text = arguments.write.read_text(encoding="utf-8")
        arguments.write.write_text(with_tables(text, arguments.write), encoding="utf-8")
        print(f"{arguments.write}: tables written")
        return 0
    flagged = judge_zoo()
    print("\n".join(aligned(summary_rows(flagged))))
    if arguments.kinds:
        print("\n".join(["", *aligned(kind_rows(flagged))]))
    return 0


def with_tables(text: str, path: Path) -> str:
    """A page with today's tables between its markers; `ValueError` where it does not have both, in order."""
    from pipeline.checks.zoo.table import judge_zoo, kind_rows, markdown, summary_rows

    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path}: expected a line {BEGIN} and after it a line {END}; add them where the tables belong")
    flagged = judge_zoo()
    return f"{before}{BEGIN}\n{markdown(summary_rows(flagged))}\n{markdown(kind_rows(flagged))}{END}{after}"


def main() -> int:
    """The command by itself."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.cli.detectors", description=DESCRIPTION, epilog=EPILOG)
    add_arguments(parser)
    return run_alone(parser, run)


if __name__ == "__main__":
    sys.exit(main())
