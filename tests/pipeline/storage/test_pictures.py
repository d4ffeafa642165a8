import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.storage.pictures import GAP_GREY, inline_strip, markdown_file, read_grid, tile, write_grid

DAGSTER_SHOWS_INLINE_BELOW = 1000  # characters of markdown


def decode(markdown: str) -> Image.Image:
    encoded = markdown.split("base64,")[1].rstrip(")")
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


def test_tiles_stand_in_reading_order_with_a_gap() -> None:
    pixels = np.stack([np.full((1, 2, 2), value, np.uint8) for value in (10, 20, 30)])
    grid = tile(pixels, columns=2)
    assert grid.shape == (1, 6, 6)
    assert (grid[0, 0, 0], grid[0, 0, 4], grid[0, 4, 0]) == (10, 20, 30)
    assert (grid[0, 0, 2], grid[0, 4, 4]) == (GAP_GREY, GAP_GREY)


def test_the_strip_of_the_noisiest_images_still_shows_inline() -> None:
    for channels in (1, 3):
        noise = np.random.default_rng(0).integers(0, 256, (16, channels, 28, 28), np.uint8)
        assert len(inline_strip(noise)) < DAGSTER_SHOWS_INLINE_BELOW


def test_the_strip_shows_the_images() -> None:
    pixels = np.zeros((4, 1, 28, 28), np.uint8)
    pixels[1] = 255
    strip = decode(inline_strip(pixels)).convert("L")
    assert strip.size == (4 * 28, 28)
    assert (strip.getpixel((10, 10)), strip.getpixel((40, 10))) == (0, 255)


def test_the_strip_of_noisy_digits_shows_several() -> None:
    random = np.random.default_rng(0)
    digits = np.zeros((16, 1, 28, 28), np.uint8)
    digits[:, :, 6:22, 10:18] = 255
    noisy = np.where(random.random(digits.shape) < 0.1, 255 - digits, digits)
    assert decode(inline_strip(noisy)).width >= 8 * 28


def test_a_grid_file_is_a_png_of_its_scale(tmp_path: Path) -> None:
    write_grid(tmp_path / "g.png", np.zeros((3, 1, 4, 4), np.uint8), columns=3, scale=2)
    with Image.open(tmp_path / "g.png") as picture:
        assert picture.size == (2 * (3 * 4 + 2 * 2), 8)
    assert decode(markdown_file(tmp_path / "g.png", "grid")).size == (16, 4)


@pytest.mark.parametrize("crisp", [False, True])
def test_a_picture_of_noise_is_made_small_enough_for_the_event_log(tmp_path: Path, crisp: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3 * 16, 3, 64, 64), np.uint8)
    write_grid(tmp_path / "g.png", noise, columns=16, scale=2)
    assert len(markdown_file(tmp_path / "g.png", "three configurations in colour", crisp=crisp)) < 42_000


def test_a_crisp_picture_keeps_its_size_while_it_fits(tmp_path: Path) -> None:
    write_grid(tmp_path / "g.png", np.zeros((4, 1, 8, 8), np.uint8), columns=2)
    assert decode(markdown_file(tmp_path / "g.png", "plain", crisp=True)).size == (18, 18)
    assert decode(markdown_file(tmp_path / "g.png", "plain")).size == (9, 9)


@pytest.mark.parametrize(("channels", "scale"), [(1, 1), (1, 2), (3, 2)])
def test_a_grid_of_whole_rows_is_read_back_as_it_was_written(tmp_path: Path, channels: int, scale: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, channels, 5, 4), np.uint8)
    write_grid(tmp_path / "grid.png", pixels, 3, scale)
    assert np.array_equal(read_grid(tmp_path / "grid.png", (channels, 5, 4), 3, scale), pixels)
