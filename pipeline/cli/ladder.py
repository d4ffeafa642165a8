"""`ganforge ladder`: which score notices which corruption of real images."""

from __future__ import annotations

import argparse
import json
import logging
from typing import Any

from pipeline.cli.table import aligned
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths


def add_parser(commands: Any) -> None:
    """Add the command to an argument parser's subcommands."""
    parser = commands.add_parser(
        "ladder",
        help="print which score notices which corruption of a data set's real images",
        description="Score graded corruptions of held-out images: noise, blur, dropped modes, copies and others. "
        "The data set's tensors, classifier and reference must be there.",
        epilog="example: ganforge ladder mnist --images 1000",
    )
    parser.add_argument("dataset", help="a data set, such as mnist")
    parser.add_argument("--images", type=int, metavar="N", help="on either side (default 2000, or what there are)")
    parser.add_argument("--extractor", default="classifier", metavar="NAME", help="classifier (default) or inception")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--force", action="store_true", help="compute it anew")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the ladder unless it is there, and print it."""
    from pipeline.metrics.ladder import IMAGES, make_ladder

    logging.basicConfig(level=logging.INFO, format="%(message)s")  # standard error; a ladder takes a minute
    images = IMAGES if arguments.images is None else arguments.images
    artefact = make_ladder(
        arguments.dataset, Paths.default(), images=images, extractor=arguments.extractor, force=arguments.force
    )
    if arguments.json:
        files = {name: str(artefact.path(name)) for name in artefact.files}
        print(json.dumps({**artefact.details, "files": files}, indent=2, allow_nan=False))
    else:
        print(render(artefact))
    return 0


def render(artefact: Artefact) -> str:
    """The verdicts, a row a score and a column a corruption; what they mean; the Fréchet distances; where files lie."""
    from pipeline.metrics.ladder import VERDICTS

    details = artefact.details
    verdicts = details["verdicts"]
    metrics = list(next(iter(verdicts.values())))
    matrix = [["", *verdicts], *([metric, *(each[metric] for each in verdicts.values())] for metric in metrics)]
    used = {verdict for each in verdicts.values() for verdict in each.values()}
    fids = [[name, *map(_number, values)] for name, values in details["fid"].items()]
    return "\n".join(
        [
            f"{details['dataset']}: {details['images']:,} held-out images corrupted, against as many others; "
            f"extractor: {details['extractor']} {details['extractor_sha256'][:12]}",
            "",
            *aligned(matrix),
            "",
            *(f"{verdict}: {meaning}" for verdict, meaning in VERDICTS.items() if verdict in used),
            f"sampling explains {details['tolerance']:g} standard errors of a difference",
            "",
            *aligned([["FID", "clean", "level 1", "level 2", "level 3"], *fids]),
            "",
            *(f"{name}: {artefact.path(name)}" for name in artefact.files),
        ]
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
