import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.raw.idx import DamagedFileError, decompressed, encode_idx, parse_idx

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def test_the_layout_is_the_published_one() -> None:
    content = bytes([0, 0, 8, 3]) + struct.pack(">III", 2, 3, 4) + bytes(range(24))
    assert encode_idx(IMAGES) == content
    assert np.array_equal(parse_idx(content, 3, "x"), IMAGES)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "magic number 0x(empty file), expected 0x00000803"),
        (b"<!DOCTYPE html><html>", "magic number 0x3c21444f"),
        (encode_idx(IMAGES.reshape(-1)), "magic number 0x00000801, expected 0x00000803"),
        (b"\x00\x00\x0d\x03" + encode_idx(IMAGES)[4:], "magic number 0x00000d03"),
        (encode_idx(IMAGES)[:10], "found 10 bytes, expected a header of 16"),
        (encode_idx(IMAGES)[:-1], "found 39 bytes, expected 40 for the dimensions 2 x 3 x 4"),
        (encode_idx(IMAGES) + b"\x00", "found 41 bytes, expected 40"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_the_content_read(content: bytes, expected: str) -> None:
    with pytest.raises(DamagedFileError, match=r"^images\.gz: found") as caught:
        parse_idx(content, 3, "images.gz")
    assert expected in str(caught.value)


def test_gzipped_and_plain_files_read_alike(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(encode_idx(IMAGES))
    (tmp_path / "zipped").write_bytes(gzip.compress(encode_idx(IMAGES)))
    assert decompressed(tmp_path / "plain") == decompressed(tmp_path / "zipped") == encode_idx(IMAGES)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_gzip_stream_is_an_error_that_names_the_file(tmp_path: Path, damage: str) -> None:
    content = bytearray(gzip.compress(np.random.default_rng(0).bytes(5000)))
    if damage == "cut":
        content = content[:3000]
    else:
        content[2500] ^= 0xFF
    (tmp_path / "f.gz").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"f\.gz: damaged gzip file"):
        decompressed(tmp_path / "f.gz")
