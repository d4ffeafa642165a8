import logging
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.raw import array_layouts
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import BUILT_IN, DATASETS, load_datasets
from pipeline.raw.dataset import Dataset, Preparation
from pipeline.raw.idx import DamagedFileError
from pipeline.raw.read import open_raw
from pipeline.storage.artefact import Artefact
from pipeline.storage.images import write_images
from pipeline.storage.paths import PROJECT, Paths
from pipeline.tables import SettingsError
from tests.celeba_archive import encode, write_zip

Define = Callable[[str], Dataset]


@pytest.fixture
def define(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Define:
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
    images = open_raw(artefact)[split]
    return [int(images.read(index).flat[0]) for index in range(len(images))]


def labels(artefact: Artefact, split: str) -> list[int]:
    labels = open_raw(artefact)[split].labels
    assert labels is not None
    assert labels.dtype == np.int64
    return [int(label) for label in labels]


# ---------------------------------------------------------------------------------------------------------------------
# Entries


def test_without_a_file_of_ones_own_there_are_the_built_in_data_sets() -> None:
    assert load_datasets() == DATASETS
    assert [dataset.key for dataset in BUILT_IN] == list(DATASETS)


def test_the_built_in_preparations_are_the_sources() -> None:
    assert DATASETS["mnist"].preparation == Preparation()
    assert DATASETS["celeba"].preparation == Preparation(crop=108, size=28, channels=3, num_images=5000, subset="first")
    assert DATASETS["celeba_64"].preparation == Preparation(crop=160, size=64, channels=3)
    assert DATASETS["celeba_64"].raw_key == "celeba"


def test_an_entry_needs_a_path_alone(define: Define) -> None:
    dataset = define('path = "pictures"')
    assert (dataset.key, dataset.raw_key, dataset.class_names) == ("shapes", "shapes", None)
    assert (dataset.description, dataset.licence) == ("Own data shapes", "unknown")
    assert dataset.preparation == Preparation()


def test_every_field_of_an_entry_is_read(define: Define) -> None:
    dataset = define(
        'path = "p.npz"\ndescription = "Shapes"\nlicence = "CC0"\ncrop = 20\nsize = 28\nchannels = 1\n'
        'num_images = 9\nsubset = "random"\nseed = 3'
    )
    assert (dataset.description, dataset.licence) == ("Shapes", "CC0")
    assert dataset.preparation == Preparation(20, 28, 1, 9, "random", 3)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("size = 28", "found neither path nor raw, expected one of them"),
        ('path = "p"\nraw = "celeba"', "found both path and raw, expected one of them"),
        (
            'raw = "faces"',
            f"raw 'faces' does not exist; expected one of: {', '.join(DATASETS)}, shapes",
        ),
        ('raw = "shapes"', "raw goes in a circle (shapes → shapes), expected a data set that has files"),
        ('raw = "celeba"\nlicence = "CC0"', "unknown field 'licence' beside raw; expected one of: channels, crop"),
        ("raw = 3", "raw is 3, expected a text"),
        ("path = 3", "path is 3, expected a text"),
        ('path = "p"\nwidth = 3', "unknown field 'width'; expected one of: channels, crop, description"),
        ('path = "p"\nsize = 0', "size is 0, expected a whole number of at least 1"),
        ('path = "p"\nchannels = 4', "channels is 4, expected one of: 1, 3"),
        ('path = "p"\nsubset = "last"', "subset is 'last', expected one of: first, random"),
        ('path = "p"\nseed = -1', "seed is -1, expected a whole number of at least 0"),
        ('path = "p"\nlicence = ""', "licence is '', expected a text"),
    ],
)
def test_a_wrong_entry_is_one_sentence_that_names_it(define: Define, entry: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=r"datasets\.toml: \[shapes\]") as caught:
        define(entry)
    assert expected in str(caught.value)


def test_an_entry_may_prepare_the_files_of_another_data_set(define: Define) -> None:
    celeba = DATASETS["celeba"]
    dataset = define('raw = "celeba"\nsize = 32\ncrop = 128\nnum_images = 2000\nsubset = "random"\nseed = 1')
    assert dataset.preparation == Preparation(128, 32, None, 2000, "random", 1)
    assert (dataset.key, dataset.raw_key, dataset.description) == ("shapes", "celeba", "celeba as shapes")
    assert (dataset.sources, dataset.licence) == (celeba.sources, celeba.licence)
    assert define('raw = "fashion_mnist"').class_names == DATASETS["fashion_mnist"].class_names


