import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.raw.archive import Archive, find_unreadable, pack
from pipeline.raw.contents import UnreadableImageError
from pipeline.raw.idx import DamagedFileError
from tests.celeba_archive import encode, face, small_attributes, write_zip

IMAGE = encode(face(small_attributes(1)[0], 0))


def damaged(path: Path, position: int) -> Path:
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)
    return path


def with_declared_size(path: Path, size_bytes: int) -> Path:
    """Overwrite the unpacked size in the archive's directory, its last part, with another one."""
    content = bytearray(path.read_bytes())
    offset = content.rindex(b"PK\x01\x02") + 24
    content[offset : offset + 4] = struct.pack("<I", size_bytes)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_images_come_sorted_by_name_and_as_they_were(tmp_path: Path, method: int) -> None:
    files = {"b/2.png": b"two", "a/10.JPG": b"ten", "a/1.webp": b"one", "c.bmp": b"c" * 5000}
    archive = Archive(write_zip(tmp_path / "a.zip", files, method))
    assert archive.names == ["a/1.webp", "a/10.JPG", "b/2.png", "c.bmp"]
    assert [archive.content(index) for index in range(len(archive))] == [files[name] for name in archive.names]


def test_a_file_that_is_no_image_is_skipped(tmp_path: Path) -> None:
    other = dict.fromkeys(("a/", "a/Thumbs.db", "__MACOSX/a/._1.jpg", "a/._1.jpg", "readme.txt"), b"")
    assert Archive(write_zip(tmp_path / "a.zip", other | {"a/1.jpg": IMAGE})).names == ["a/1.jpg"]


def test_an_archive_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match=r"a\.zip: found no image among 1 entries, expected names that end in"):
        Archive(write_zip(tmp_path / "a.zip", {"readme.txt": b""}))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded", "found an HTML page, expected a zip"),
        (b"\n <HTML><head>", "found an HTML page, expected a zip"),
        (b"", "found 0 bytes that begin with 0x, expected a zip"),
        (b"7z\xbc\xaf'\x1c", "found 6 bytes that begin with 0x377abcaf, expected a zip"),
    ],
)
def test_a_file_that_is_no_zip_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"a\.zip: ") as caught:
        Archive(tmp_path / "a.zip")
    assert expected in str(caught.value)


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.99])
def test_a_truncated_archive_is_named(tmp_path: Path, kept: float) -> None:
    path = write_zip(tmp_path / "a.zip", {f"{index}.jpg": IMAGE for index in range(9)})
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(DamagedFileError, match=r"found a zip that ends after .* bytes without a sound directory"):
        Archive(path)


@pytest.mark.parametrize("name", ["../1.jpg", "a/../../1.jpg", "/etc/1.jpg", "C:/1.jpg", "c:1.jpg", "a\\1.jpg", ".."])
def test_an_entry_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DamagedFileError, match="leads out of the archive, expected relative names"):
        Archive(write_zip(tmp_path / "a.zip", {"1.jpg": IMAGE, name: IMAGE}))


def test_dots_in_names_are_no_way_out(tmp_path: Path) -> None:
    assert Archive(write_zip(tmp_path / "a.zip", {"a..b/1..jpg": IMAGE})).names == ["a..b/1..jpg"]


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.jpg": IMAGE})
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"entry '1\.jpg' is encrypted"):
        Archive(path)


def test_a_bomb_by_its_declared_size_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.bmp": bytes(70 << 20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(DamagedFileError, match=r"entry '1\.bmp' declares 73,400,320 bytes from .* decompression bomb"):
        Archive(path)


def test_a_bomb_by_its_ratio_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.bmp": bytes(20 << 20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(DamagedFileError, match=r"entry '1\.bmp' declares 20,971,520 bytes"):
        Archive(path)


def test_a_bomb_that_declares_a_small_size_is_not_unfolded(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.bmp": bytes(60 << 20)}, zipfile.ZIP_DEFLATED)
    archive = Archive(with_declared_size(path, 1000))
    tracemalloc.start()
    with pytest.raises(
        DamagedFileError, match="inflates to far more than the 1,000 bytes it declares; it is a decompr"
    ):
        archive.content(0)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4 << 20


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.jpg": IMAGE, "2.jpg": IMAGE})
    content = bytearray(path.read_bytes())
    offset = content.rindex(b"PK\x01\x02") + 42
    content[offset : offset + 4] = struct.pack("<I", 10)  # the second entry begins inside the first
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="share their bytes; it is a decompression bomb or damaged"):
        Archive(path)


def test_a_zip_without_its_beginning_is_refused_by_name(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {f"{index}.jpg": IMAGE for index in range(30)})
    path.write_bytes(path.read_bytes()[20_000:])
    with pytest.raises(
        DamagedFileError, match=r"a\.zip: entry '0\.jpg' begins 20,000 bytes before .*; its beginning is"
    ):
        Archive(path)


def test_an_entry_beyond_the_end_is_refused_by_name(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.jpg": IMAGE, "2.jpg": IMAGE})
    content = bytearray(path.read_bytes())
    offset = content.rindex(b"PK\x01\x02") + 42
    content[offset : offset + 4] = struct.pack("<I", 0x7FFFFFFF)
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"a\.zip: entry '2\.jpg' ends beyond the [\d,]+ bytes of the file"):
        Archive(path)


