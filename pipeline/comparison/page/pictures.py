"""Pictures: images as data URIs, and the choice of the fullest form that fits a budget of bytes."""

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

Plan = TypeVar("Plan")
Made = TypeVar("Made")


def png_uri(image: Pixels) -> str:
    """One image (C, H, W) uint8, lossless."""
    return f"data:image/png;base64,{base64.b64encode(encode_png(image)).decode()}"


def film_uri(image: Pixels) -> str:
    """One image (C, H, W) uint8 among many: grey lossless, colour as JPEG, which takes a tenth."""
    if image.shape[0] == 1:
        return png_uri(image)
    buffer = io.BytesIO()
    Image.fromarray(np.moveaxis(image, 0, -1)).save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def fullest(
    plans: Sequence[Plan], make: Callable[[Plan], Made], size_bytes: Callable[[Made], int], budget_bytes: int
) -> tuple[Plan, Made]:
    """The first plan, fullest first, whose result fits the budget; the last one where none does."""
    for plan in plans[:-1]:
        made = make(plan)
        if size_bytes(made) <= budget_bytes:
            return plan, made
    return plans[-1], make(plans[-1])