def test_the_files_of_a_data_set_that_has_none_are_those_it_is_prepared_from_itself(define: Define) -> None:
    dataset = define('raw = "celeba_64"')
    assert (dataset.raw_key, dataset.preparation) == ("celeba", Preparation())


def test_an_entry_may_prepare_the_files_of_another_entry_wherever_that_stands(tmp_path: Path) -> None:
    entries = '[small]\nraw = "middle"\nsize = 8\n[middle]\nraw = "own"\n[own]\npath = "p"\nlicence = "CC0"'
    (tmp_path / "d.toml").write_text(entries)
    datasets = load_datasets((tmp_path / "d.toml",))
    assert [datasets[key].raw_key for key in ("small", "middle", "own")] == ["own"] * 3
    assert datasets["small"].sources == datasets["own"].sources
    assert (datasets["small"].licence, datasets["small"].preparation) == ("CC0", Preparation(size=8))


def test_entries_with_each_others_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text('[a]\nraw = "b"\n[b]\nraw = "a"')
    with pytest.raises(SettingsError, match=r"d\.toml: \[b\]: raw goes in a circle \(a → b → a\)"):
        load_datasets((tmp_path / "d.toml",))
    (tmp_path / "d.toml").write_text('[a]\nraw = "b"\n[b]\nraw = "c"')
    with pytest.raises(
        SettingsError, match=r"d\.toml: \[b\]: raw 'c' does not exist; expected one of: .*mnist, .*, a, b"
    ):
        load_datasets((tmp_path / "d.toml",))


def test_two_preparations_of_own_files_share_them(paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "p", [f"{index}.png" for index in range(5)])
    (tmp_path / "d.toml").write_text('[own]\npath = "p"\n[small]\nraw = "own"\nsize = 3')
    datasets = load_datasets((tmp_path / "d.toml",))
    first, second = acquire(datasets["own"], paths), acquire(datasets["small"], paths)
    assert (first.folder, first.fingerprint, second.cached) == (second.folder, second.fingerprint, True)


def test_the_entry_in_the_documentation_is_read(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "own-data.md").read_text(encoding="utf-8")
    (tmp_path / "faces.toml").write_text(page.split("```toml\n# faces.toml\n")[1].split("```")[0])
    dataset = load_datasets((tmp_path / "faces.toml",))["faces"]
    assert (dataset.raw_key, dataset.preparation) == ("celeba", Preparation(128, 32, None, 2000, "random", 1))


