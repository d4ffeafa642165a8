from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS, load_datasets
from pipeline.raw.dataset import Dataset, Preparation
from pipeline.raw.idx import DamagedFileError
from pipeline.raw.read import open_raw
from pipeline.storage.artefact import Artefact
from pipeline.storage.images import write_images
from pipeline.storage.paths import Paths
from pipeline.tables import SettingsError
from tests.celeba_archive import encode, write_zip

Own = Callable[[str], Dataset]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Own:
    """The data set of an entry [shapes] in the user's file."""

    def write(entry: str) -> Dataset:
        (tmp_path / "datasets.toml").write_text(f"[shapes]\n{entry}\n")
        monkeypatch.setenv("GANFORGE_DATASETS", str(tmp_path / "datasets.toml"))
        return load_datasets()["shapes"]

    return write


def shade(value: int, size: int = 6) -> np.ndarray:
    return np.full((size, size), value, np.uint8)


def write_files(folder: Path, names: list[str]) -> None:
    """Each image's grey level is its place in the list."""
    for value, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode(shade(value), "PNG"))


def shades(artefact: Artefact, split: str) -> list[int]:
    images = open_raw(artefact.folder, artefact.details)[split]
    return [int(images.read(index).flat[0]) for index in range(len(images))]


def labels(artefact: Artefact, split: str) -> list[int]:
    found = open_raw(artefact.folder, artefact.details)[split].labels
    assert found is not None
    assert found.dtype == np.int64
    return [int(label) for label in found]


# ---------------------------------------------------------------------------------------------------------------------
# Entries


def test_without_a_file_of_ones_own_there_are_the_built_in_data_sets() -> None:
    assert load_datasets() == DATASETS
    assert list(DATASETS) == ["mnist", "fashion_mnist", "celeba", "celeba_64"]


def test_the_built_in_preparations_are_the_sources() -> None:
    assert DATASETS["mnist"].preparation == Preparation()
    assert DATASETS["celeba"].preparation == Preparation(crop=108, size=28, channels=3, num_images=5000, subset="first")
    assert DATASETS["celeba_64"].preparation == Preparation(crop=160, size=64, channels=3)
    assert [dataset.raw_key for dataset in DATASETS.values()] == ["mnist", "fashion_mnist", "celeba", "celeba"]


def test_an_entry_needs_a_path_alone(own: Own) -> None:
    dataset = own('path = "pictures"')
    assert (dataset.key, dataset.raw_key, dataset.class_names) == ("shapes", "shapes", None)
    assert (dataset.description, dataset.licence) == ("Own data shapes", "unknown")
    assert dataset.preparation == Preparation()


def test_every_field_of_an_entry_is_read(own: Own) -> None:
    dataset = own(
        'path = "p.npz"\ndescription = "Shapes"\nlicence = "CC0"\ncrop = 20\nsize = 28\nchannels = 1\n'
        'num_images = 9\nsubset = "random"\nseed = 3'
    )
    assert (dataset.description, dataset.licence) == ("Shapes", "CC0")
    assert dataset.preparation == Preparation(20, 28, 1, 9, "random", 3)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("size = 28", "field 'path' is missing"),
        ("path = 3", "path is 3, expected a text"),
        ('path = "p"\nwidth = 3', "unknown field 'width'; expected one of: channels, crop, description"),
        ('path = "p"\nsize = 0', "size is 0, expected a whole number of at least 1"),
        ('path = "p"\nchannels = 4', "channels is 4, expected 1 (grey) or 3 (RGB)"),
        ('path = "p"\nsubset = "last"', "subset is 'last', expected one of: first, random"),
        ('path = "p"\nseed = -1', "seed is -1, expected a whole number of at least 0"),
        ('path = "p"\nlicence = ""', "licence is '', expected a text"),
    ],
)
def test_a_wrong_entry_is_one_sentence_that_names_it(own: Own, entry: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=r"datasets\.toml: \[shapes\]") as caught:
        own(entry)
    assert expected in str(caught.value)


