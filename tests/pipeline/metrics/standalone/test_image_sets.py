import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from pipeline.metrics.standalone.image_sets import ImageSet, open_images
from pipeline.raw.contents import UnreadableImageError
from pipeline.storage.images import write_images

RGB = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), np.uint8)
GREY = RGB[..., 0]


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def pictures(images: ImageSet) -> list[np.ndarray]:
    return [images.images.read(index) for index in range(len(images))]


def expect(images: ImageSet, expected: np.ndarray) -> None:
    values = pictures(images)
    assert len(values) == len(expected)
    assert all(np.array_equal(one, other) for one, other in zip(values, expected, strict=True))


def test_a_folder_and_its_subfolders_are_read_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for name, picture in zip(("b.png", "a.PNG", "more/c.png", "d.png"), RGB, strict=True):
        (tmp_path / name).write_bytes(png(picture))
    images = open_images(tmp_path)
    assert list(images.images.names) == ["a.PNG", "b.png", "d.png", "more/c.png"]
    expect(images, RGB[[1, 0, 3, 2]])
    assert images.notes == ()


def test_files_in_a_folder_that_are_no_images_are_noted(tmp_path: Path) -> None:
    for name in ("a.png", "b.tiff", "labels.csv", ".DS_Store"):
        (tmp_path / name).write_bytes(png(GREY[0]))
    images = open_images(tmp_path)
    assert len(images) == 1
    assert "2 files that are no images by their names are passed over, such as b.tiff" in images.notes[0]


def test_a_zip_gives_the_same_pictures_as_its_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for index, picture in enumerate(GREY):
            archive.writestr(f"digits/{index}.png", png(picture))
    expect(open_images(tmp_path / "images.zip"), GREY)


@pytest.mark.parametrize(
    ("stored", "read"),
    [(RGB, RGB), (np.moveaxis(RGB, 3, 1), RGB), (GREY, GREY), (GREY[..., None], GREY), (GREY[:, None], GREY)],
    ids=["NHWC", "NCHW", "NHW", "NHW1", "N1HW"],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_may_have_their_channels_anywhere(
    tmp_path: Path, stored: np.ndarray, read: np.ndarray, suffix: str
) -> None:
    path = tmp_path / f"images{suffix}"
    if suffix == ".npy":
        np.save(path, stored)
    else:
        np.savez(path, stored, np.arange(4))  # as published sample batches: arr_0 images, arr_1 labels
    expect(open_images(path), read)


def test_an_npz_is_read_by_the_name_images_and_never_by_guessing(tmp_path: Path) -> None:
    np.savez(tmp_path / "named.npz", images=RGB, labels=np.arange(4))
    expect(open_images(tmp_path / "named.npz"), RGB)
    np.savez(tmp_path / "sole.npz", samples=RGB)
    expect(open_images(tmp_path / "sole.npz"), RGB)
    np.savez(tmp_path / "two.npz", x=RGB, y=RGB)
    with pytest.raises(ValueError, match=r"two\.npz: found x, y in it, expected an array named images"):
        open_images(tmp_path / "two.npz")


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (RGB / 255, r"found float64 of shape \(4, 6, 5, 3\), expected uint8.*\(x \+ 1\) \* 127\.5"),
        (RGB.astype(np.int64), "found int64"),
        (RGB[:0], r"found uint8 of shape \(0, 6, 5, 3\)"),
        (np.zeros((2, 5, 5, 5), np.uint8), r"found uint8 of shape \(2, 5, 5, 5\)"),
        (np.zeros((9, 4)), "features .* are scored with --features"),
    ],
)
def test_the_error_on_an_array_without_uint8_images_shows_the_conversion(
    tmp_path: Path, stored: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "x.npy", stored)
    with pytest.raises(ValueError, match=message):
        open_images(tmp_path / "x.npy")


def test_the_conversion_that_is_advised_undoes_the_projects_own_map() -> None:
    levels = np.arange(256)
    assert np.array_equal(np.round((levels / 127.5 - 1 + 1) * 127.5).clip(0, 255).astype(np.uint8), levels)


def test_the_projects_own_samples_are_read_and_several_networks_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "samples.arrow"
    write_images(path, np.moveaxis(RGB, 3, 1), {"member": np.array([0, 0, 1, 1])}, {})
    images = open_images(path)
    expect(images, RGB)
    assert "images of 2 members" in images.notes[0]
    write_images(path, GREY[:, None], {"label": np.arange(4)}, {})
    expect(open_images(path), GREY)
    assert open_images(path).notes == ()


def test_parquet_holds_encoded_images_tensors_or_lists(tmp_path: Path) -> None:
    encoded = [{"bytes": png(picture), "path": None} for picture in RGB]
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(RGB)
    lists = pa.array(RGB.reshape(-1))
    for size in RGB.shape[:0:-1]:
        lists = pa.FixedSizeListArray.from_arrays(lists, size)
    for name, column in (("encoded", pa.array(encoded)), ("tensor", tensor), ("lists", lists)):
        path = tmp_path / f"{name}.parquet"
        pa.parquet.write_table(pa.table({"image": column}), path, row_group_size=3)
        expect(open_images(path), RGB)


def test_a_picture_that_cannot_be_decoded_is_an_error_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(GREY[0])[:40])
    with pytest.raises(UnreadableImageError):
        open_images(tmp_path).images.read(0)


def test_a_path_without_images_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"found it empty, expected files that end in \.jpg"):
        open_images(tmp_path)
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(ValueError, match=r"found 1 other files \(such as notes\.txt\)"):
        open_images(tmp_path)
    with pytest.raises(ValueError, match=r"another kind, expected a folder or \.zip of images"):
        open_images(tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError, match=r"no such file or folder, expected a folder or \.zip"):
        open_images(tmp_path / "none")
    for name in ("a.arrow", "a.parquet", "a.zip", "a.npz"):
        (tmp_path / name).write_text("none")
        with pytest.raises(ValueError, match=name):
            open_images(tmp_path / name)


def test_an_arrow_file_of_something_else_names_its_columns(tmp_path: Path) -> None:
    table = pa.table({"x": [1, 2]})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ValueError, match=r"found columns x int64, expected image, a \(C, H, W\) tensor of uint8"):
        open_images(tmp_path / "x.arrow")
