import resource
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.storage import images as images_module
from pipeline.storage.images import read_images, write_images, write_images_from_file


@pytest.mark.parametrize("channels", [1, 3])
def test_images_columns_and_metadata_come_back_as_written(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, channels, 4, 6), np.uint8)
    write_images(tmp_path / "i.arrow", pixels, {"label": np.arange(5)}, {"split": "train"})
    images = read_images(tmp_path / "i.arrow")
    assert np.array_equal(images.pixels, pixels)
    assert images.columns["label"].tolist() == [0, 1, 2, 3, 4]
    assert images.metadata["split"] == "train"


def test_the_column_is_arrows_fixed_shape_tensor_of_uint8(tmp_path: Path) -> None:
    write_images(tmp_path / "i.arrow", np.zeros((2, 1, 4, 6), np.uint8)[:, ::1], {}, {})
    with pa.memory_map(str(tmp_path / "i.arrow")) as file:
        field = pa.ipc.open_file(file).schema.field("image")
    assert (field.type.extension_name, field.type.shape) == ("arrow.fixed_shape_tensor", [1, 4, 6])
    assert field.type.value_type == pa.uint8()


def test_pixels_are_a_view_of_the_file_and_cost_no_memory(tmp_path: Path) -> None:
    write_images(tmp_path / "i.arrow", np.zeros((100, 1, 28, 28), np.uint8), {}, {})
    before = pa.total_allocated_bytes()
    images = read_images(tmp_path / "i.arrow")
    assert pa.total_allocated_bytes() - before < 28 * 28
    assert not images.pixels.flags.owndata


def test_however_many_images_are_one_batch(tmp_path: Path) -> None:
    write_images(tmp_path / "i.arrow", np.zeros((70_000, 1, 1, 1), np.uint8), {"label": np.arange(70_000)}, {})
    with pa.memory_map(str(tmp_path / "i.arrow")) as file:
        assert pa.ipc.open_file(file).num_record_batches == 1
    assert not read_images(tmp_path / "i.arrow").pixels.flags.owndata


def test_rows_of_values_come_back_as_a_view(tmp_path: Path) -> None:
    attributes = np.random.default_rng(0).integers(0, 2, (5, 40), np.uint8)
    write_images(tmp_path / "i.arrow", np.zeros((5, 3, 2, 2), np.uint8), {"attributes": attributes}, {})
    attributes_read = read_images(tmp_path / "i.arrow").columns["attributes"]
    assert np.array_equal(attributes_read, attributes)
    assert attributes_read.dtype == np.uint8
    assert not attributes_read.flags.owndata


def test_several_batches_of_another_writer_read_as_one(tmp_path: Path) -> None:
    pixels = np.arange(7, dtype=np.uint8).reshape(7, 1, 1, 1)
    write_images(tmp_path / "one.arrow", pixels, {"label": np.arange(7), "pair": np.arange(14).reshape(7, 2)}, {})
    table = pa.ipc.open_file(pa.memory_map(str(tmp_path / "one.arrow"))).read_all()
    with pa.OSFile(str(tmp_path / "i.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        for start in (0, 3, 6):
            writer.write_table(table.slice(start, 3))
    images = read_images(tmp_path / "i.arrow")
    assert images.pixels.ravel().tolist() == images.columns["label"].tolist() == list(range(7))
    assert np.array_equal(images.columns["pair"], np.arange(14).reshape(7, 2))


def test_pixels_from_a_file_are_written_as_those_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "PIECE_BYTES", 1000)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8), np.uint8)
    (tmp_path / "pixels").write_bytes(pixels.tobytes())
    columns = {"label": np.arange(50)}
    write_images(tmp_path / "memory.arrow", pixels, columns, {"split": "train"})
    write_images_from_file(tmp_path / "file.arrow", tmp_path / "pixels", (50, 3, 8, 8), columns, {"split": "train"})
    assert (tmp_path / "file.arrow").read_bytes() == (tmp_path / "memory.arrow").read_bytes()


@pytest.mark.slow
def test_more_values_than_a_32_bit_count_are_one_batch_written_in_constant_memory(tmp_path: Path) -> None:
    count = 2**31 // (3 * 64 * 64) + 1  # the whole of CelebA at 64x64 is 2.5e9 values
    with (tmp_path / "pixels").open("wb") as file:
        file.truncate(count * 3 * 64 * 64)  # zeros that take no disk
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    write_images_from_file(tmp_path / "i.arrow", tmp_path / "pixels", (count, 3, 64, 64), {}, {})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB
    images = read_images(tmp_path / "i.arrow")
    assert (len(images), images.pixels.flags.owndata) == (count, False)


def test_no_images_are_an_empty_file(tmp_path: Path) -> None:
    write_images(tmp_path / "i.arrow", np.zeros((0, 1, 2, 2), np.uint8), {}, {})
    assert read_images(tmp_path / "i.arrow").pixels.shape == (0, 1, 2, 2)


def test_an_array_that_is_no_pixels_is_refused(tmp_path: Path) -> None:
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
