"""Extraction: an image set and an extractor → features, the set read image by image and never held whole.

Images of unlike sizes are fine where the extractor resizes them: those of one size are seen together, and each row of
the result is the image at its place. Threads decode the next images while the network sees these.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from pipeline.metrics.extractors.extractor import Extractor, joined
from pipeline.metrics.features import Features
from pipeline.metrics.standalone.image_sets import ImageSet
from pipeline.raw.contents import Picture, UnreadableImageError, channels_first, shape_in_words
from pipeline.raw.progress import Progress
from pipeline.tensors.decode import available_cores

BATCH_IMAGES = 128

Image3D = npt.NDArray[np.uint8]  # (C, H, W), 0..255
Shape = tuple[int, int, int]  # (C, H, W)


@dataclass(frozen=True)
class Extracted:
    """What an extractor saw in an image set."""

    images: ImageSet
    features: Features  # a row an image that can be read, in the set's order
    left_out: Mapping[str, str] = field(default_factory=dict)  # images that cannot be read: reason by name

    def picture(self, row: int) -> Picture:
        """The image that a row of the features is of."""
        readable = [place for place, name in enumerate(self.images.images.names) if name not in self.left_out]
        return self.images.images.read(readable[row])

    def notes(self) -> tuple[str, ...]:
        """What a reader of the scores must know of the images."""
        unreadable = _unreadable(self.images, self.left_out) if self.left_out else ""
        return (*self.images.notes, *((f"{unreadable} and are left out",) if unreadable else ()))


def extract_images(
    images: ImageSet, extractor: Extractor, shape: Shape | None, *, skip_unreadable: bool = False
) -> Extracted:
    """Features of a set's images in their order; `shape` is the only one that the extractor takes, None: any.

    Unreadable images are one error that names the first and counts the rest, or are left out. Fewer than 2 readable
    images are an error too, and so is an image of another shape.
    """
    progress, done = _progress(f"{images.path.name}: {extractor.name} features", len(images)), 0
    seen: list[Features] = []
    left_out: dict[str, str] = {}
    for batch in _batches(images):
        done += len(batch)
        left_out |= {name: str(found) for name, found in batch if isinstance(found, UnreadableImageError)}
        sound = {name: found for name, found in batch if not isinstance(found, UnreadableImageError)}
        if sound and (skip_unreadable or not left_out):  # after the first failure the rest is only counted
            seen.append(_see(extractor, [_fitting(images, name, each, shape) for name, each in sound.items()]))
        progress.report(done)
    progress.close()
    if left_out and not skip_unreadable:
        raise ValueError(f"{_unreadable(images, left_out)}; remove or replace them, or pass --skip-unreadable")
    if sum(map(len, seen)) < 2:
        raise ValueError(f"{images.path}: found {sum(map(len, seen))} readable images, expected at least 2")
    return Extracted(images, joined(seen), left_out)


class Bar(Progress):
    """Progress as a bar on a terminal."""

    def __init__(self, what: str, total: int) -> None:
        super().__init__(what, total)
        self._bar = tqdm(total=total, desc=what, unit=" images", file=sys.stderr)

    def report(self, done: int) -> None:
        """Move the bar to `done` images."""
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the bar and leave it on the terminal."""
        self._bar.close()


def _progress(what: str, total: int) -> Progress:
    return (Bar if sys.stderr.isatty() else Progress)(what, total)


def _unreadable(images: ImageSet, left_out: Mapping[str, str]) -> str:
    name, reason = next(iter(left_out.items()))
    return f"{images.path}: {len(left_out):,} of {len(images):,} images cannot be read, first {name} ({reason})"


Read = tuple[str, Picture | UnreadableImageError]


def _batches(images: ImageSet) -> Iterator[list[Read]]:
    """Names and pictures in order, decoded in threads, at most two batches at a time."""
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
                    yield [each.result() for each in waiting]
                waiting = ahead
            yield [each.result() for each in waiting]
        finally:
            threads.shutdown(cancel_futures=True)


def _see(extractor: Extractor, batch: list[Image3D]) -> Features:
    """Features of images of any shapes: equal shapes are seen together, and put back in order."""
    places: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(batch):
        places.setdefault(image.shape, []).append(place)
    parts = [extractor.see(np.stack([batch[place] for place in group])) for group in places.values()]
    together, order = joined(parts), np.argsort(np.concatenate(list(places.values())))
    return Features(together.features[order], None if together.logits is None else together.logits[order])


def _fitting(images: ImageSet, name: str, picture: Picture, shape: Shape | None) -> Image3D:
    """A picture as (C, H, W) of the wanted shape; grey stored as RGB becomes grey and the reverse, nothing is lost."""
    image = channels_first(picture)
    if shape is None or image.shape == shape:
        return image
    if image.shape[1:] == shape[1:]:
        if shape[0] == 3:
            return np.repeat(image, 3, axis=0)
        if (image == image[:1]).all():
            return image[:1]
    raise ValueError(
        f"{images.path}: {name} is {shape_in_words(image.shape)}, expected {shape_in_words(shape)} "
        "as the extractor's own images are; "
        "convert the images, or take the extractor inception, which resizes"
    )
