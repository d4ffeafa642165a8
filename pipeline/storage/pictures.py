"""Pictures: PNG grids of uint8 images, and the tiny strip that Dagster shows inline.

Tiling is written here and not taken from torchvision: previews are made in processes that do not load torch.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from pipeline.storage.images import Pixels

GAP_PIXELS = 2
GAP_GREY = 96
STRIP_IMAGES = 10
STRIP_SIZE = 14
STRIP_SHAPE = (STRIP_SIZE, STRIP_SIZE, 3)
EVENT_BYTES = 30_000  # per picture in Dagster's event log: an event of several stays below 100 kB
CRISP_FORMS = ((1, 64), (1, 16))  # how many times smaller, in how many colours
SMALL_FORMS = ((2, 16), (2, 8), (3, 8), (4, 8), (6, 4), (8, 4), (16, 4))
INLINE_BYTES = 690  # base64 adds a third, and Dagster shows markdown inline only below 1,000 characters


def tile(pixels: Pixels, columns: int) -> Pixels:
    """Return images (N, C, H, W) as one (C, H', W'), `columns` per row, with grey gaps and grey missing tiles."""
    count, channels, height, width = pixels.shape
    rows = -(-count // columns)
    step_y, step_x = height + GAP_PIXELS, width + GAP_PIXELS
    grid = np.full((channels, rows * step_y - GAP_PIXELS, columns * step_x - GAP_PIXELS), GAP_GREY, np.uint8)
    for index, image in enumerate(pixels):
        top, left = (index // columns) * step_y, (index % columns) * step_x
        grid[:, top : top + height, left : left + width] = image
    return grid


def encode_png(image: Pixels, scale: int = 1) -> bytes:
    """Return one image (C, H, W) as PNG, with each pixel `scale` pixels wide and high."""
    picture = _picture(image)
    if scale != 1:
        picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    return _bytes(picture)


def write_grid(path: Path, pixels: Pixels, columns: int, scale: int = 1) -> None:
    """Write images (N, C, H, W) as one PNG grid."""
    path.write_bytes(encode_png(tile(pixels, columns), scale))


def read_grid(path: Path, image_shape: tuple[int, int, int], columns: int, scale: int = 1) -> Pixels:
    """Return the images (N, C, H, W) of a grid that `write_grid` wrote, with the grey tiles of an unfinished row."""
    channels, height, width = image_shape
    with Image.open(path) as picture:
        pixels = np.asarray(picture)[::scale, ::scale].reshape(picture.height // scale, -1, channels)
    step_y, step_x = height + GAP_PIXELS, width + GAP_PIXELS
    corners = [(top, column * step_x) for top in range(0, len(pixels), step_y) for column in range(columns)]
    tiles = [pixels[top : top + height, left : left + width] for top, left in corners]
    return np.ascontiguousarray(np.moveaxis(np.stack(tiles), -1, 1))


def inline_strip(images: Pixels | Sequence[Pixels]) -> str:
    """Return the first images, (C, H, W) each, as one strip of markdown that Dagster shows inline: at most 10.

    They are cropped to squares, resized to 14x14, reduced to four colours, and shown with points two pixels wide.
    Otherwise noise would take too many bytes.
    """
    small = [_strip_image(image) for image in images[:STRIP_IMAGES]]
    if len({image.ndim for image in small}) > 1:
        small = [np.broadcast_to(image.reshape(STRIP_SIZE, STRIP_SIZE, -1), STRIP_SHAPE) for image in small]
    for count in range(len(small), 0, -1):
        row = Image.fromarray(np.concatenate(small[:count], axis=1)).quantize(4)
        encoded = _bytes(row.resize((2 * row.width, 2 * row.height), Image.Resampling.NEAREST))
        if len(encoded) <= INLINE_BYTES:
            return markdown_image(encoded, f"the first {count} images")
    raise ValueError(f"not one image fits the inline preview; expected one that compresses below {INLINE_BYTES} bytes")


def _strip_image(image: Pixels) -> Any:
    return np.asarray(ImageOps.fit(_picture(image), (STRIP_SIZE, STRIP_SIZE), Image.Resampling.BOX))


def markdown_image(png: bytes, alternative_text: str) -> str:
    """Return a PNG as a markdown image that carries its own data."""
    return f"![{alternative_text}](data:image/png;base64,{base64.b64encode(png).decode()})"


def _picture(image: Pixels) -> Image.Image:
    return Image.fromarray(image[0] if image.shape[0] == 1 else np.moveaxis(image, 0, -1))


def _bytes(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def markdown_file(path: Path, alternative_text: str, *, crisp: bool = False) -> str:
    """Return a PNG file as a markdown image, shrunk and with fewer colours until it fits Dagster's event log.

    A `crisp` picture, one with lines and letters, keeps its size as long as possible.
    """
    with Image.open(path) as picture:
        for shrink, colours in (*CRISP_FORMS, *SMALL_FORMS) if crisp else SMALL_FORMS:
            smaller = picture.resize((picture.width // shrink, picture.height // shrink), Image.Resampling.BOX)
            encoded = _bytes(smaller.convert("RGB").quantize(colours))
            if len(encoded) <= EVENT_BYTES:
                break
    return markdown_image(encoded, alternative_text)
