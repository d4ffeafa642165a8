"""`ganforge sample`: new images from stored weights, as a picture, an array, an animation or a folder.

    ganforge sample mnist_mlp
    ganforge sample mnist_mlp --optimizer adam -n 1000 -o digits.npz
    ganforge sample mnist_mlp -n 16 -o walk.gif

Image i is image i of the recipe's stored samples of the same seed.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pipeline.cli.options import Columns, Count, Force, KindOfWeights, Optimizer, Recipe, Seed

if TYPE_CHECKING:
    from pipeline.storage.artefact import Artefact

SUFFIXES = (".png", ".npz", ".gif")
IMAGES, WALKERS = 64, 16  # per member by default: in a picture, in an animation


@Parameter(name="*")
@dataclass(frozen=True)
class SampleOptions:
    """The images to generate and the file to write."""

    count: Annotated[Count | None, Parameter(name="-n", help="images per member; default: 64, in a .gif 16")] = None
    output: Annotated[str, Parameter(name="-o", metavar="OUTPUT", help="a file, or a folder that ends in /")] = (
        "grid.png"
    )
    member: Annotated[
        str | None,
        Parameter(
            metavar="M",
            allow_leading_hyphen=True,
            help="a number, or all; default: the champion's best, else the first that did not diverge",
        ),
    ] = None
    seed: Annotated[Seed, Parameter(help="sampling seed")] = 0
    weights: Annotated[
        KindOfWeights | None, Parameter(help="as trained (raw), or their average; default: those that were scored")
    ] = None
    columns: Columns = None
    interpolate: Annotated[bool, Parameter(help="rows from one latent to another, in a .png; a .gif always moves")] = (
        False
    )
    force: Force = False


SAMPLE_DEFAULTS = SampleOptions()


def sample(recipe: Recipe, /, *, optimizer: Optimizer = None, options: SampleOptions = SAMPLE_DEFAULTS) -> None:
    """Generate new images from stored weights.

    A .png holds one grid, an .npz arrays (images, latents, latent_seed, member), a folder one numbered .png per image.
    A .gif holds a walk through latent space that ends where it began.

    for instance:

        ganforge sample mnist_mlp -o digits.png
        ganforge sample mnist_mlp --optimizer adam -n 1000 -o digits.npz
        ganforge sample mnist_mlp -n 16 -o walk.gif
        ganforge sample mnist_mlp --member all -o digits/
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    from pipeline.cli.generator_choice import choose_generator, choose_members, scored_weights
    from pipeline.samples.picture_files import kind_of
    from pipeline.storage.paths import Paths
    from pipeline.training.details import TrainingDetails

    kind = kind_of(options.output, SUFFIXES)
    if options.interpolate and kind not in (".png", ".gif"):
        raise ValueError(f"{options.output}: --interpolate makes a .png or a .gif, expected one of these names")
    paths = Paths.default()
    training = choose_generator(recipe, optimizer, paths)
    members = choose_members(training, options.member)
    weights = options.weights or scored_weights(training, paths)
    _write(options, kind, training, members, weights)
    numbers = f"member{'s' if len(members) > 1 else ''} {', '.join(map(str, members))}"
    partition = training.details_as(TrainingDetails).partition
    print(f"{options.output}: {partition}, {numbers}, sampling seed {options.seed}")


def _write(options: SampleOptions, kind: str, training: Artefact, members: Sequence[int], weights: str) -> None:
    from pipeline.samples import picture_files
    from pipeline.samples.fresh import FRAME_MILLISECONDS, generate_first, generate_strips, generate_walk
    from pipeline.samples.picture_folder import expect_replaceable

    path, seed = Path(options.output), options.seed
    count = options.count or (WALKERS if kind == ".gif" else IMAGES)
    columns = options.columns or picture_files.near_square(count)
    if kind == picture_files.FOLDER:
        expect_replaceable(path, force=options.force)  # before minutes of generating
    if kind == ".gif":
        frames = generate_walk(training, weights, members, count, seed)
        picture_files.write_animation(path, frames, columns, FRAME_MILLISECONDS)
    elif options.interpolate:
        strips = generate_strips(training, weights, members, -(-count // columns), columns, seed)
        picture_files.write_grid_file(path, strips, columns)
    else:
        images = generate_first(training, weights, members, count, seed)
        picture_files.write_generated(path, kind, images, columns, force=options.force)
