"""Pictures: encode images as data URIs, and choose the largest form that fits a budget of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image

from pipeline.storage.images import Pixels
from pipeline.storage.pictures import encode_png

JPEG_QUALITY = 85

Size = TypeVar("Size")
Made = TypeVar("Made")


def png_uri(image: Pixels) -> str:
    """Return an image (C, H, W) uint8 as a lossless data URI."""
    return f"data:image/png;base64,{base64.b64encode(encode_png(image)).decode()}"


def film_uri(image: Pixels) -> str:
    """Return an image (C, H, W) uint8 as a small data URI: grey lossless, colour as JPEG, which takes a tenth."""
    if image.shape[0] == 1:
        return png_uri(image)
    buffer = io.BytesIO()
    Image.fromarray(np.moveaxis(image, 0, -1)).save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def largest_within(
    sizes: Sequence[Size],
    make: Callable[[Size], Made],
    size_bytes: Callable[[Made], int],
    budget_bytes: int,
) -> tuple[Size, Made]:
    """Return the first size with a result within the budget, and the result; the last size if none fits."""
    for size in sizes[:-1]:
        result = make(size)
        if size_bytes(result) <= budget_bytes:
            return size, result
    return sizes[-1], make(sizes[-1])
