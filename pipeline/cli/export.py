"""`ganforge export`: a generator as an ONNX file, or the stored samples as files for other programs.

    ganforge export mnist_mlp -o digits.onnx
    ganforge export mnist_mlp --optimizer adam -n 1000 -o digits.npz

An ONNX file appears only if onnxruntime generates the same images with it as PyTorch.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pipeline.cli.options import ALL, Columns, Count, Force, KindOfWeights, Optimizer, Recipe

if TYPE_CHECKING:
    from pipeline.samples.picture_files import GeneratedImages
    from pipeline.storage.paths import Paths

ONNX = ".onnx"
SUFFIXES = (ONNX, ".npz", ".png", ".gif")
PAGE_IMAGES = 64
PAGE_MILLISECONDS = 1000


@Parameter(name="*")
@dataclass(frozen=True)
class ExportOptions:
    """The generator or the samples to export, and the file to write."""

    output: Annotated[str, Parameter(name="-o", metavar="OUTPUT", help="a file, or a folder that ends in /")]
    member: Annotated[
        str | None,
        Parameter(
            metavar="M",
            allow_leading_hyphen=True,
            help="a number, or all; default: for .onnx the champion's best, else the first that did not diverge; for "
            "samples all",
        ),
    ] = None
    count: Annotated[
        Count | None, Parameter(name="-n", help="the first N stored images of each member; default: all")
    ] = None
    weights: Annotated[
        KindOfWeights | None,
        Parameter(help="for .onnx: as trained (raw), or their average; default: those that were scored"),
    ] = None
    columns: Columns = None
    force: Force = False


def export(recipe: Recipe, /, *, optimizer: Optimizer = None, options: ExportOptions) -> None:
    """Write a generator as ONNX, or the stored samples as other files.

    An .onnx holds one member's generator, checked with onnxruntime. Stored samples become .npz arrays (images, latents,
    latent_seed, member), a .png with one grid, a .gif with pages of a grid, or a folder with one .png per image.

    for instance:

        ganforge export mnist_mlp -o digits.onnx
        ganforge export mnist_mlp --optimizer adam -n 1000 -o digits.npz
        ganforge export mnist_mlp --member 1 -o digits/
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    from pipeline.samples.picture_files import kind_of
    from pipeline.storage.paths import Paths

    kind = kind_of(options.output, SUFFIXES)
    _expect_sensible(options, kind)
    paths = Paths.default()
    if kind == ONNX:
        _export_generator(recipe, optimizer, options, paths)
    else:
        _export_samples(recipe, optimizer, options, kind, paths)


def _expect_sensible(options: ExportOptions, kind: str) -> None:
    if kind == ONNX and options.count is not None:
        raise ValueError(f"{options.output}: an ONNX file holds a generator and no images, expected no -n")
    if kind == ONNX and options.member == ALL:
        raise ValueError(f"{options.output}: an ONNX file holds one generator, expected one --member and not all")
    if kind != ONNX and options.weights is not None:
        raise ValueError(
            f"{options.output}: stored samples exist already, expected --weights for {ONNX} only "
            "(`ganforge sample` generates new images from either weights)"
        )


def _export_generator(recipe: str, optimizer: str | None, options: ExportOptions, paths: Paths) -> None:
    from pipeline.cli.generator_choice import choose_generator, choose_members, scored_weights
    from pipeline.samples.onnx_file import export_onnx
    from pipeline.training.details import TrainingDetails

    training = choose_generator(recipe, optimizer, paths)
    (member,) = choose_members(training, options.member)
    weights = options.weights or scored_weights(training, paths)
    exported = export_onnx(training, member, Path(options.output), weights=weights)
    print(
        f"{options.output}: {training.details_as(TrainingDetails).partition}, member {member}; onnxruntime and "
        f"PyTorch differ by at most {exported.largest_difference:.1e} on {exported.latents} latents"
    )


def _export_samples(recipe: str, optimizer: str | None, options: ExportOptions, kind: str, paths: Paths) -> None:
    from pipeline.cli.generator_choice import choose_samples, member_number
    from pipeline.samples import picture_files
    from pipeline.samples.details import SamplesDetails
    from pipeline.samples.stored import stored_images
    from pipeline.settings import load_recipes

    samples = choose_samples(recipe, optimizer, paths)
    members = None if options.member in (None, ALL) else [member_number(str(options.member))]
    images = stored_images(samples, load_recipes()[recipe].network, members, options.count)
    path = Path(options.output)
    if kind == ".gif":
        _write_pages(path, images, options.columns)
    else:
        columns = options.columns or picture_files.near_square(len(images))
        picture_files.write_generated(path, kind, images, columns, force=options.force)
    count = len(set(images.members.tolist()))
    together = f", of {count} members together (--member M takes one)" if count > 1 else ""
    partition = samples.details_as(SamplesDetails).partition
    print(f"{options.output}: {len(images):,} stored images of {partition}{together}")


def _write_pages(path: Path, images: GeneratedImages, columns: int | None) -> None:
    """Write an animation whose frames are pages of images."""
    from pipeline.samples import picture_files

    starts = range(0, len(images), PAGE_IMAGES)
    pages = [images.pixels[start : start + PAGE_IMAGES] for start in starts]
    picture_files.write_animation(path, pages, columns or picture_files.near_square(len(pages[0])), PAGE_MILLISECONDS)
