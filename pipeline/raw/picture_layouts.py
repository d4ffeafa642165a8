"""Picture layouts: an archive of photographs with CelebA's lists, or of pictures in folders of classes.

In: one zip (`archive.py`), beside it CelebA's lists where there are any (`celeba_lists.py`). Out: `Contents`, images in
the order of their names, whatever gaps the numbering has.
"celeba": attributes from the list; official partition where it names test images of the archive, its validation images
unused. "images": the first folder is the class if every image lies in one; folders train and test (or val), small
or capital, are the splits. Where nothing says what is for testing, every fifth image is.
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

Places = npt.NDArray[np.int64]


def encoded_split(images: EncodedImages, places: Places, labels: Labels | None) -> RawSplit:
    """Images at some places of a container, decoded when read."""

    def read(index: int) -> Picture:
        place = int(places[index])
        return decode(images.content(place), f"{images.path}: {images.names[place]}")

    return RawSplit([images.names[place] for place in places], labels, read)


def open_archive(folder: Path, unreadable: Sequence[str] | None) -> tuple[Archive, Places, tuple[str, ...]]:
    """The archive in a folder of raw files, the places of its sound images, the names of the unreadable ones.

    `unreadable` is what an earlier reading found; None reads everything once to find out.
    """
    archive = Archive(only_file(folder, ".zip"))
    damaged = find_unreadable(archive) if unreadable is None else tuple(unreadable)
    known = set(damaged)
    sound = np.array([place for place, name in enumerate(archive.names) if name not in known], np.int64)
    return archive, sound, damaged


# ---------------------------------------------------------------------------------------------------------------------
# CelebA


def read_celeba(folder: Path, unreadable: Sequence[str] | None) -> Contents:
    """Photographs with the lists that are there."""
    archive, places, damaged = open_archive(folder, unreadable)
    _expect_distinct(archive)
    attributes = read_attributes(folder / ATTRIBUTES_FILE) if (folder / ATTRIBUTES_FILE).exists() else None
    partition = read_partition(folder / PARTITION_FILE) if (folder / PARTITION_FILE).exists() else None
    unlisted: dict[str, str] = {}
    for listed in (attributes, partition):
        if listed is not None:
            unlisted |= _missing(listed, archive, places)
    places = np.array([place for place in places if archive.names[place] not in unlisted], np.int64)
    train, test, unused, rule = _partitioned(partition, archive, places)
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
    """The lists know images by the name without folder and suffix; it must tell them apart."""
    seen: dict[str, str] = {}
    for name in archive.names:
        if stem(name) in seen:
            raise DamagedFileError(
                f"{archive.path}: {seen[stem(name)]!r} and {name!r} have the same number, expected each photograph once"
            )
        seen[stem(name)] = name


def _missing(listed: ImageList, archive: Archive, places: Places) -> dict[str, str]:
    """The images that a list leaves out, if they are few."""
    names = [archive.names[place] for place in places]
    missing = {name: f"not in {listed.path.name}" for name in names if stem(name) not in listed.rows}
    if len(missing) == len(names):
        raise DamagedFileError(
            f"{listed.path}: names none of the {len(names):,} images of {archive.path.name}, expected a line for each; "
            "the files do not belong together"
        )
    advice = f"get the {listed.path.name} that belongs to the images, or remove it"
    tolerate(missing, len(names), archive.path, f"have no line in {listed.path.name}", advice)
    return missing


def _rows(listed: ImageList | None, archive: Archive, places: Places) -> Labels | None:
    """What a list says of the images at some places."""
    if listed is None:
        return None
    rows: Labels = listed.values[[listed.rows[stem(archive.names[place])] for place in places]]
    return rows


def _partitioned(
    partition: ImageList | None, archive: Archive, places: Places
) -> tuple[Places, Places, dict[str, int], str]:
    """Places for training and testing, how many are for neither, and the rule that was followed."""
    parts = _rows(partition, archive, places)
    if parts is None:
        parts = np.full(len(places), TRAIN, np.uint8)
    unused = {"validation": int((parts == VALIDATION).sum())} if (parts == VALIDATION).any() else {}
    train, test = places[parts == TRAIN], places[parts == TEST]
    if len(test):
        if not len(train):
            raise DamagedFileError(
                f"{archive.path}: all images are for testing by {PARTITION_FILE}; add training images"
            )
        return train, test, unused, "official partition"
    if unused and not len(train):
        raise DamagedFileError(
            f"{archive.path}: all {len(places):,} images are in the validation part by {PARTITION_FILE}, which is used "
            "for nothing, expected training images; add some, or remove the list"
        )
    held_out = every_fifth(len(train), str(archive.path))
    return train[~held_out], train[held_out], unused, EVERY_FIFTH


# ---------------------------------------------------------------------------------------------------------------------
# Folders of classes


def read_pictures(folder: Path, unreadable: Sequence[str] | None) -> Contents:
    """Pictures whose folders say class and split, where they do."""
    archive, places, damaged = open_archive(folder, unreadable)
    split_of, folders = _splits(archive)
    classes, class_of = _classes(folders)
    of_train, of_test, of_neither = (places[split_of[places] == name] for name in ("train", "test", "validation"))
    rule = "folders of the splits"
    if not len(of_test):
        held_out, rule = every_fifth(len(of_train), str(archive.path)), EVERY_FIFTH
        of_train, of_test = of_train[~held_out], of_train[held_out]
    return Contents(
        splits={
            name: encoded_split(archive, chosen, class_of[chosen] if classes else None)
            for name, chosen in (("train", of_train), ("test", of_test))
        },
        labels="classes" if classes else "none",
        class_names=classes,
        test_split=rule,
        unreadable=damaged,
        unused={"validation": len(of_neither)} if len(of_neither) else {},
    )


def _splits(archive: Archive) -> tuple[npt.NDArray[Any], list[tuple[str, ...]]]:
    """The split of each image and the rest of its folders, from the folders it lies in."""
    folders = [_folders(name) for name in archive.names]
    if len({path[:1] for path in folders}) == 1 and folders[0]:
        folders = [path[1:] for path in folders]  # the folder that was packed, such as img_align_celeba/
    first = {path[0] if path else "" for path in folders}
    found = {name.lower() for name in first}
    if "train" in found and "test" in found:
        _expect_splits_alone(archive, first)
    if "train" not in found or len(found) == 1 or not found <= set(FOLDERS_OF_SPLITS):
        return np.full(len(folders), "train"), folders
    split_of = np.array([FOLDERS_OF_SPLITS[path[0].lower()] for path in folders])
    if "test" not in found:
        split_of[split_of == "validation"] = "test"
    return split_of, [path[1:] for path in folders]


def _expect_splits_alone(archive: Archive, first: set[str]) -> None:
    """Beside folders train and test lies nothing that is no split."""
    others = sorted(name for name in first if name.lower() not in FOLDERS_OF_SPLITS)
    if others:
        shown = ", ".join(f"{name}/" if name else "images in no folder" for name in others[:NAMES_IN_MESSAGE])
        more = ", …" if len(others) > NAMES_IN_MESSAGE else ""
        raise DamagedFileError(
            f"{archive.path}: found {shown}{more} beside train/ and test/, expected either splits alone "
            f"({', '.join(f'{name}/' for name in FOLDERS_OF_SPLITS)}) or classes alone; move or rename the rest"
        )


def _folders(name: str) -> tuple[str, ...]:
    return PurePosixPath(name).parent.parts


def _classes(folders: list[tuple[str, ...]]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """The names of the classes and the class of each image; no names where folders are not classes."""
    first = [path[0] if path else "" for path in folders]
    names = sorted(set(first))
    if "" in names or len(names) < 2:
        return (), np.zeros(len(folders), np.int64)
    place = {name: index for index, name in enumerate(names)}
    return tuple(names), np.array([place[name] for name in first], np.int64)
