"""Alone: a command of `pipeline.cli` run by itself, as `python -m`, without Dagster and without the others."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

INTERRUPTED = 130  # as shells count SIGINT


def run_alone(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> int:
    """The command's exit code; a mistake is one sentence on standard error and 1, an interruption one and 130."""
    try:
        return run(parser.parse_args())
    except (OSError, ValueError) as error:
        print(f"ganforge: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ganforge: interrupted", file=sys.stderr)
        return INTERRUPTED
