"""Picture layouts: an archive of photographs with CelebA's lists, or of pictures in folders of classes.

In: one zip (`archive.py`), and beside it CelebA's lists if there are any (`celeba_lists.py`). Out: `Contents`, with
images in the order of their names; numbers may have gaps.
"celeba": attributes from the list. The official partition is followed if it names test images of the archive; its
validation images are unused. "images": the first folder is the class if every image lies in one; folders train and
test (or val), in small or capital letters, are the splits. Without test images every fifth image is held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.raw.archive import Archive, EncodedImages, find_unreadable
from pipeline.raw.celeba_lists import (
    ATTRIBUTES_FILE,
    PARTITION_FILE,
    TEST,
    TRAIN,
    VALIDATION,
    ImageList,
    read_attributes,
    read_partition,
    stem,
)
from pipeline.raw.contents import (
    EVERY_FIFTH,
    NAMES_IN_MESSAGE,
    Contents,
    Labels,
    Picture,
    RawSplit,
    every_fifth,
    only_file,
    tolerate,
)
from pipeline.raw.idx import DamagedFileError
from pipeline.raw.picture import decode

FOLDERS_OF_SPLITS = {
    "train": "train",
    "test": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}

Indices = npt.NDArray[np.int64]


def encoded_split(images: EncodedImages, indices: Indices, labels: Labels | None) -> RawSplit:
    """Return a split of the images at `indices` of a container, each decoded when it is read."""

    def read(position: int) -> Picture:
        index = int(indices[position])
        return decode(images.content(index), f"{images.path}: {images.names[index]}")

    return RawSplit([images.names[index] for index in indices], labels, read)


def open_archive(folder: Path, unreadable: Sequence[str] | None) -> tuple[Archive, Indices, tuple[str, ...]]:
    """Return the archive in a folder of raw files, the indices of its readable images, the names of the others.

    `unreadable` holds the names that an earlier reading found; None reads every image once to find them.
    """
    archive = Archive(only_file(folder, ".zip"))
    damaged = find_unreadable(archive) if unreadable is None else tuple(unreadable)
    left_out = set(damaged)
    sound = np.array([index for index, name in enumerate(archive.names) if name not in left_out], np.int64)
    return archive, sound, damaged


# ---------------------------------------------------------------------------------------------------------------------
# CelebA


def read_celeba(folder: Path, unreadable: Sequence[str] | None) -> Contents:
    """Read photographs with the lists beside them."""
    archive, indices, damaged = open_archive(folder, unreadable)
    _expect_distinct(archive)
    attributes = read_attributes(folder / ATTRIBUTES_FILE) if (folder / ATTRIBUTES_FILE).exists() else None
    partition = read_partition(folder / PARTITION_FILE) if (folder / PARTITION_FILE).exists() else None
    unlisted: dict[str, str] = {}
    for listed in (attributes, partition):
        if listed is not None:
            unlisted |= _missing(listed, archive, indices)
    indices = np.array([index for index in indices if archive.names[index] not in unlisted], np.int64)
    train, test, unused, rule = _partitioned(partition, archive, indices)
    return Contents(
        splits={
            "train": encoded_split(archive, train, _rows(attributes, archive, train)),
            "test": encoded_split(archive, test, _rows(attributes, archive, test)),
        },
        labels="none" if attributes is None else "attributes",
        class_names=() if attributes is None else attributes.columns,
        test_split=rule,
        unreadable=damaged,
        unlisted=tuple(unlisted),
        unused=unused,
    )


def _expect_distinct(archive: Archive) -> None:
    """Raise if two images share the name without folder and suffix, by which the lists refer to images."""
    name_by_stem: dict[str, str] = {}
    for name in archive.names:
        if stem(name) in name_by_stem:
            raise DamagedFileError(
                f"{archive.path}: {name_by_stem[stem(name)]!r} and {name!r} have the same number, "
                "expected each photograph once"
            )
        name_by_stem[stem(name)] = name


def _missing(listed: ImageList, archive: Archive, indices: Indices) -> dict[str, str]:
    """Return the images that a list lacks, with the reason; raise if they are many."""
    names = [archive.names[index] for index in indices]
    missing = {name: f"not in {listed.path.name}" for name in names if stem(name) not in listed.rows}
    if len(missing) == len(names):
        raise DamagedFileError(
            f"{listed.path}: names none of the {len(names):,} images of {archive.path.name}, expected a line for each; "
            "the files do not belong together"
        )
    advice = f"get the {listed.path.name} that belongs to the images, or remove it"
    tolerate(missing, len(names), archive.path, f"have no line in {listed.path.name}", advice)
    return missing


def _rows(listed: ImageList | None, archive: Archive, indices: Indices) -> Labels | None:
    """Return a list's values for the images at `indices`; None without a list."""
    if listed is None:
        return None
    rows: Labels = listed.values[[listed.rows[stem(archive.names[index])] for index in indices]]
    return rows


