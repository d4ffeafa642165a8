"""Decode: the pictures of a split, prepared in parallel threads and written to one file of pixels.

In: a `RawSplit`. Out: a file of uint8 pixels, one image after the other, and the images that were left out. Only a few
chunks of images are in memory at a time. It uses threads: on two cores with the real photographs, two processes were
15 to 40 % faster, but took seconds to start, needed copies of the source, and allowed no debugger.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.raw.contents import RawSplit, UnreadableImageError, shape_in_words
from pipeline.raw.dataset import Preparation
from pipeline.raw.progress import Progress
from pipeline.tensors.prepare import Image3D, PreparationError, prepare

log = logging.getLogger(__name__)

CHUNK_IMAGES = 32
CHUNKS_AHEAD = 2  # per thread: enough to keep it busy, in little memory
LOGGED_FROM_SECONDS = 1.0  # faster splits get no line in the log


@dataclass
class Decoded:
    """The decoded images of a split in a file of pixels, and the images that could not be decoded."""

    pixel_file: Path  # N·C·H·W bytes
    image_shape: tuple[int, ...] = ()  # (C, H, W)
    indices: list[int] = field(default_factory=list)  # of the decoded images in the split, in order
    unreadable: dict[str, str] = field(default_factory=dict)  # reason by name

    def labels(self, split: RawSplit) -> npt.NDArray[np.int64] | npt.NDArray[np.uint8] | None:
        """Return the labels of the decoded images."""
        return None if split.labels is None else split.labels[np.array(self.indices, np.int64)]


ReturnValue = TypeVar("ReturnValue")


@dataclass(frozen=True)
class _Chunk:
    first: int
    images: list[Image3D | UnreadableImageError]


def decode_split(split: RawSplit, preparation: Preparation, pixel_file: Path, title: str) -> Decoded:
    """Prepare every picture of a split; `title` names it in the log. All must have the same shape afterwards."""
    decoded, progress, started = Decoded(pixel_file), Progress(title, len(split)), time.monotonic()
    workers = available_cores()

    def work(first: int) -> _Chunk:
        last = min(first + CHUNK_IMAGES, len(split))
        return _Chunk(first, [_prepared(split, preparation, index) for index in range(first, last)])

    with pixel_file.open("wb") as file:
        for chunk in in_order(work, range(0, len(split), CHUNK_IMAGES), workers):
            for index, image in enumerate(chunk.images, chunk.first):
                if isinstance(image, UnreadableImageError):
                    decoded.unreadable[split.names[index]] = str(image)
                    continue
                _expect_shape(decoded, image, split.names[index], title)
                decoded.indices.append(index)
                file.write(image.data)
            progress.report(chunk.first + len(chunk.images))
    seconds = time.monotonic() - started
    if seconds > LOGGED_FROM_SECONDS:
        rate = len(split) / seconds
        log.info("%s: %s images in %.1f s, %s images/s", title, f"{len(split):,}", seconds, f"{rate:,.0f}")
    return decoded


def _prepared(split: RawSplit, preparation: Preparation, index: int) -> Image3D | UnreadableImageError:
    try:
        return np.ascontiguousarray(prepare(split.read(index), preparation, split.names[index]))
    except UnreadableImageError as error:
        return error


def _expect_shape(decoded: Decoded, image: Image3D, name: str, title: str) -> None:
    decoded.image_shape = decoded.image_shape or image.shape
    if image.shape != decoded.image_shape:
        raise PreparationError(
            f"{title}: {name} is {shape_in_words(image.shape)}, "
            f"the images before it {shape_in_words(decoded.image_shape)}; expected "
            "one shape for all: set size and channels of the data set"
        )


def in_order(work: Callable[[int], ReturnValue], items: range, workers: int) -> Iterator[ReturnValue]:
    """Yield `work` of each item, computed in threads, in the order of the items and only a little in advance."""
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as threads:
        ahead: deque[Future[ReturnValue]] = deque()
        try:
            for item in items:
                ahead.append(threads.submit(work, item))
                if len(ahead) >= CHUNKS_AHEAD * workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