def test_a_built_in_key_cannot_be_taken(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text('[mnist]\npath = "p"')
    with pytest.raises(SettingsError, match=r"d\.toml: \[mnist\] is a built-in data set; expected a key of its own"):
        load_datasets((tmp_path / "d.toml",))


def test_a_missing_file_of_entries_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANFORGE_DATASETS", str(tmp_path / "nowhere.toml"))
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read"):
        load_datasets()


def test_a_path_is_asked_for_only_when_the_data_set_is_made(own: Own, paths: Paths) -> None:
    dataset = own('path = "nowhere"')
    with pytest.raises(
        FileNotFoundError, match=r"\[shapes\]: path .*nowhere does not exist, expected a folder of images"
    ):
        acquire(dataset, paths)


def test_a_file_of_another_kind_is_refused(own: Own, paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("1,2")
    with pytest.raises(ValueError, match=r"p\.csv is a file of another kind, expected a folder of images, a \.zip"):
        acquire(own('path = "p.csv"'), paths)


# ---------------------------------------------------------------------------------------------------------------------
# Folders and zips


def test_a_folder_is_found_beside_the_file_of_entries(own: Own, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "pictures" / "shapes", [f"{index}.png" for index in range(10)])
    artefact = acquire(own('path = "pictures/shapes"'), paths)
    assert (artefact.details["labels"], artefact.details["images"]) == ("none", {"train": 8, "test": 2})
    assert artefact.details["note"] == f"own data from {tmp_path / 'pictures' / 'shapes'}"
    assert (list(artefact.files), shades(artefact, "test")) == (["images.zip"], [4, 9])


def test_folders_are_classes_where_every_image_lies_in_one(own: Own, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "p", [f"{kind}/{index}.png" for kind in ("disc", "square") for index in range(5)])
    artefact = acquire(own('path = "p"'), paths)
    assert (artefact.details["labels"], artefact.details["class_names"]) == ("classes", ["disc", "square"])
    assert artefact.details["class_histogram"] == {"train": [4, 4], "test": [1, 1]}
    assert labels(artefact, "train") == [0, 0, 0, 0, 1, 1, 1, 1]


def test_one_image_outside_the_folders_makes_them_no_classes(own: Own, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "p", [*(f"{kind}/{index}.png" for kind in "ab" for index in range(5)), "cover.png"])
    assert acquire(own('path = "p"'), paths).details["labels"] == "none"


def test_the_folder_around_a_zips_images_is_no_class(own: Own, paths: Paths, tmp_path: Path) -> None:
    names = [f"shapes/{kind}/{index}.png" for kind in "ab" for index in range(5)]
    write_zip(tmp_path / "p.zip", {name: encode(shade(value), "PNG") for value, name in enumerate(names)})
    artefact = acquire(own('path = "p.zip"'), paths)
    assert artefact.details["class_names"] == ["a", "b"]
    assert artefact.path("p.zip").read_bytes() == (tmp_path / "p.zip").read_bytes()


@pytest.mark.parametrize("test_folder", ["test", "val", "valid"])
def test_folders_train_and_test_are_the_splits(own: Own, paths: Paths, tmp_path: Path, test_folder: str) -> None:
    names = [f"{split}/{kind}/{index}.png" for split in ("train", test_folder) for kind in "ba" for index in range(2)]
    write_files(tmp_path / "p", names)
    artefact = acquire(own('path = "p"'), paths)
    assert artefact.details["class_names"] == ["a", "b"]
    assert artefact.details["test_split"] == "folders of the splits"
    assert (shades(artefact, "train"), labels(artefact, "train")) == ([2, 3, 0, 1], [0, 0, 1, 1])
    assert (shades(artefact, "test"), labels(artefact, "test")) == ([6, 7, 4, 5], [0, 0, 1, 1])


def test_beside_a_test_folder_validation_images_are_unused(own: Own, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "p", [f"{split}/{index}.png" for split in ("train", "val", "test") for index in range(3)])
    artefact = acquire(own('path = "p"'), paths)
    assert artefact.details["images"] == {"train": 3, "test": 3}
    assert artefact.details["unused"] == {"validation": 3}
    assert (shades(artefact, "test"), artefact.details["labels"]) == ([6, 7, 8], "none")


def test_fewer_than_five_images_cannot_be_split(own: Own, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["1.png", "2.png"])
    with pytest.raises(DamagedFileError, match="found 2 images, expected at least 5: every fifth one is held out"):
        acquire(own('path = "p"'), paths)


def test_own_data_are_read_every_time_so_that_a_change_is_noticed(own: Own, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "p", [f"{index}.png" for index in range(5)])
    dataset = own('path = "p"')
    assert [acquire(dataset, paths).cached, acquire(dataset, paths).cached] == [False, True]
    write_files(tmp_path / "p", [f"{index}.png" for index in range(6)])
    assert acquire(dataset, paths).details["images"] == {"train": 5, "test": 1}


# ---------------------------------------------------------------------------------------------------------------------
# Arrays

IMAGES = np.arange(10, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(5, 2)
COLOURED = IMAGES[..., None].repeat(3, 3)


def test_an_npz_of_images_alone_has_no_labels(own: Own, paths: Paths, tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", images=IMAGES)
    artefact = acquire(own('path = "p.npz"'), paths)
    assert (artefact.details["labels"], artefact.details["layout"]) == ("none", "npz")
    assert (shades(artefact, "train"), shades(artefact, "test")) == ([0, 1, 2, 3, 5, 6, 7, 8], [4, 9])


def test_an_npz_may_hold_labels_and_a_test_split(own: Own, paths: Paths, tmp_path: Path) -> None:
    arrays = {
        "images": COLOURED,
        "labels": np.arange(10) % 3,
        "test_images": COLOURED[:2],
        "test_labels": np.array([2, 1]),
    }
    np.savez_compressed(tmp_path / "p.npz", **arrays)
    artefact = acquire(own('path = "p.npz"'), paths)
    assert artefact.details["class_names"] == ["0", "1", "2"]
    assert artefact.details["class_histogram"] == {"train": [4, 3, 3], "test": [0, 1, 1]}
    assert artefact.details["test_split"] == "test_images"
    assert open_raw(artefact.folder, artefact.details)["train"].read(3).shape == (4, 5, 3)


def test_one_channel_in_an_npz_is_grey(own: Own, paths: Paths, tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", images=IMAGES[..., None])
    artefact = acquire(own('path = "p.npz"'), paths)
    assert open_raw(artefact.folder, artefact.details)["train"].read(3).shape == (4, 5)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"pictures": IMAGES}, "found arrays none, expected one named images"),
        ({"images": IMAGES / 255}, r"images is float64 \(10, 4, 5\), expected uint8 \(N, H, W\) or"),
        ({"images": IMAGES[0]}, r"images is uint8 \(4, 5\), expected"),
        ({"images": COLOURED.transpose(0, 3, 1, 2)}, r"images is uint8 \(10, 3, 4, 5\), expected"),
        ({"images": IMAGES, "labels": np.zeros(9, int)}, r"labels is int64 \(9,\), expected integers \(10,\)"),
        ({"images": IMAGES, "labels": np.full(10, -1)}, r"labels is int64 \(10,\) from -1 to -1, expected integers"),
        ({"images": IMAGES, "labels": np.full(10, 10**9)}, "from 1000000000 to 1000000000, expected integers"),
        ({"images": IMAGES, "labels": np.zeros(10)}, r"labels is float64 \(10,\), expected integers"),
        ({"images": IMAGES, "labels": np.zeros(10, int), "test_images": IMAGES}, "found labels for one split only"),
        ({"images": IMAGES[:3]}, "found 3 images, expected at least 5"),
        ({"images": np.array([object()])}, "cannot be read .*expected arrays saved by numpy.savez, without Python"),
    ],
)
def test_a_wrong_npz_is_one_sentence_and_leaves_nothing(
    own: Own, paths: Paths, tmp_path: Path, arrays: Mapping[str, Any], expected: str
) -> None:
    np.savez(tmp_path / "p.npz", **arrays)
    with pytest.raises(DamagedFileError, match=expected):
        acquire(own('path = "p.npz"'), paths)
    assert not paths.raw("shapes").exists()


def test_what_is_no_npz_is_refused_without_unpickling(own: Own, paths: Paths, tmp_path: Path) -> None:
    for content in (b"", b"\x80\x04K\x01.", b"PK\x03\x04 cut"):
        (tmp_path / "p.npz").write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"p\.npz: cannot be read"):
            acquire(own('path = "p.npz"'), paths)
    with (tmp_path / "p.npz").open("wb") as file:
        np.save(file, IMAGES)
    with pytest.raises(DamagedFileError, match=r"p\.npz: cannot be read \(it is a single array\)"):
        acquire(own('path = "p.npz"'), paths)