def test_a_built_in_key_cannot_be_taken(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text('[mnist]\npath = "p"')
    with pytest.raises(SettingsError, match=r"d\.toml: \[mnist\] is a built-in data set; expected a key of its own"):
        load_datasets((tmp_path / "d.toml",))


def test_a_missing_file_of_entries_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANFORGE_DATASETS", str(tmp_path / "nowhere.toml"))
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read"):
        load_datasets()


def test_a_path_is_required_only_when_the_data_set_is_made(define: Define, paths: Paths) -> None:
    dataset = define('path = "nowhere"')
    with pytest.raises(
        FileNotFoundError, match=r"\[shapes\]: path .*nowhere does not exist, expected a folder of images"
    ):
        acquire(dataset, paths)


def test_a_file_of_another_kind_is_refused(define: Define, paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("1,2")
    with pytest.raises(ValueError, match=r"p\.csv is a file of another kind, expected a folder of images, a \.zip"):
        acquire(define('path = "p.csv"'), paths)


# ---------------------------------------------------------------------------------------------------------------------
# Folders and zips


def test_a_folder_is_found_beside_the_file_of_entries(define: Define, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "pictures" / "shapes", [f"{index}.png" for index in range(10)])
    artefact = acquire(define('path = "pictures/shapes"'), paths)
    assert (artefact.details["labels"], artefact.details["images"]) == ("none", {"train": 8, "test": 2})
    assert artefact.details["note"] == f"own data from {tmp_path / 'pictures' / 'shapes'}"
    assert (list(artefact.files), shades(artefact, "test")) == (["images.zip"], [4, 9])


def test_folders_are_classes_where_every_image_lies_in_one(define: Define, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "p", [f"{kind}/{index}.png" for kind in ("disc", "square") for index in range(5)])
    artefact = acquire(define('path = "p"'), paths)
    assert (artefact.details["labels"], artefact.details["class_names"]) == ("classes", ["disc", "square"])
    assert artefact.details["class_histogram"] == {"train": [4, 4], "test": [1, 1]}
    assert labels(artefact, "train") == [0, 0, 0, 0, 1, 1, 1, 1]


def test_one_image_outside_the_folders_makes_them_no_classes(define: Define, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "p", [*(f"{kind}/{index}.png" for kind in "ab" for index in range(5)), "cover.png"])
    assert acquire(define('path = "p"'), paths).details["labels"] == "none"


def test_the_folder_around_a_zips_images_is_no_class(define: Define, paths: Paths, tmp_path: Path) -> None:
    names = [f"shapes/{kind}/{index}.png" for kind in "ab" for index in range(5)]
    write_zip(tmp_path / "p.zip", {name: encode(shade(value), "PNG") for value, name in enumerate(names)})
    artefact = acquire(define('path = "p.zip"'), paths)
    assert artefact.details["class_names"] == ["a", "b"]
    assert artefact.path("p.zip").read_bytes() == (tmp_path / "p.zip").read_bytes()


@pytest.mark.parametrize(
    ("train_folder", "test_folder"),
    [
        ("train", "test"),
        ("train", "val"),
        ("train", "valid"),
        ("train", "validation"),
        ("Train", "Test"),
        ("TRAIN", "Validation"),
    ],
)
def test_folders_train_and_test_are_the_splits(
    define: Define, paths: Paths, tmp_path: Path, train_folder: str, test_folder: str
) -> None:
    splits = (train_folder, test_folder)
    names = [f"{split}/{kind}/{index}.png" for split in splits for kind in "ba" for index in range(2)]
    write_files(tmp_path / "p", names)
    artefact = acquire(define('path = "p"'), paths)
    assert artefact.details["class_names"] == ["a", "b"]
    assert artefact.details["test_split"] == "folders of the splits"
    assert (shades(artefact, "train"), labels(artefact, "train")) == ([2, 3, 0, 1], [0, 0, 1, 1])
    assert (shades(artefact, "test"), labels(artefact, "test")) == ([6, 7, 4, 5], [0, 0, 1, 1])


def test_beside_a_test_folder_validation_images_are_unused(define: Define, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "p", [f"{split}/{index}.png" for split in ("train", "val", "test") for index in range(3)])
    artefact = acquire(define('path = "p"'), paths)
    assert artefact.details["images"] == {"train": 3, "test": 3}
    assert artefact.details["unused"] == {"validation": 3}
    assert (shades(artefact, "test"), artefact.details["labels"]) == ([6, 7, 8], "none")


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (["other/1.png"], "found other/ beside train/ and test/, expected either only splits"),
        (["Extra/1.png", "cover.png"], "found images in no folder, Extra/ beside train/ and test/"),
        ([f"{kind}/1.png" for kind in "dcba"], "found a/, b/, c/, … beside train/ and test/"),
    ],
)
def test_a_folder_beside_train_and_test_is_an_error_and_makes_no_classes(
    define: Define, paths: Paths, tmp_path: Path, others: list[str], expected: str
) -> None:
    write_files(tmp_path / "p", ["Train/1.png", "Train/2.png", "test/1.png", "val/1.png", *others])
    with pytest.raises(DamagedFileError) as caught:
        acquire(define('path = "p"'), paths)
    assert str(caught.value).startswith(f"{tmp_path / 'p'}: {expected}")


def test_train_is_a_class_like_others_where_nothing_is_for_testing(
    define: Define, paths: Paths, tmp_path: Path
) -> None:
    write_files(tmp_path / "p", [f"{kind}/{index}.png" for kind in ("train", "car", "ship") for index in range(5)])
    assert acquire(define('path = "p"'), paths).details["class_names"] == ["car", "ship", "train"]


