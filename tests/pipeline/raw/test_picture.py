import io

import numpy as np
import pytest
from PIL import Image

from pipeline.raw.contents import UnreadableImageError
from pipeline.raw.picture import ORIENTATION, decode

COLOURS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]], [[0, 0, 0], [9, 99, 199]]], np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_lossless_formats_give_the_pixels_back(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(decode(encoded(Image.fromarray(COLOURS), kind, **options), "x"), COLOURS)


def test_grey_images_have_no_channels() -> None:
    assert np.array_equal(decode(encoded(Image.fromarray(COLOURS[..., 2])), "x"), COLOURS[..., 2])


def test_a_palette_is_resolved() -> None:
    picture = decode(encoded(Image.fromarray(COLOURS).quantize(6)), "x")
    assert np.abs(picture.astype(int) - COLOURS).max() <= 4  # quantization's own rounding


def test_transparency_shows_white() -> None:
    alpha = np.zeros((3, 2, 1), np.uint8)
    alpha[0] = 255
    picture = decode(encoded(Image.fromarray(np.concatenate([COLOURS, alpha], axis=2))), "x")
    assert np.array_equal(picture[0], COLOURS[0])
    assert (picture[1:] == 255).all()


def test_grey_with_transparency_stays_grey() -> None:
    image = Image.merge("LA", [Image.new("L", (2, 2), 40), Image.new("L", (2, 2), 255)])
    assert decode(encoded(image), "x").tolist() == [[40, 40], [40, 40]]


def test_sixteen_bits_are_rounded_to_eight() -> None:
    deep = np.array([[0, 257, 65_535, 128, 129, 256]], np.uint16)
    assert decode(encoded(Image.fromarray(deep)), "x").tolist() == [[0, 1, 255, 0, 1, 1]]


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert decode(encoded(image), "x").tolist() == [[0, 255]]


def test_the_four_inks_of_a_printer_become_rgb() -> None:
    picture = decode(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100), "x")
    assert picture.shape == (8, 8, 3)
    assert picture[4, 4, 0] > 240 > 15 > picture[4, 4, 1]  # magenta and yellow ink are red


def test_a_photograph_is_turned_as_the_camera_recorded() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the top of the scene is at the right edge of the file
    picture = decode(encoded(Image.fromarray(COLOURS), exif=exif), "x")
    assert np.array_equal(picture, np.rot90(COLOURS, -1))


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0", b"\xff\xd8\xff\xe0" + bytes(50)])
def test_a_file_in_no_format_of_these_is_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        decode(content, "x")


def test_a_cut_photograph_is_unreadable() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    with pytest.raises(UnreadableImageError, match="truncated"):
        decode(encoded(Image.fromarray(noise), "JPEG")[:3000], "x")
