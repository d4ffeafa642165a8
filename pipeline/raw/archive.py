"""Archive: a zip of images, read in place, entry by entry, and never unpacked.

In: a zip as published, or a folder of images, packed by `pack`. Out: the sorted names of its images, and the checked
bytes of each. A broken or hostile archive raises one sentence before any entry is read: a file that is no zip, a
missing part, encryption, names that lead out of the folder, entries that share bytes, decompression bombs.
Entries are read with one `pread` each, which threads may call side by side. Python's `ZipFile` is slower, and its count
of open readers is not guarded against threads.
Source of the format: PKWARE's APPNOTE 6.3, sections 4.3.7 (local header) and 4.4.4 (flags).
"""

from __future__ import annotations

import os
import re
import struct
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np

from pipeline.raw.contents import NAMES_IN_MESSAGE, UnreadableImageError, tolerate
from pipeline.raw.idx import DamagedFileError
from pipeline.raw.picture import check_header
from pipeline.raw.progress import Progress

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
PACKED_NAME = "images.zip"
LARGEST_ENTRY_BYTES = 64 << 20
LARGEST_RATIO = 1000  # of unpacked to packed bytes; photographs have 1, deflate's limit is 1032
RATIO_COUNTS_FROM_BYTES = 1 << 20
MORE_THAN_DAMAGE_BYTES = 1 << 20
LOCAL_HEADER_BYTES = 30
LOCAL_HEADER_MAGIC = b"PK\x03\x04"
ENCRYPTED_FLAG = 0x1
FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the zip format's first day: packing the same images gives the same bytes
NO_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OverflowError, EOFError)


class EncodedImages(Protocol):
    """A container of encoded images, read by index."""

    @property
    def path(self) -> Path:
        """The path of the file."""

    @property
    def names(self) -> Sequence[str]:
        """The names of the images."""

    @property
    def content(self) -> Callable[[int], bytes]:
        """A function: index → encoded bytes of the image; `UnreadableImageError` if they are damaged."""


class Archive:
    """A zip of images: their sorted names, and the bytes of each. Other entries are ignored."""

    def __init__(self, path: Path) -> None:
        entries = _entries(path)
        _check(path, entries)
        images = {entry.filename: entry for entry in entries if is_image_name(entry.filename)}
        if not images:
            raise DamagedFileError(
                f"{path}: found no image among {len(entries):,} entries, expected names that end in "
                f"{', '.join(IMAGE_SUFFIXES)}"
            )
        self.path = path
        self.names = sorted(images)
        # Plain numbers instead of the entries: those of 200,000 photographs take 150 MB.
        fields = [
            (entry.header_offset, entry.compress_size, entry.file_size, entry.CRC, entry.compress_type)
            for entry in (images[name] for name in self.names)
        ]
        self._fields = np.array(fields, np.int64)
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return len(self.names)

    def content(self, index: int) -> bytes:
        """Return the bytes of one image after verifying length and checksum."""
        offset, packed_bytes, size_bytes, checksum, method = (int(value) for value in self._fields[index])
        header = os.pread(self._file, LOCAL_HEADER_BYTES, offset)
        if len(header) < LOCAL_HEADER_BYTES or header[:4] != LOCAL_HEADER_MAGIC:
            raise UnreadableImageError("no entry at the offset that the archive names")
        name_bytes, extra_bytes = struct.unpack("<HH", header[26:])
        packed = os.pread(self._file, packed_bytes, offset + LOCAL_HEADER_BYTES + name_bytes + extra_bytes)
        content = packed if method == zipfile.ZIP_STORED else self._inflated(packed, size_bytes, self.names[index])
        if len(content) != size_bytes:
            raise UnreadableImageError(f"its length is not the {size_bytes:,} bytes the archive names")
        if zlib.crc32(content) != checksum:
            raise UnreadableImageError("its checksum does not fit")
        return content

    def _inflated(self, packed: bytes, size_bytes: int, name: str) -> bytes:
        """Inflate the declared bytes and a little more: damage adds a few bytes, a decompression bomb adds many."""
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = stream.decompress(packed, size_bytes + 1)
            excess = len(content) > size_bytes and stream.decompress(stream.unconsumed_tail, MORE_THAN_DAMAGE_BYTES)
        except zlib.error as error:
            raise UnreadableImageError(str(error)) from error
        if excess and len(excess) == MORE_THAN_DAMAGE_BYTES:
            raise DamagedFileError(
                f"{self.path}: entry {name!r} inflates to far more than the {size_bytes:,} bytes it declares; it is a "
                "decompression bomb: remove it"
            )
        return content


