"""Command that measures precision and recall of every check on made-up curves. It needs no data and no Dagster.

python -m benchmarks.detectors
python -m benchmarks.detectors --kinds
python -m benchmarks.detectors --write docs/checks.md
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.detectors.table import count_flagged, kind_rows, markdown, summary_rows
from pipeline.cli.table import aligned

BEGIN, END = "<!-- detectors: begin -->", "<!-- detectors: end -->"


def main() -> int:
    """Print the tables or write them into a page; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detectors",
        description="Run every check on made-up healthy and sick trainings, scores and reports; needs no data.",
        epilog="example: %(prog)s --write docs/checks.md",
    )
    parser.add_argument("--kinds", action="store_true", help="also print the counts per kind of curves")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help=f"put the tables into a Markdown file, between {BEGIN} and {END}"
    )
    arguments = parser.parse_args()
    if arguments.write is None:
        print_tables(with_kinds=arguments.kinds)
        return 0
    try:
        write_tables(arguments.write)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{arguments.write}: tables written")
    return 0


def print_tables(*, with_kinds: bool) -> None:
    """Print one row per check and, on request, one row per kind of curves."""
    counts = count_flagged()
    print("\n".join(aligned(summary_rows(counts))))
    if with_kinds:
        print("\n".join(["", *aligned(kind_rows(counts))]))


def write_tables(path: Path) -> None:
    """Replace the tables in a Markdown file."""
    path.write_text(with_tables(path.read_text(encoding="utf-8"), path), encoding="utf-8")


def with_tables(text: str, path: Path) -> str:
    """Return a page with today's tables between its markers; `ValueError` unless it has both, in order."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path}: expected a line {BEGIN} and after it a line {END}; add them where the tables belong")
    counts = count_flagged()
    return f"{before}{BEGIN}\n{markdown(summary_rows(counts))}\n{markdown(kind_rows(counts))}{END}{after}"


if __name__ == "__main__":
    sys.exit(main())
