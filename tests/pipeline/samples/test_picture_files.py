from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from pipeline.metrics.standalone.image_sets import open_images
from pipeline.samples.picture_files import (
    GeneratedImages,
    kind_of,
    near_square,
    write_animation,
    write_array,
    write_folder,
    write_grid_file,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 1, 28, 28), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (5, 3, 28, 28), np.uint8)


def drawn(pixels: np.ndarray, members: list[int] | None = None) -> GeneratedImages:
    count = len(pixels)
    latents = np.zeros((count, 100), np.float32)
    return GeneratedImages(
        pixels, latents, np.arange(count, dtype=np.int64), np.array(members or [0] * count, np.int64)
    )


@pytest.mark.parametrize(
    ("output", "expected"),
    [("a.png", ".png"), ("b/A.PNG", ".png"), ("images", "folder"), ("images/", "folder"), ("v1.2/", "folder")],
)
def test_a_suffix_decides_the_kind_and_a_slash_or_no_suffix_means_a_folder(output: str, expected: str) -> None:
    assert kind_of(output, (".png", ".gif")) == expected


def test_another_suffix_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"a\.tiff: found the suffix \.tiff, expected \.png, \.gif, or a folder"):
        kind_of("a.tiff", (".png", ".gif"))


def test_grids_are_about_square() -> None:
    assert [near_square(count) for count in (1, 2, 4, 5, 64, 65)] == [1, 2, 2, 3, 8, 9]


@pytest.mark.parametrize("pixels", [PIXELS, COLOUR])
def test_scoring_reads_an_array_and_a_folder_as_the_very_images(pixels: np.ndarray, tmp_path: Path) -> None:
    write_array(tmp_path / "images.npz", drawn(pixels))
    write_folder(tmp_path / "images", drawn(pixels), force=False)
    expected = pixels[:, 0] if pixels.shape[1] == 1 else np.moveaxis(pixels, 1, 3)
    for path in (tmp_path / "images.npz", tmp_path / "images"):
        images = open_images(path)
        assert (len(images), images.notes) == (5, ())
        for index in range(5):
            assert np.array_equal(images.images.read(index), expected[index])
    with np.load(tmp_path / "images.npz") as arrays:
        assert {name: (arrays[name].dtype, arrays[name].shape) for name in arrays} == {
            "images": (np.uint8, (5, 28, 28, pixels.shape[1])),
            "latents": (np.float32, (5, 100)),
            "latent_seed": (np.int64, (5,)),
            "member": (np.int64, (5,)),
        }


def test_pictures_of_several_members_are_numbered_each_by_themselves(tmp_path: Path) -> None:
    write_folder(tmp_path / "images", drawn(PIXELS, [0, 0, 0, 2, 2]), force=False)
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert names == [f"member_0_0000{index}.png" for index in range(3)] + ["member_2_00000.png", "member_2_00001.png"]
    with Image.open(tmp_path / "images" / "member_2_00001.png") as picture:
        assert np.array_equal(np.asarray(picture), PIXELS[4, 0])


def test_a_folder_with_pictures_is_replaced_by_force_alone_and_one_with_anything_else_never(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    write_folder(folder, drawn(PIXELS), force=False)  # it was empty
    with pytest.raises(FileExistsError, match="found 5 pictures there, expected an empty folder or none; --force"):
        write_folder(folder, drawn(PIXELS[:2]), force=False)
    write_folder(folder, drawn(PIXELS[:2]), force=True)
    assert sorted(path.name for path in folder.iterdir()) == ["00000.png", "00001.png"]
    (folder / "thesis.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(FileExistsError, match=r"found thesis\.txt, which is not one of our pictures"):
            write_folder(folder, drawn(PIXELS), force=force)
    assert (folder / "thesis.txt").read_text() == "mine"
    with pytest.raises(NotADirectoryError, match=r"thesis\.txt: found a file, expected a folder or nothing"):
        write_folder(folder / "thesis.txt", drawn(PIXELS), force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_a_grid_shows_every_image_in_its_place(tmp_path: Path) -> None:
    write_grid_file(tmp_path / "new" / "grid.png", COLOUR, 3)
    with Image.open(tmp_path / "new" / "grid.png") as picture:
        levels = np.asarray(picture)
    assert levels.shape == (2 * (2 * 28 + 2), 2 * (3 * 28 + 2 * 2), 3)
    assert np.array_equal(levels[60:116:2, 61:116:2], np.moveaxis(COLOUR[4], 0, 2))


def test_an_animation_shows_its_frames_over_and_over_also_where_the_last_holds_fewer(tmp_path: Path) -> None:
    write_animation(tmp_path / "walk.gif", [PIXELS[:2], PIXELS[2:4], PIXELS[4:]], 2, 80)
    with Image.open(tmp_path / "walk.gif") as picture:
        assert isinstance(picture, GifImageFile)
        assert (picture.n_frames, picture.info["duration"], picture.info["loop"]) == (3, 80, 0)
        for frame in range(3):
            picture.seek(frame)
            levels = np.asarray(picture.convert("L"))
            assert levels.shape == (2 * 28, 2 * (2 * 28 + 2))
            assert np.array_equal(levels[::2, :56:2], PIXELS[2 * frame, 0])


def test_a_picture_too_large_for_its_format_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"found a grid of 28 x 89,998 pixels, expected at most 65,535 per side"):
        write_grid_file(tmp_path / "grid.png", np.zeros((3000, 1, 28, 28), np.uint8), 1)