def test_another_compression_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match="has compression method 14, expected stored or deflated; pack"):
        Archive(write_zip(tmp_path / "a.zip", {"1.jpg": IMAGE}, zipfile.ZIP_LZMA))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_bit_is_noticed(tmp_path: Path, method: int) -> None:
    archive = Archive(damaged(write_zip(tmp_path / "a.zip", {"1.jpg": IMAGE}, method), 2000))
    with pytest.raises(UnreadableImageError):
        archive.content(0)


def test_one_unreadable_image_in_many_is_named_and_more_are_an_error(tmp_path: Path) -> None:
    files = {f"{index:02d}.jpg": IMAGE for index in range(30)}
    path = write_zip(tmp_path / "a.zip", files | {"07.jpg": b"no image"})
    assert find_unreadable(Archive(path)) == ("07.jpg",)
    write_zip(path, files | {"07.jpg": b"no image", "11.jpg": b""})
    with pytest.raises(
        DamagedFileError, match=r"a\.zip: 2 of 30 images cannot be read .*expected at most 1; get"
    ) as caught:
        find_unreadable(Archive(path))
    assert "07.jpg: begins with 0x6e6f2069, not JPEG, PNG, WebP or BMP; 11.jpg: " in str(caught.value)


def test_an_image_that_unfolds_by_its_header_is_refused(tmp_path: Path) -> None:
    png = bytearray(encode(np.zeros((1, 1), np.uint8), "PNG"))
    png[16:24] = struct.pack(">II", 10_000, 10_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    for width in (10_000, 60_000):  # below and beyond the limit at which Pillow itself warns
        png[16:20] = struct.pack(">I", width)
        png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
        archive = Archive(write_zip(tmp_path / "a.zip", {"1.png": bytes(png)}))
        with pytest.raises(DamagedFileError, match=r"a\.zip: 1\.png: .*decompression bomb"):
            find_unreadable(archive)


def test_packing_the_same_images_gives_the_same_bytes(tmp_path: Path) -> None:
    packed = []
    for folder, order in (("one", (2, 0, 1)), ("two", (1, 2, 0))):
        for index in order:
            path = tmp_path / folder / f"class{index}" / "1.jpg"
            path.parent.mkdir(parents=True)
            path.write_bytes(IMAGE[: 100 + index])
        (tmp_path / folder / "notes.txt").write_text(folder)
        pack(tmp_path / folder, tmp_path / f"{folder}.zip")
        packed.append((tmp_path / f"{folder}.zip").read_bytes())
    assert packed[0] == packed[1]
    archive = Archive(tmp_path / "one.zip")
    assert archive.names == ["class0/1.jpg", "class1/1.jpg", "class2/1.jpg"]
    assert archive.content(2) == IMAGE[:102]
    with zipfile.ZipFile(tmp_path / "one.zip") as file:
        assert {entry.compress_type for entry in file.infolist()} == {zipfile.ZIP_STORED}


def test_a_folder_without_images_cannot_be_packed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"found no image, expected files that end in \.jpg"):
        pack(tmp_path, tmp_path / "packed.zip")


def test_linked_folders_and_files_are_packed_in_the_order_of_their_names(tmp_path: Path) -> None:
    for place in ("elsewhere/b", "own/c"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "1.jpg").write_bytes(IMAGE)
    (tmp_path / "own" / "b").symlink_to(tmp_path / "elsewhere" / "b")
    (tmp_path / "own" / "a").symlink_to(tmp_path / "elsewhere" / "b")
    (tmp_path / "own" / "c" / "2.jpg").symlink_to(tmp_path / "elsewhere" / "b" / "1.jpg")
    pack(tmp_path / "own", tmp_path / "packed.zip")
    with zipfile.ZipFile(tmp_path / "packed.zip") as file:
        assert file.namelist() == ["a/1.jpg", "b/1.jpg", "c/1.jpg", "c/2.jpg"]


def test_a_link_back_into_a_folder_around_it_is_not_followed(tmp_path: Path) -> None:
    for place in ("own/a", "elsewhere"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "1.jpg").write_bytes(IMAGE)
    (tmp_path / "own" / "a" / "up").symlink_to(tmp_path / "own")
    (tmp_path / "own" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "own" / "b")
    (tmp_path / "own" / "self").symlink_to(tmp_path / "own" / "self")
    pack(tmp_path / "own", tmp_path / "packed.zip")
    assert Archive(tmp_path / "packed.zip").names == ["a/1.jpg", "b/1.jpg"]


def test_the_error_on_a_folder_with_only_a_zip_recommends_naming_the_zip(tmp_path: Path) -> None:
    write_zip(tmp_path / "faces.zip", {"1.jpg": IMAGE})
    with pytest.raises(
        FileNotFoundError, match=r"found no image, only faces\.zip, .*name the zip itself: .*/faces\.zip$"
    ):
        pack(tmp_path, tmp_path / "packed")


def test_a_file_with_a_name_that_no_archive_may_hold_is_refused_before_it_is_packed(tmp_path: Path) -> None:
    (tmp_path / "a\\b.jpg").write_bytes(IMAGE)
    with pytest.raises(DamagedFileError, match=r"a\\b\.jpg: the name has a drive or a backslash.*; rename the file"):
        pack(tmp_path, tmp_path / "packed")
