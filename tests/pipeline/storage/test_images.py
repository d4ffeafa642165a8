from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.storage import images as images_module
from pipeline.storage.images import read_images, write_images


@pytest.mark.parametrize("channels", [1, 3])
def test_images_columns_and_metadata_come_back_as_written(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, channels, 4, 6), np.uint8)
    write_images(tmp_path / "i.arrow", pixels, {"label": np.arange(5)}, {"split": "train"})
    found = read_images(tmp_path / "i.arrow")
    assert np.array_equal(found.pixels, pixels)
    assert found.columns["label"].tolist() == [0, 1, 2, 3, 4]
    assert found.metadata["split"] == "train"


def test_the_column_is_arrows_fixed_shape_tensor_of_uint8(tmp_path: Path) -> None:
    write_images(tmp_path / "i.arrow", np.zeros((2, 1, 4, 6), np.uint8)[:, ::1], {}, {})
    with pa.memory_map(str(tmp_path / "i.arrow")) as file:
        field = pa.ipc.open_file(file).schema.field("image")
    assert (field.type.extension_name, field.type.shape) == ("arrow.fixed_shape_tensor", [1, 4, 6])
    assert field.type.value_type == pa.uint8()


def test_pixels_are_a_view_of_the_file_and_cost_no_memory(tmp_path: Path) -> None:
    write_images(tmp_path / "i.arrow", np.zeros((100, 1, 28, 28), np.uint8), {}, {})
    before = pa.total_allocated_bytes()
    found = read_images(tmp_path / "i.arrow")
    assert pa.total_allocated_bytes() - before < 28 * 28
    assert not found.pixels.flags.owndata


def test_many_batches_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "ROWS_PER_BATCH", 3)
    pixels = np.arange(7, dtype=np.uint8).reshape(7, 1, 1, 1)
    write_images(tmp_path / "i.arrow", pixels, {"label": np.arange(7)}, {})
    found = read_images(tmp_path / "i.arrow")
    assert found.pixels.ravel().tolist() == found.columns["label"].tolist() == list(range(7))


def test_no_images_are_an_empty_file(tmp_path: Path) -> None:
    write_images(tmp_path / "i.arrow", np.zeros((0, 1, 2, 2), np.uint8), {}, {})
    assert read_images(tmp_path / "i.arrow").pixels.shape == (0, 1, 2, 2)


def test_what_is_not_pixels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found float64 pixels"):
        write_images(tmp_path / "i.arrow", np.zeros((2, 1, 2, 2)), {}, {})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="found 3 values of 'label', expected 2"):
        write_images(tmp_path / "i.arrow", np.zeros((2, 1, 2, 2), np.uint8), {"label": np.arange(3)}, {})


def test_a_cut_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "i.arrow"
    write_images(path, np.zeros((10, 1, 8, 8), np.uint8), {}, {})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"i\.arrow: not a whole Arrow file"):
        read_images(path)
