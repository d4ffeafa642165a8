"""Picture: encoded bytes (JPEG, PNG, WebP, BMP) → pixels, or one sentence with the reason of a failure.

In: the bytes of one image. Out: (H, W) uint8 for grey images, (H, W, 3) uint8 RGB for others, 0..255, rotated by the
camera's EXIF tag, 16 bits rounded to 8, transparency over white. Decoding is full: JPEG's draft mode would be faster
for small sizes, but averages blocks of pixels before the antialiasing filter sees them. Pillow releases the interpreter
lock while it decodes, so threads decode side by side.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.raw.contents import Picture, UnreadableImageError
from pipeline.raw.idx import DamagedFileError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # Pillow knows many more, some of which start other programs
MOST_PIXELS = 64_000_000  # 192 MB as RGB
ORIENTATION = 0x0112  # EXIF
TRANSPARENT_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
BOMBS = (Image.DecompressionBombWarning, Image.DecompressionBombError)


def check_header(content: bytes, name: str) -> None:
    """Raise if an image's header has no known format or no plausible size; pixels are not decoded."""
    _open(content, name)


def decode(content: bytes, name: str) -> Picture:
    """Return the pixels of one encoded image."""
    picture = _open(content, name)
    try:
        if picture.getexif().get(ORIENTATION, 1) != 1:
            picture = ImageOps.exif_transpose(picture)
        return _plain(picture)
    except Exception as error:  # decoders raise errors of any type on damaged bytes
        raise UnreadableImageError(_reason(error)) from error


def _open(content: bytes, name: str) -> Image.Image:
    """Return the image with its header read."""
    try:
        picture: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
    except BOMBS as error:
        raise DamagedFileError(f"{name}: {error}; remove the image") from error
    except UnidentifiedImageError as error:
        raise UnreadableImageError(f"begins with 0x{content[:4].hex()}, not JPEG, PNG, WebP or BMP") from error
    except Exception as error:  # of any type, see `decode`
        raise UnreadableImageError(_reason(error)) from error
    if picture.width * picture.height > MOST_PIXELS:
        raise DamagedFileError(
            f"{name}: its header declares {picture.width:,} x {picture.height:,} pixels, expected at most "
            f"{MOST_PIXELS:,}; a decompression bomb or a damaged header: remove the image"
        )
    return picture


def _plain(picture: Image.Image) -> Picture:
    """Convert a picture of any mode to grey or RGB with 8 bits."""
    if picture.mode.startswith("I"):  # 16 bits of content, although the mode's range may be larger
        deep = np.asarray(picture).astype(np.int64).clip(0, 65_535)
        return ((deep + 128) // 257).astype(np.uint8)
    if picture.mode in TRANSPARENT_MODES or (picture.mode == "P" and "transparency" in picture.info):
        grey = picture.mode in ("LA", "La")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA")).convert("L" if grey else "RGB")
    elif picture.mode not in ("L", "RGB"):
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    return np.asarray(picture)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