def is_image_name(name: str) -> bool:
    """Return whether a name is an image's by its suffix, and not a file that operating systems add."""
    path = PurePosixPath(name)
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and "__MACOSX" not in path.parts


def find_unreadable(images: EncodedImages) -> tuple[str, ...]:
    """Read the bytes and header of every image once; return the names of the damaged ones, if they are few."""
    progress = Progress(f"{images.path.name}: reading", len(images.names))
    damaged: dict[str, str] = {}
    for index, name in enumerate(images.names):
        try:
            check_header(images.content(index), f"{images.path}: {name}")
        except UnreadableImageError as error:
            damaged[name] = str(error)
        progress.report(index + 1)
    tolerate(damaged, len(images.names), images.path, "cannot be read", "get the file again or remove them")
    return tuple(damaged)


def _entries(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except NO_ZIP_ERRORS as error:
        raise DamagedFileError(f"{path}: {_describe_other_file(path, error)}") from error


def _describe_other_file(path: Path, error: Exception) -> str:
    """Return a description of a file that is not a readable zip."""
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(1024)
    if head[:4] == LOCAL_HEADER_MAGIC:
        return f"found a zip that ends after {size_bytes:,} bytes without a sound directory ({error}); get it again"
    if b"<html" in head.lower() or head.lstrip().lower().startswith(b"<!doctype html"):
        return (
            "found an HTML page, expected a zip; download sites send one in place of a file when its quota is used up: "
            "download the archive again, later or from another place"
        )
    return f"found {size_bytes:,} bytes that begin with 0x{head[:4].hex()}, expected a zip; get it again"


def _check(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Raise if an entry is dangerous, or of a form that `Archive` cannot read."""
    size_bytes = path.stat().st_size
    for entry in entries:
        _check_offset(path, entry, size_bytes)
        if _leads_out(entry.orig_filename):
            raise DamagedFileError(
                f"{path}: entry {entry.orig_filename!r} leads out of the archive, expected relative names "
                "without '..', drives and backslashes; get the archive from a source you trust"
            )
        if entry.flag_bits & ENCRYPTED_FLAG:
            raise DamagedFileError(f"{path}: entry {entry.filename!r} is encrypted; pack the images without a password")
        if is_image_name(entry.filename):
            _check_image(path, entry)
    _check_apart(path, entries)


def _check_offset(path: Path, entry: zipfile.ZipInfo, size_bytes: int) -> None:
    """Raise if an entry lies outside the file. Offsets are counted from the directory at the file's end."""
    if entry.header_offset < 0:
        raise DamagedFileError(
            f"{path}: entry {entry.orig_filename!r} begins {-entry.header_offset:,} bytes before the file does, "
            "expected a whole zip; its beginning is missing: get it again"
        )
    if entry.header_offset + LOCAL_HEADER_BYTES + entry.compress_size > size_bytes:
        raise DamagedFileError(
            f"{path}: entry {entry.orig_filename!r} ends beyond the {size_bytes:,} bytes of the file, expected a whole "
            "zip; it is damaged: get it again"
        )


def _leads_out(name: str) -> bool:
    return bool(re.match(r"/|[A-Za-z]:", name)) or "\\" in name or "\0" in name or ".." in name.split("/")


def _check_image(path: Path, entry: zipfile.ZipInfo) -> None:
    packed_bytes, size_bytes = entry.compress_size, entry.file_size
    is_bomb = size_bytes > RATIO_COUNTS_FROM_BYTES and size_bytes > LARGEST_RATIO * packed_bytes
    if max(packed_bytes, size_bytes) > LARGEST_ENTRY_BYTES or is_bomb:
        raise DamagedFileError(
            f"{path}: entry {entry.filename!r} declares {size_bytes:,} bytes from {packed_bytes:,}, expected at most "
            f"{LARGEST_ENTRY_BYTES:,} and {LARGEST_RATIO:,} times as many; it is a decompression bomb: remove it"
        )
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DamagedFileError(
            f"{path}: entry {entry.filename!r} has compression method {entry.compress_type}, expected stored or "
            "deflated; pack the images again"
        )


def _check_apart(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Raise if two entries share bytes: a small file could otherwise inflate to petabytes."""
    in_order = sorted(entries, key=lambda entry: entry.header_offset)
    starts = np.array([entry.header_offset for entry in in_order], np.int64)
    sizes = np.array([LOCAL_HEADER_BYTES + entry.compress_size for entry in in_order], np.int64)
    overlapping = np.flatnonzero(starts[:-1] + sizes[:-1] > starts[1:])
    if len(overlapping):
        raise DamagedFileError(
            f"{path}: entries {in_order[overlapping[0]].filename!r} and {in_order[overlapping[0] + 1].filename!r} "
            "share their bytes; it is a decompression bomb or damaged: get the archive again"
        )


def pack(folder: Path, destination: Path) -> None:
    """Pack the images in a folder and below into one uncompressed zip; equal images give equal bytes."""
    paths = {path.relative_to(folder).as_posix(): path for path in _files_below(folder)}
    names = sorted(name for name in paths if is_image_name(name))
    if not names:
        raise FileNotFoundError(_describe_without_images(folder))
    progress = Progress(f"{folder.name}: packing", len(names))
    with zipfile.ZipFile(destination, "w") as archive:
        for done, name in enumerate(names, 1):
            _pack_one(archive, name, paths[name])
            progress.report(done)


def _files_below(folder: Path, parents: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield the files in a folder and below, also through links, but not through a link to a folder above: a loop."""
    real = folder.resolve()
    if real in parents:
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files_below(path, parents | {real})
        elif path.is_file():
            yield path


def _describe_without_images(folder: Path) -> str:
    """Return a sentence about a folder that holds no image."""
    zips = sorted(path.name for path in folder.iterdir() if path.suffix.lower() == ".zip")
    if zips:
        return (
            f"{folder}: found no image, only {', '.join(zips[:NAMES_IN_MESSAGE])}, expected files that end in "
            f"{', '.join(IMAGE_SUFFIXES)}; to take the images of a zip, name the zip itself: {folder / zips[0]}"
        )
    return f"{folder}: found no image, expected files that end in {', '.join(IMAGE_SUFFIXES)}"


def _pack_one(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    if path.stat().st_size > LARGEST_ENTRY_BYTES:
        raise DamagedFileError(
            f"{path}: found {path.stat().st_size:,} bytes, expected an image of at most {LARGEST_ENTRY_BYTES:,}; "
            "remove it"
        )
    if _leads_out(name):
        raise DamagedFileError(
            f"{path}: the name has a drive or a backslash, which no archive may hold; rename the file"
        )
    entry = zipfile.ZipInfo(name, FIXED_DATE)
    entry.create_system, entry.external_attr = (
        3,
        0o644 << 16,
    )  # Unix on every machine, so that equal images give equal bytes
    try:
        archive.writestr(entry, path.read_bytes())
    except UnicodeEncodeError as error:
        raise DamagedFileError(f"{path!r}: the name is not valid text; rename the file") from error
