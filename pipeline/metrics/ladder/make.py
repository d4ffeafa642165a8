"""Make: a data set's ladder as an artefact, its table, picture and verdicts.

In and out stand at the head of this package. What decides the result is in the fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.metrics.details import LadderDetails
from pipeline.metrics.extractors.extractor import require_extractor
from pipeline.metrics.identity import ladder_identity
from pipeline.metrics.ladder.climb import Rung, climb
from pipeline.metrics.ladder.picture import write_picture
from pipeline.metrics.ladder.real_images import IMAGES, SEED, TRAIN_IMAGES, real_images
from pipeline.metrics.ladder.verdicts import CLEAN_DRAWS, TOLERANCE
from pipeline.metrics.reference import expect_current, load_reference, require_reference
from pipeline.storage.artefact import Artefact, make_artefact
from pipeline.storage.details import to_json
from pipeline.storage.paths import Paths
from pipeline.tensors.details import TensorsDetails
from pipeline.tensors.load import load_split, require_tensors

SCHEMA = pa.schema(
    [
        ("corruption", pa.string()),
        ("level", pa.int64()),
        ("amount", pa.float64()),
        ("metric", pa.string()),
        ("value", pa.float64()),  # null where the score is not defined for these images
        ("standard_error", pa.float64()),  # null where it is not known
        ("better", pa.string()),
    ]
)


def make_ladder(
    dataset: str, paths: Paths, *, images: int = IMAGES, extractor: str = "classifier", force: bool = False
) -> Artefact:
    """The data set's ladder, computed unless it is there already.

    `images` are judged against as many, fewer where the data set has not three times as many held-out images.
    """
    tensors, seeing = require_tensors(paths, dataset), require_extractor(extractor, dataset, paths)
    reference = require_reference(paths, dataset, extractor)
    expect_current(reference, seeing, tensors)
    facts = {"images": images, "train_images": TRAIN_IMAGES, "clean_draws": CLEAN_DRAWS, "seed": SEED}
    wanted = ladder_identity(tensors, seeing.sha256, seeing.resize, facts)

    def fill(folder: Path) -> dict[str, Any]:
        found = real_images(
            load_split(tensors, "test"), load_split(tensors, "train"), load_reference(reference), images
        )
        ladder = climb(found, seeing)
        pq.write_table(pa.Table.from_pylist([asdict(rung) for rung in ladder.rungs], SCHEMA), folder / "ladder.parquet")
        write_picture(folder / "ladder.png", found)
        details = LadderDetails(
            dataset=dataset,
            extractor=seeing.name,
            extractor_sha256=seeing.sha256,
            resize=seeing.resize,
            tensors=tensors.fingerprint,
            images=found.images,
            train_images=TRAIN_IMAGES,
            clean_draws=CLEAN_DRAWS,
            seed=SEED,
            amounts=found.corruptions,
            tolerance=TOLERANCE,
            spreads=ladder.spreads,
            verdicts=ladder.verdicts,
            fid=fid_by_level(ladder.rungs),
            source=tensors.details_as(TensorsDetails).source,
        )
        return to_json(details)

    return make_artefact(paths.ladder(dataset, extractor), wanted, fill, force=force)


def fid_by_level(rungs: Sequence[Rung]) -> dict[str, tuple[float | None, ...]]:
    """Return the Fréchet distance at each level, by corruption."""
    values: dict[str, list[float | None]] = {}
    for rung in rungs:
        if rung.metric == "fid":
            values.setdefault(rung.corruption, []).append(rung.value)
    return {corruption: tuple(levels) for corruption, levels in values.items()}