PNGS = [encode(shade(value), "PNG") for value in range(10)]


@pytest.mark.parametrize("form", ["binary", "hugging_face"])
def test_a_parquet_of_encoded_images_is_read_by_row_groups(own: Own, paths: Paths, tmp_path: Path, form: str) -> None:
    images = pa.array(PNGS) if form == "binary" else pa.array([{"bytes": png, "path": "x.png"} for png in PNGS])
    table = pa.table({"image": images, "label": pa.array(range(10), pa.int8())})
    pa.parquet.write_table(table, tmp_path / "p.parquet", row_group_size=3)
    artefact = acquire(own('path = "p.parquet"'), paths)
    assert (shades(artefact, "train"), shades(artefact, "test")) == ([0, 1, 2, 3, 5, 6, 7, 8], [4, 9])
    assert (labels(artefact, "test"), len(artefact.details["class_names"])) == ([4, 9], 10)


@pytest.mark.parametrize(("shape", "expected"), [((1, 4, 5), (4, 5)), ((3, 4, 5), (4, 5, 3)), ((4, 5, 3), (4, 5, 3))])
def test_a_parquet_of_tensors_is_read_in_either_order_of_channels(
    own: Own, paths: Paths, tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    pixels = np.arange(10, dtype=np.uint8).reshape(-1, 1, 1, 1) + np.zeros(shape, np.uint8)
    table = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)})
    pa.parquet.write_table(table, tmp_path / "p.parquet", row_group_size=4)
    artefact = acquire(own('path = "p.parquet"'), paths)
    assert (artefact.details["labels"], shades(artefact, "test")) == ("none", [4, 9])
    assert open_raw(artefact.folder, artefact.details)["test"].read(0).shape == expected