def test_linked_folders_are_classes_too(define: Define, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path, [f"{kind}/{index}.png" for kind in ("elsewhere", "p/b") for index in range(5)])
    (tmp_path / "p" / "a").symlink_to(tmp_path / "elsewhere")
    details = acquire(define('path = "p"'), paths).details
    assert (details["class_names"], details["class_histogram"]["train"]) == (["a", "b"], [4, 4])


def test_fewer_than_five_images_cannot_be_split(define: Define, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["1.png", "2.png"])
    with pytest.raises(DamagedFileError, match="found 2 images, expected at least 5: every fifth one is held out"):
        acquire(define('path = "p"'), paths)


def test_own_data_are_read_every_time_so_that_a_change_is_noticed(define: Define, paths: Paths, tmp_path: Path) -> None:
    write_files(tmp_path / "p", [f"{index}.png" for index in range(5)])
    dataset = define('path = "p"')
    assert [acquire(dataset, paths).cached, acquire(dataset, paths).cached] == [False, True]
    write_files(tmp_path / "p", [f"{index}.png" for index in range(6)])
    assert acquire(dataset, paths).details["images"] == {"train": 5, "test": 1}


# ---------------------------------------------------------------------------------------------------------------------
# Arrays

NEGATIVE = np.full(10, -1)
IMAGES = np.arange(10, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(5, 2)
COLOURED = IMAGES[..., None].repeat(3, 3)


def test_an_npz_of_images_alone_has_no_labels(define: Define, paths: Paths, tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", images=IMAGES)
    artefact = acquire(define('path = "p.npz"'), paths)
    assert (artefact.details["labels"], artefact.details["layout"]) == ("none", "npz")
    assert (shades(artefact, "train"), shades(artefact, "test")) == ([0, 1, 2, 3, 5, 6, 7, 8], [4, 9])


def test_an_npz_may_hold_labels_and_a_test_split(define: Define, paths: Paths, tmp_path: Path) -> None:
    np.savez_compressed(
        tmp_path / "p.npz",
        images=COLOURED,
        labels=np.arange(10) % 3,
        test_images=COLOURED[:2],
        test_labels=np.array([2, 1]),
    )
    artefact = acquire(define('path = "p.npz"'), paths)
    assert artefact.details["class_names"] == ["0", "1", "2"]
    assert artefact.details["class_histogram"] == {"train": [4, 3, 3], "test": [0, 1, 1]}
    assert artefact.details["test_split"] == "test_images"
    assert open_raw(artefact)["train"].read(3).shape == (4, 5, 3)


def test_one_channel_in_an_npz_is_grey(define: Define, paths: Paths, tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", images=IMAGES[..., None])
    artefact = acquire(define('path = "p.npz"'), paths)
    assert open_raw(artefact)["train"].read(3).shape == (4, 5)


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
    define: Define, paths: Paths, tmp_path: Path, arrays: Mapping[str, Any], expected: str
) -> None:
    np.savez(tmp_path / "p.npz", **arrays)
    with pytest.raises(DamagedFileError, match=expected):
        acquire(define('path = "p.npz"'), paths)
    assert not paths.raw("shapes").exists()


def test_a_file_that_is_no_npz_is_refused_without_unpickling(define: Define, paths: Paths, tmp_path: Path) -> None:
    for content in (b"", b"\x80\x04K\x01.", b"PK\x03\x04 cut"):
        (tmp_path / "p.npz").write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"p\.npz: cannot be read"):
            acquire(define('path = "p.npz"'), paths)
    with (tmp_path / "p.npz").open("wb") as file:
        np.save(file, IMAGES)
    with pytest.raises(DamagedFileError, match=r"p\.npz: cannot be read \(it is a single array\)"):
        acquire(define('path = "p.npz"'), paths)


def test_arrays_that_declare_too_much_to_hold_are_refused_before_they_are_loaded(
    define: Define, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_layouts, "MOST_NPZ_BYTES", 400)
    np.savez_compressed(tmp_path / "p.npz", images=IMAGES, labels=np.zeros(10, int))
    with pytest.raises(
        DamagedFileError, match=r"p\.npz: its arrays declare 536 bytes, expected at most 400; use a fold"
    ):
        acquire(define('path = "p.npz"'), paths)


def test_images_that_unfold_beyond_measure_are_refused_before_they_are_loaded(
    define: Define, paths: Paths, tmp_path: Path
) -> None:
    np.savez_compressed(tmp_path / "p.npz", images=np.zeros((100, 512, 512), np.uint8))
    tracemalloc.start()
    with pytest.raises(
        DamagedFileError, match=r"images declares 26,214,528 bytes from .*, expected at most 1,000 times"
    ):
        acquire(define('path = "p.npz"'), paths)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 10 << 20


def test_labels_may_repeat_one_value_however_often(define: Define, paths: Paths, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (200_000, 1, 1), np.uint8)
    np.savez_compressed(tmp_path / "p.npz", images=images, labels=np.zeros(200_000, int))
    assert acquire(define('path = "p.npz"'), paths).details["class_names"] == ["0"]


def test_an_entry_of_an_npz_that_is_no_array_is_refused(define: Define, paths: Paths, tmp_path: Path) -> None:
    write_zip(tmp_path / "p.npz", {"images.npy": b"text"})
    with pytest.raises(DamagedFileError, match=r"p\.npz: images is no array"):
        acquire(define('path = "p.npz"'), paths)


PNGS = [encode(shade(value), "PNG") for value in range(10)]


@pytest.mark.parametrize("form", ["binary", "hugging_face"])
def test_a_parquet_of_encoded_images_is_read_by_row_groups(
    define: Define, paths: Paths, tmp_path: Path, form: str
) -> None:
    images = pa.array(PNGS) if form == "binary" else pa.array([{"bytes": png, "path": "x.png"} for png in PNGS])
    table = pa.table({"image": images, "label": pa.array(range(10), pa.int8())})
    pa.parquet.write_table(table, tmp_path / "p.parquet", row_group_size=3)
    artefact = acquire(define('path = "p.parquet"'), paths)
    assert (shades(artefact, "train"), shades(artefact, "test")) == ([0, 1, 2, 3, 5, 6, 7, 8], [4, 9])
    assert (labels(artefact, "test"), len(artefact.details["class_names"])) == ([4, 9], 10)


@pytest.mark.parametrize(("shape", "expected"), [((1, 4, 5), (4, 5)), ((3, 4, 5), (4, 5, 3)), ((4, 5, 3), (4, 5, 3))])
def test_a_parquet_of_tensors_is_read_in_either_order_of_channels(
    define: Define, paths: Paths, tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    pixels = np.arange(10, dtype=np.uint8).reshape(-1, 1, 1, 1) + np.zeros(shape, np.uint8)
    table = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)})
    pa.parquet.write_table(table, tmp_path / "p.parquet", row_group_size=4)
    artefact = acquire(define('path = "p.parquet"'), paths)
    assert (artefact.details["labels"], shades(artefact, "test")) == ("none", [4, 9])
    assert open_raw(artefact)["test"].read(0).shape == expected


