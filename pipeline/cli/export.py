"""`ganforge export`: a generator as an ONNX file, or the stored samples as files for other programs.

    ganforge export mnist_mlp -o digits.onnx
    ganforge export mnist_mlp --optimizer adam -n 1000 -o digits.npz
    python -m pipeline.cli.export mnist_mlp --member 1 -o digits/

An ONNX file appears only when onnxruntime draws the same images with it as PyTorch. The last form needs no Dagster.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.alone import run_alone
from pipeline.cli.generator_choice import (
    ALL,
    add_choice,
    chosen_generator,
    chosen_members,
    chosen_samples,
    member_number,
    scored_weights,
)
from pipeline.settings import load_recipes

if TYPE_CHECKING:
    from pipeline.samples.picture_files import GeneratedImages
    from pipeline.storage.paths import Paths

DESCRIPTION = (
    "Write one member's generator as .onnx, checked with onnxruntime; or the recipe's stored samples: .npz arrays "
    "(images, latents, latent_seed, member), .png one grid, .gif pages of a grid, a folder one .png an image."
)
EPILOG = (
    "examples: %(prog)s mnist_mlp -o digits.onnx; %(prog)s mnist_mlp --optimizer adam -n 1000 -o digits.npz; "
    "%(prog)s mnist_mlp --member 1 -o digits/"
)
ONNX = ".onnx"
SUFFIXES = (ONNX, ".npz", ".png", ".gif")
PAGE_IMAGES = 64
PAGE_MILLISECONDS = 1000

log = logging.getLogger(__name__)


def add_parser(commands: Any) -> None:
    """The command among others."""
    parser = commands.add_parser(
        "export", help="a generator as ONNX, or the stored samples as files", description=DESCRIPTION, epilog=EPILOG
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to export, into what."""
    add_choice(parser)
    parser.add_argument("-o", required=True, metavar="OUTPUT", dest="output", help="a folder ends in /")
    parser.add_argument(
        "--member",
        metavar="M",
        help="a number, or all; default: for .onnx the first that did not diverge (of the champion its best), for "
        "samples all",
    )
    parser.add_argument("-n", type=int, metavar="N", dest="count", help="the first N stored images of each member")
    parser.add_argument(
        "--weights",
        choices=("raw", "average"),
        help="for .onnx: as trained, or their average; default: those that were scored",
    )
    parser.add_argument("--columns", type=int, metavar="N", help="of a grid; default: as many as rows, about")
    parser.add_argument("--force", action="store_true", help="replace the pictures of a folder that has some")


def run(arguments: argparse.Namespace) -> int:
    """Write the file; what was chosen goes to standard error."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    from pipeline.samples.picture_files import kind_of
    from pipeline.storage.paths import Paths

    kind = kind_of(arguments.output, SUFFIXES)
    _expect_sensible(arguments, kind)
    paths = Paths.default()
    if kind == ONNX:
        _export_generator(arguments, paths)
    else:
        _export_samples(arguments, kind, paths)
    return 0


def _expect_sensible(arguments: argparse.Namespace, kind: str) -> None:
    if arguments.columns is not None and arguments.columns < 1:
        raise ValueError(f"--columns is {arguments.columns}, expected at least 1")
    if kind == ONNX and arguments.count is not None:
        raise ValueError(f"{arguments.output}: an ONNX file holds a generator and no images, expected no -n")
    if kind == ONNX and arguments.member == ALL:
        raise ValueError(f"{arguments.output}: an ONNX file holds one generator, expected one --member and not all")
    if kind != ONNX and arguments.weights is not None:
        raise ValueError(
            f"{arguments.output}: stored samples were drawn already, expected --weights for {ONNX} only "
            "(`ganforge sample` draws new images from either weights)"
        )


def _export_generator(arguments: argparse.Namespace, paths: Paths) -> None:
    from pipeline.samples.onnx_file import export_onnx

    training = chosen_generator(arguments, paths)
    (member,) = chosen_members(training, arguments.member)
    weights = arguments.weights or scored_weights(training, paths)
    found = export_onnx(training, member, Path(arguments.output), weights=weights)
    print(
        f"{arguments.output}: {arguments.recipe} {training.details['optimizer']}, member {member}; onnxruntime and "
        f"PyTorch differ by at most {found.largest_difference:.1e} on {found.latents} latents"
    )


def _export_samples(arguments: argparse.Namespace, kind: str, paths: Paths) -> None:
    from pipeline.samples import picture_files
    from pipeline.samples.stored import stored_images

    samples, recipe = chosen_samples(arguments, paths), arguments.recipe
    members = None if arguments.member in (None, ALL) else [member_number(arguments.member)]
    drawn = stored_images(samples, load_recipes()[recipe].network, members, arguments.count)
    path = Path(arguments.output)
    if kind == ".gif":
        _write_pages(path, drawn, arguments.columns)
    else:
        columns = arguments.columns or picture_files.near_square(len(drawn))
        picture_files.write_generated(path, kind, drawn, columns, force=arguments.force)
    count = len(set(drawn.members.tolist()))
    together = f", of {count} members together (--member M takes one)" if count > 1 else ""
    print(f"{arguments.output}: {len(drawn):,} stored images of {recipe} {samples.details['optimizer']}{together}")


def _write_pages(path: Path, drawn: GeneratedImages, columns: int | None) -> None:
    """One page of images after another."""
    from pipeline.samples import picture_files

    starts = range(0, len(drawn), PAGE_IMAGES)
    pages = [drawn.pixels[start : start + PAGE_IMAGES] for start in starts]
    picture_files.write_animation(path, pages, columns or picture_files.near_square(len(pages[0])), PAGE_MILLISECONDS)


def main() -> int:
    """The command by itself."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.cli.export", description=DESCRIPTION, epilog=EPILOG)
    add_arguments(parser)
    return run_alone(parser, run)


if __name__ == "__main__":
    sys.exit(main())