def test_samples_of_this_project_can_be_a_data_set(own: Own, paths: Paths, tmp_path: Path) -> None:
    write_images(tmp_path / "samples.arrow", IMAGES[:, None], {"label": np.arange(10)}, {})
    table = pa.ipc.open_file(pa.memory_map(str(tmp_path / "samples.arrow"))).read_all()
    pa.parquet.write_table(table, tmp_path / "p.parquet")
    artefact = acquire(own('path = "p.parquet"'), paths)
    assert (shades(artefact, "test"), labels(artefact, "test")) == ([4, 9], [4, 9])


def test_an_unreadable_row_is_named_and_left_out(own: Own, paths: Paths, tmp_path: Path) -> None:
    table = pa.table({"image": [*PNGS[:7], None, *PNGS[8:]], "label": range(10)})
    pa.parquet.write_table(table, tmp_path / "p.parquet")
    artefact = acquire(own('path = "p.parquet"'), paths)
    assert artefact.details["unreadable"] == ["row 7"]
    assert shades(artefact, "train") == labels(artefact, "train") == [0, 1, 2, 3, 5, 6, 8, 9]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"picture": PNGS}, "found columns picture, expected one named image"),
        ({"image": ["a.png"] * 10}, "column image is string, expected encoded images as binary"),
        ({"image": PNGS, "label": ["cat"] * 10}, "column label is string with 0 empty rows, expected an integer"),
        ({"image": PNGS, "label": [None, *range(9)]}, "column label is int64 with 1 empty rows, expected an integer"),
        ({"image": PNGS, "label": [-1] * 10}, "column label is int64 .* from -1 to -1, expected integers"),
    ],
)
def test_a_wrong_parquet_is_one_sentence(
    own: Own, paths: Paths, tmp_path: Path, columns: Mapping[str, Any], expected: str
) -> None:
    pa.parquet.write_table(pa.table(columns), tmp_path / "p.parquet")
    with pytest.raises(DamagedFileError, match=expected):
        acquire(own('path = "p.parquet"'), paths)
    (tmp_path / "p.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(DamagedFileError, match=r"p\.parquet: not a whole Parquet file"):
        acquire(own('path = "p.parquet"'), paths)
    assert not paths.raw("shapes").exists()
