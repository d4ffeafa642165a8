"""Tensors: images per second from an archive of photographs to Arrow files, and the peak memory.

    python -m benchmarks.tensors [--images FOLDER_OR_ZIP] [--count 5000] [--rounds 3] [--json FILE]

Without `--images`, `--count` JPEGs of 178x218 smooth noise are made first, as large as CelebA's. The stages
are `raw` (copy, read through, check) and `tensors` for both preparations of CelebA, crop 108 to 28x28 and crop 160 to
64x64, with every image of the archive each time. Figures are medians over rounds. Peak memory is that of the whole
process, file-backed pages included. Times are never asserted anywhere: these machines are noisy. Needs pyarrow, numpy
and Pillow only.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.machine import machine
from pipeline.memory import peak_memory_mib
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.raw.celeba import VARIABLE
from pipeline.storage.artefact import Artefact, write_json
from pipeline.storage.paths import Paths
from pipeline.tensors.build import build
from pipeline.tensors.details import TensorsDetails

WIDTH, HEIGHT = 178, 218
COARSE = 16  # the smooth noise is resized from so many points per side
JPEG_QUALITY = 92  # about 10 kB per image, as CelebA's photographs have
DISTINCT = 1000  # generated images; more repeat these
PACKAGES = ("numpy", "pillow", "pyarrow", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="a zip, a folder, or a directory in CelebA's layout")
    parser.add_argument("--count", type=int, default=5000, help="of generated images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images = arguments.images or generate(Path(folder) / "generated.zip", arguments.count)
        os.environ[VARIABLE] = str(images)
        figures = measure(Paths(Path(folder) / "data"), arguments.rounds)
    figures = {"images_from": "generated" if arguments.images is None else str(images), **figures, **machine(PACKAGES)}
    for name, value in figures.items():
        print(f"{name:36} {value:.4g}" if isinstance(value, float) else f"{name:36} {value}")
    if arguments.json:
        write_json(arguments.json, figures)


def generate(path: Path, count: int) -> Path:
    """Write a zip of JPEGs of smooth noise."""
    random = np.random.default_rng(0)
    encoded = [smooth_noise(random) for _ in range(min(count, DISTINCT))]
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(count):
            archive.writestr(f"{index + 1:06d}.jpg", encoded[index % DISTINCT])
    return path


def smooth_noise(random: np.random.Generator) -> bytes:
    coarse = random.integers(0, 256, (COARSE, COARSE, 3), np.uint8)
    buffer = io.BytesIO()
    smooth = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    smooth.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def measure(paths: Paths, rounds: int) -> dict[str, Any]:
    """Return images per second of each stage for all images of the archive, and the peak memory after each."""
    times: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        raw, seconds = timed(lambda: acquire(DATASETS["celeba"], paths, force=True))
        times.setdefault("raw", []).append(seconds)
        peak_after_raw_mib = peak_memory_mib()
        for key in ("celeba", "celeba_64"):
            whole = replace(DATASETS[key], preparation=replace(DATASETS[key].preparation, num_images=None))
            tensors, seconds = timed(partial(build, whole, paths, force=True))
            times.setdefault(f"tensors_{key}", []).append(seconds)
    count = image_count(raw)
    rates: dict[str, float] = {}
    for name, taken_by_round in times.items():
        wall, processor = (statistics.median(each) for each in zip(*taken_by_round, strict=True))
        rates |= {f"{name}_images_per_s": count / wall, f"{name}_images_per_core_s": count / processor}
    return {
        "images": count,
        **rates,
        "raw_mib": raw.size_bytes / 2**20,
        "tensors_celeba_64_mib": tensors.size_bytes / 2**20,
        "peak_mib_after_raw": peak_after_raw_mib,
        "peak_mib": peak_memory_mib(),
    }


def timed(work: Callable[[], Artefact]) -> tuple[Artefact, tuple[float, float]]:
    """Return the result, the wall time and the processor time, which other programs disturb less."""
    started = time.perf_counter(), time.process_time()
    made = work()
    return made, (time.perf_counter() - started[0], time.process_time() - started[1])


def image_count(artefact: Artefact) -> int:
    return sum(artefact.details_as(TensorsDetails).images.values())


if __name__ == "__main__":
    main()
