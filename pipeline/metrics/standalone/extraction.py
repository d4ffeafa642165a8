"""Extraction: the features of an image set by an extractor, in constant memory for the images.

Images of different sizes are fine if the extractor resizes them: images of one size form a batch, and the rows of the
result keep the set's order. Threads decode the next images while the network computes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from pipeline.metrics.extractors.extractor import Extractor, joined_features
from pipeline.metrics.features import Features
from pipeline.metrics.standalone.image_sets import ImageSet
from pipeline.raw.contents import Picture, UnreadableImageError, channels_first, shape_in_words
from pipeline.raw.progress import Progress
from pipeline.tensors.decode import available_cores
from pipeline.tensors.prepare import Image3D

BATCH_IMAGES = 128

Shape = tuple[int, int, int]  # (C, H, W)


@dataclass(frozen=True)
class ExtractedSet:
    """An image set with its features."""

    images: ImageSet
    features: Features  # one row per readable image, in the set's order
    left_out: Mapping[str, str] = field(default_factory=dict)  # unreadable images: reason by name

    def picture(self, row: int) -> Picture:
        """Return the image of a row of the features."""
        readable = [index for index, name in enumerate(self.images.images.names) if name not in self.left_out]
        return self.images.images.read(readable[row])

    def notes(self) -> tuple[str, ...]:
        """Return the facts about the images that a reader of their scores needs."""
        unreadable = _unreadable(self.images, self.left_out) if self.left_out else ""
        return (*self.images.notes, *((f"{unreadable} and are left out",) if unreadable else ()))


def extract_images(
    images: ImageSet, extractor: Extractor, shape: Shape | None, *, skip_unreadable: bool = False
) -> ExtractedSet:
    """Compute the features of a set's images in their order. `shape` is the extractor's only shape; None: any shape.

    Raises `ValueError` for fewer than 2 readable images, for an image of another shape, and for unreadable images: one
    sentence that names the first and counts them all. With `skip_unreadable` they are left out.
    """
    progress, done = _progress(f"{images.path.name}: {extractor.name} features", len(images)), 0
    batches: list[Features] = []
    left_out: dict[str, str] = {}
    for batch in _batches(images):
        done += len(batch)
        left_out |= {name: str(picture) for name, picture in batch if isinstance(picture, UnreadableImageError)}
        readable = {name: picture for name, picture in batch if not isinstance(picture, UnreadableImageError)}
        if readable and (skip_unreadable or not left_out):  # after the first failure images are only counted
            pixels = [_in_shape(images, name, picture, shape) for name, picture in readable.items()]
            batches.append(_extract_mixed(extractor, pixels))
        progress.report(done)
    progress.close()
    if left_out and not skip_unreadable:
        raise ValueError(f"{_unreadable(images, left_out)}; remove or replace them, or pass --skip-unreadable")
    count = sum(map(len, batches))
    if count < 2:
        raise ValueError(f"{images.path}: found {count} readable images, expected at least 2")
    return ExtractedSet(images, joined_features(batches), left_out)


class ProgressBar(Progress):
    """Progress that is drawn as a bar on a terminal."""

    def __init__(self, name: str, total: int) -> None:
        super().__init__(name, total)
        self._bar = tqdm(total=total, desc=name, unit=" images", file=sys.stderr)

    def report(self, done: int) -> None:
        """Draw the number of images done so far."""
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave the finished bar on the terminal."""
        self._bar.close()


def _progress(name: str, total: int) -> Progress:
    return (ProgressBar if sys.stderr.isatty() else Progress)(name, total)


def _unreadable(images: ImageSet, left_out: Mapping[str, str]) -> str:
    name, reason = next(iter(left_out.items()))
    return f"{images.path}: {len(left_out):,} of {len(images):,} images cannot be read, first {name} ({reason})"


Read = tuple[str, Picture | UnreadableImageError]


def _batches(images: ImageSet) -> Iterator[list[Read]]:
    """Yield names and pictures in order, decoded in threads, at most two batches at a time."""
    split = images.images

    def read(index: int) -> Read:
        try:
            return split.names[index], split.read(index)
        except UnreadableImageError as error:
            return split.names[index], error

    with ThreadPoolExecutor(available_cores(), thread_name_prefix="decode") as threads:
        waiting: list[Future[Read]] = []
        try:
            for start in range(0, len(split), BATCH_IMAGES):
                indices = range(start, min(start + BATCH_IMAGES, len(split)))
                ahead = [threads.submit(read, index) for index in indices]
                if waiting:
                    yield [future.result() for future in waiting]
                waiting = ahead
            yield [future.result() for future in waiting]
        finally:
            threads.shutdown(cancel_futures=True)


def _extract_mixed(extractor: Extractor, images: list[Image3D]) -> Features:
    """Compute the features of images of any shapes, in their order; images of one shape form a batch."""
    indices_by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(images):
        indices_by_shape.setdefault(image.shape, []).append(index)
    groups = list(indices_by_shape.values())
    parts = [extractor.extract_batch(np.stack([images[index] for index in group])) for group in groups]
    return joined_features(parts).take(np.argsort(np.concatenate(groups)))


def _in_shape(images: ImageSet, name: str, picture: Picture, shape: Shape | None) -> Image3D:
    """Return a picture as (C, H, W) in this shape. Grey stored as RGB becomes grey, and grey becomes RGB."""
    image = channels_first(picture)
    if shape is None or image.shape == shape:
        return image
    if image.shape[1:] == shape[1:]:
        if shape[0] == 3:
            return np.repeat(image, 3, axis=0)
        if (image == image[:1]).all():
            return image[:1]
    raise ValueError(
        f"{images.path}: {name} is {shape_in_words(image.shape)}, expected {shape_in_words(shape)} as the extractor's "
        "own images; convert the images, or take the extractor inception, which resizes"
    )