def test_rows_of_a_group_that_arrow_leaves_in_chunks_are_all_read(tmp_path: Path) -> None:
    """Arrow leaves chunks if a group's bytes take more than 2 GiB."""
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(IMAGES)
    structs = pa.array([{"bytes": png} for png in PNGS])
    for column_values in (pa.array(PNGS), structs, tensors):
        pa.parquet.write_table(pa.table({"image": column_values}), tmp_path / "p.parquet")
        rows = array_layouts.Rows(tmp_path / "p.parquet")
        expected = [rows.picture(row).tolist() if rows.holds_arrays else rows.content(row) for row in range(10)]
        column = SimpleNamespace(combine_chunks=lambda whole=column_values: pa.chunked_array([whole[:4], whole[4:]]))
        group = SimpleNamespace(column=lambda name, column=column: column)
        rows = array_layouts.Rows(tmp_path / "p.parquet")
        rows._file = SimpleNamespace(read_row_group=lambda index, columns, group=group: group)
        rows_read = [rows.picture(row).tolist() if rows.holds_arrays else rows.content(row) for row in range(10)]
        assert rows_read == expected


def test_a_row_group_that_cannot_be_read_is_one_sentence(define: Define, paths: Paths, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (10, 5000), np.uint8)
    table = pa.table({"image": [row.tobytes() for row in noise]})
    pa.parquet.write_table(table, tmp_path / "p.parquet", compression="zstd", use_dictionary=False)
    content = bytearray((tmp_path / "p.parquet").read_bytes())
    content[4:200] = bytes(196)
    (tmp_path / "p.parquet").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"p\.parquet: row group 0 cannot be read \(.*\); get the file again"):
        acquire(define('path = "p.parquet"'), paths)


