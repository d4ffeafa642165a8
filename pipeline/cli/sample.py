"""`ganforge sample`: fresh images from stored weights, as a picture, an array, an animation or a folder.

    ganforge sample mnist_mlp
    ganforge sample mnist_mlp --optimizer adam -n 1000 -o digits.npz
    ganforge sample mnist_mlp -n 16 -o walk.gif
    python -m pipeline.cli.sample mnist_mlp --member all -o digits/

Image i is image i of the recipe's stored samples of the same seed. The last form needs no Dagster.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.alone import run_alone
from pipeline.cli.generator_choice import add_choice, chosen_generator, chosen_members, scored_weights

if TYPE_CHECKING:
    from pipeline.storage.artefact import Artefact

DESCRIPTION = (
    "Draw fresh images from stored weights: .png one grid, .npz arrays (images, latents, latent_seed, member), .gif a "
    "walk through latent space that ends where it began, a folder one numbered .png an image."
)
EPILOG = (
    "examples: %(prog)s mnist_mlp -o digits.png; %(prog)s mnist_mlp --optimizer adam -n 1000 -o digits.npz; "
    "%(prog)s mnist_mlp -n 16 -o walk.gif; %(prog)s mnist_mlp --member all -o digits/"
)
SUFFIXES = (".png", ".npz", ".gif")
IMAGES, WALKERS = 64, 16  # where nothing is said


def add_parser(commands: Any) -> None:
    """The command among others."""
    parser = commands.add_parser(
        "sample", help="draw fresh images from stored weights", description=DESCRIPTION, epilog=EPILOG
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to draw, from what, into what."""
    add_choice(parser)
    parser.add_argument("-n", type=int, metavar="N", dest="count", help="images a member (default 64, in a .gif 16)")
    parser.add_argument(
        "-o", default="grid.png", metavar="OUTPUT", dest="output", help="default grid.png; a folder ends in /"
    )
    parser.add_argument("--member", metavar="M", help="a number, or all; default: the first that did not diverge")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="sampling seed (default 0)")
    parser.add_argument(
        "--weights",
        choices=("raw", "average"),
        help="as trained, or their average; default: those that were scored",
    )
    parser.add_argument("--columns", type=int, metavar="N", help="of the grid; default: as many as rows, about")
    parser.add_argument(
        "--interpolate", action="store_true", help="rows from one latent to another (.png); a .gif always moves"
    )
    parser.add_argument("--force", action="store_true", help="replace the pictures of a folder that has some")


def run(arguments: argparse.Namespace) -> int:
    """Draw and write; what was chosen goes to standard error."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    from pipeline.samples.picture_files import kind_of
    from pipeline.storage.paths import Paths

    kind = kind_of(arguments.output, SUFFIXES)
    _expect_sensible(arguments, kind)
    paths = Paths.default()
    training = chosen_generator(arguments, paths)
    members = chosen_members(training, arguments.member)
    weights = arguments.weights or scored_weights(training, paths)
    _write(arguments, kind, training, members, weights)
    named = f"member{'s' if len(members) > 1 else ''} {', '.join(map(str, members))}"
    drawn_from = f"{arguments.recipe} {training.details['optimizer']}"
    print(f"{arguments.output}: {drawn_from}, {named}, sampling seed {arguments.seed}")
    return 0


def _expect_sensible(arguments: argparse.Namespace, kind: str) -> None:
    for name, value in (("-n", arguments.count), ("--columns", arguments.columns)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}, expected at least 1")
    if arguments.seed < 0:
        raise ValueError(f"--seed is {arguments.seed}, expected at least 0")
    if arguments.interpolate and kind not in (".png", ".gif"):
        raise ValueError(f"{arguments.output}: --interpolate makes a .png or a .gif, expected one of these names")


def _write(arguments: argparse.Namespace, kind: str, training: Artefact, members: Sequence[int], weights: str) -> None:
    from pipeline.samples import picture_files
    from pipeline.samples.fresh import FRAME_MILLISECONDS, generate_first, generate_strips, generate_walk
    from pipeline.samples.picture_folder import expect_replaceable

    path, seed = Path(arguments.output), arguments.seed
    count = arguments.count or (WALKERS if kind == ".gif" else IMAGES)
    columns = arguments.columns or picture_files.near_square(count)
    if kind == picture_files.FOLDER:
        expect_replaceable(path, force=arguments.force)  # before minutes of drawing
    if kind == ".gif":
        frames = generate_walk(training, weights, members, count, seed)
        picture_files.write_animation(path, frames, columns, FRAME_MILLISECONDS)
    elif arguments.interpolate:
        strips = generate_strips(training, weights, members, -(-count // columns), columns, seed)
        picture_files.write_grid(path, strips, columns)
    else:
        drawn = generate_first(training, weights, members, count, seed)
        picture_files.write_generated(path, kind, drawn, columns, force=arguments.force)


def main() -> int:
    """The command by itself."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.cli.sample", description=DESCRIPTION, epilog=EPILOG)
    add_arguments(parser)
    return run_alone(parser, run)


if __name__ == "__main__":
    sys.exit(main())