def _partitioned(
    partition: ImageList | None, archive: Archive, indices: Indices
) -> tuple[Indices, Indices, dict[str, int], str]:
    """Return the indices for training and testing, the number of unused images by reason, and the rule."""
    parts = _rows(partition, archive, indices)
    if parts is None:
        parts = np.full(len(indices), TRAIN, np.uint8)
    unused = {"validation": int((parts == VALIDATION).sum())} if (parts == VALIDATION).any() else {}
    train, test = indices[parts == TRAIN], indices[parts == TEST]
    if len(test):
        if not len(train):
            raise DamagedFileError(
                f"{archive.path}: all images are for testing by {PARTITION_FILE}; add training images"
            )
        return train, test, unused, "official partition"
    if unused and not len(train):
        raise DamagedFileError(
            f"{archive.path}: all {len(indices):,} images are in the validation part by {PARTITION_FILE}, "
            "which is not used, expected training images; add some, or remove the list"
        )
    held_out = every_fifth(len(train), str(archive.path))
    return train[~held_out], train[held_out], unused, EVERY_FIFTH


# ---------------------------------------------------------------------------------------------------------------------
# Folders of classes


def read_pictures(folder: Path, unreadable: Sequence[str] | None) -> Contents:
    """Read pictures, with class and split from the names of their folders."""
    archive, indices, damaged = open_archive(folder, unreadable)
    split_of, folders = _splits(archive)
    classes, class_of = _classes(folders)
    train, test, unused = (indices[split_of[indices] == name] for name in ("train", "test", "validation"))
    rule = "folders of the splits"
    if not len(test):
        held_out, rule = every_fifth(len(train), str(archive.path)), EVERY_FIFTH
        train, test = train[~held_out], train[held_out]
    return Contents(
        splits={
            name: encoded_split(archive, split, class_of[split] if classes else None)
            for name, split in (("train", train), ("test", test))
        },
        labels="classes" if classes else "none",
        class_names=classes,
        test_split=rule,
        unreadable=damaged,
        unused={"validation": len(unused)} if len(unused) else {},
    )


def _splits(archive: Archive) -> tuple[npt.NDArray[Any], list[tuple[str, ...]]]:
    """Return the split of each image, and its folders without those of the split."""
    folders = [_folders(name) for name in archive.names]
    if len({path[:1] for path in folders}) == 1 and folders[0]:
        folders = [path[1:] for path in folders]  # the folder that was packed, such as img_align_celeba/
    first = {path[0] if path else "" for path in folders}
    lower = {name.lower() for name in first}
    if "train" in lower and "test" in lower:
        _expect_only_splits(archive, first)
    if "train" not in lower or len(lower) == 1 or not lower <= set(FOLDERS_OF_SPLITS):
        return np.full(len(folders), "train"), folders
    split_of = np.array([FOLDERS_OF_SPLITS[path[0].lower()] for path in folders])
    if "test" not in lower:
        split_of[split_of == "validation"] = "test"
    return split_of, [path[1:] for path in folders]


def _expect_only_splits(archive: Archive, first: set[str]) -> None:
    """Raise if another folder than a split lies beside the folders train and test."""
    unknown = sorted(name for name in first if name.lower() not in FOLDERS_OF_SPLITS)
    if unknown:
        examples = ", ".join(f"{name}/" if name else "images in no folder" for name in unknown[:NAMES_IN_MESSAGE])
        dots = ", …" if len(unknown) > NAMES_IN_MESSAGE else ""
        raise DamagedFileError(
            f"{archive.path}: found {examples}{dots} beside train/ and test/, expected either only splits "
            f"({', '.join(f'{name}/' for name in FOLDERS_OF_SPLITS)}) or only classes; move or rename the rest"
        )


def _folders(name: str) -> tuple[str, ...]:
    return PurePosixPath(name).parent.parts


def _classes(folders: list[tuple[str, ...]]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the names of the classes and the class of each image; no names if folders are not classes."""
    first = [path[0] if path else "" for path in folders]
    names = sorted(set(first))
    if "" in names or len(names) < 2:
        return (), np.zeros(len(folders), np.int64)
    class_by_name = {name: index for index, name in enumerate(names)}
    return tuple(names), np.array([class_by_name[name] for name in first], np.int64)
