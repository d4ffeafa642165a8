"""`ganforge score`: scores of any two sets of images or of features, from whatever program they come.

    ganforge score real/ generated/
    ganforge score mnist samples.npz
    ganforge score --features real.npy generated.npy --logits logits.npy
    python -m pipeline.cli.score real/ generated/ --json

The last form needs no Dagster. Features, probabilities and logits are scored without importing PyTorch.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from pipeline.cli.alone import run_alone

DESCRIPTION = (
    "Every score that two sets of images allow: FID, KID, precision, recall, density, coverage, Inception Score, with "
    "95 % intervals."
)
EPILOG = "example: %(prog)s real/ generated.zip; more: docs/scoring.md"

log = logging.getLogger(__name__)


def add_parser(commands: Any) -> None:
    """The command among others."""
    parser = commands.add_parser(
        "score",
        help="score any images, or features, against real ones",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to score, with what."""
    forms = "a folder or .zip of images, or a .npz, .npy, .arrow or .parquet of them"
    parser.add_argument(
        "real", nargs="?", metavar="REAL", help=f"{forms}; a data set's key; an .npz of mu and sigma (FID alone)"
    )
    parser.add_argument("generated", nargs="?", type=Path, metavar="GENERATED", help=forms)
    parser.add_argument(
        "--extractor", metavar="NAME", help="inception (default), or a data set's key: the classifier trained on it"
    )
    parser.add_argument("--features", action="store_true", help="both are features, .npy (N, D), and no images")
    outputs = parser.add_mutually_exclusive_group()
    outputs.add_argument(
        "--probabilities", type=Path, metavar="P.npy", help="(N, C) of the generated images, for the Inception Score"
    )
    outputs.add_argument("--logits", type=Path, metavar="L.npy", help="(N, C), in place of probabilities")
    parser.add_argument(
        "--train", type=Path, metavar="TRAIN", help="what the generator was trained on, to find copies of it"
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE.png", help="with --train: draw the closest images above what they resemble"
    )
    parser.add_argument(
        "--k", type=int, default=5, help="neighbours for precision, recall, density, coverage (default 5)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object with all digits")
    parser.add_argument("--skip-unreadable", action="store_true", help="leave out images that cannot be read")


def run(arguments: argparse.Namespace) -> int:
    """Print the scores; all else goes to standard error."""
    from pipeline.cli.score_inputs import (
        from_arrays,
        from_images,
    )  # a second to import, which `--help` need not wait for
    from pipeline.cli.score_output import as_json, as_table
    from pipeline.metrics.standalone.score_sets import score_sets

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if arguments.k < 1:
        raise ValueError(f"--k is {arguments.k}, expected at least 1 neighbour")
    outputs = arguments.probabilities or arguments.logits
    inputs = from_arrays(arguments) if arguments.features or outputs else from_images(arguments)
    found = score_sets(inputs.generated, inputs.real)
    show = as_json if arguments.json else as_table
    print(show(found, (*inputs.notes, *found.notes), inputs.protocol))
    if inputs.sheet is not None:
        inputs.sheet()
        log.info("%s: the generated images closest to training images", arguments.sheet)
    return 0


def main() -> int:
    """The command by itself."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.cli.score", description=DESCRIPTION, epilog=EPILOG)
    add_arguments(parser)
    return run_alone(parser, run)


if __name__ == "__main__":
    sys.exit(main())