def test_samples_of_this_project_can_be_a_data_set(define: Define, paths: Paths, tmp_path: Path) -> None:
    write_images(tmp_path / "samples.arrow", IMAGES[:, None], {"label": np.arange(10)}, {})
    table = pa.ipc.open_file(pa.memory_map(str(tmp_path / "samples.arrow"))).read_all()
    pa.parquet.write_table(table, tmp_path / "p.parquet")
    artefact = acquire(define('path = "p.parquet"'), paths)
    assert (shades(artefact, "test"), labels(artefact, "test")) == ([4, 9], [4, 9])


def test_an_unreadable_row_is_named_and_left_out(define: Define, paths: Paths, tmp_path: Path) -> None:
    table = pa.table({"image": [*PNGS[:7], None, *PNGS[8:]], "label": range(10)})
    pa.parquet.write_table(table, tmp_path / "p.parquet")
    artefact = acquire(define('path = "p.parquet"'), paths)
    assert artefact.details["unreadable"] == ["row 7"]
    assert shades(artefact, "train") == labels(artefact, "train") == [0, 1, 2, 3, 5, 6, 8, 9]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"picture": PNGS}, "found columns picture, expected one named image"),
        ({"image": ["a.png"] * 10}, "column image is string, expected encoded images as binary"),
        ({"image": PNGS, "label": ["cat"] * 10}, "column label is string, expected an integer"),
        ({"image": PNGS, "label": [None, *range(9)]}, "column label is int64 with 1 empty rows, expected an integer"),
        ({"image": PNGS, "label": [-1] * 10}, "column label is int64 .* from -1 to -1, expected integers"),
        (
            {"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())},
            "found 0 images, expected at least 5",
        ),
    ],
)
def test_a_wrong_parquet_is_one_sentence(
    define: Define, paths: Paths, tmp_path: Path, columns: Mapping[str, Any], expected: str
) -> None:
    pa.parquet.write_table(pa.table(columns), tmp_path / "p.parquet")
    with pytest.raises(DamagedFileError, match=expected):
        acquire(define('path = "p.parquet"'), paths)
    (tmp_path / "p.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(DamagedFileError, match=r"p\.parquet: not a whole Parquet file"):
        acquire(define('path = "p.parquet"'), paths)
    assert not paths.raw("shapes").exists()


# ---------------------------------------------------------------------------------------------------------------------
# Messages


def write_npz(path: Path) -> None:
    with path.open("wb") as file:  # under any suffix
        np.savez(file, images=IMAGES, labels=NEGATIVE)


def write_parquet(path: Path) -> None:
    pa.parquet.write_table(pa.table({"image": PNGS, "label": NEGATIVE}), path)


def write_folder_of_two(path: Path) -> None:
    write_files(path, ["1.png", "2.png"])


def write_zip_of_two(path: Path) -> None:
    write_zip(path, {"1.png": PNGS[1], "2.png": PNGS[2]})


def write_html(path: Path) -> None:
    path.write_text("<html>")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("neg.npz", write_npz),
        ("NEG.NPZ", write_npz),
        ("neg.parquet", write_parquet),
        ("p", write_folder_of_two),
        ("p.zip", write_zip_of_two),
        ("P.ZIP", write_zip_of_two),
        ("q.zip", write_html),
        ("q.npz", write_html),
        ("q.parquet", write_html),
    ],
)
def test_a_message_names_the_users_file_and_no_copy_that_is_gone(
    define: Define, paths: Paths, tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    write(tmp_path / name)
    with pytest.raises(DamagedFileError) as caught:
        acquire(define(f'path = "{name}"'), paths)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert ".shapes.download" not in str(caught.value)


def test_a_warning_names_no_copy_that_is_gone(
    define: Define, paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pa.parquet.write_table(pa.table({"image": [*PNGS[:9], b"damaged"]}), tmp_path / "p.parquet")
    with caplog.at_level(logging.WARNING):
        acquire(define('path = "p.parquet"'), paths)
    assert "p.parquet: 1 of 10 images cannot be read (row 9: " in caplog.text
    assert ".shapes.download" not in caplog.text
