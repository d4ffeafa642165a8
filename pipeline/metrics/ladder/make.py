"""Make: a data set's ladder as an artefact with its table, picture and verdicts.

In: a data set's tensors, an extractor and its reference features.
Out: the ladder's artefact. The fingerprint covers every fact that decides the result.
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
from pipeline.metrics.ladder.levels import LadderRow, score_levels
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
        ("value", pa.float64()),  # null if the score is not defined for these images
        ("standard_error", pa.float64()),  # null if unknown
        ("better", pa.string()),
    ]
)


def make_ladder(
    dataset: str, paths: Paths, *, images: int = IMAGES, extractor: str = "classifier", force: bool = False
) -> Artefact:
    """Return the data set's ladder; compute it unless it exists.

    `images` images are corrupted and scored against as many others; fewer if the data set has fewer than three times as
    many held-out images.
    """
    tensors, network = require_tensors(paths, dataset), require_extractor(extractor, dataset, paths)
    reference = require_reference(paths, dataset, extractor)
    expect_current(reference, network, tensors)
    facts = {"images": images, "train_images": TRAIN_IMAGES, "clean_draws": CLEAN_DRAWS, "seed": SEED}
    identity = ladder_identity(tensors, network.sha256, network.resize, facts)

    def fill(folder: Path) -> dict[str, Any]:
        test, train = load_split(tensors, "test"), load_split(tensors, "train")
        divided = real_images(test, train, load_reference(reference), images)
        ladder = score_levels(divided, network)
        pq.write_table(pa.Table.from_pylist([asdict(row) for row in ladder.rows], SCHEMA), folder / "ladder.parquet")
        write_picture(folder / "ladder.png", divided)
        details = LadderDetails(
            dataset=dataset,
            extractor=network.name,
            extractor_sha256=network.sha256,
            resize=network.resize,
            tensors=tensors.fingerprint,
            images=divided.images,
            train_images=TRAIN_IMAGES,
            clean_draws=CLEAN_DRAWS,
            seed=SEED,
            amounts=divided.corruptions,
            tolerance=TOLERANCE,
            spreads=ladder.spreads,
            verdicts=ladder.verdicts,
            fid=fid_by_level(ladder.rows),
            source=tensors.details_as(TensorsDetails).source,
        )
        return to_json(details)

    return make_artefact(paths.ladder(dataset, extractor), identity, fill, force=force)


def fid_by_level(rows: Sequence[LadderRow]) -> dict[str, tuple[float | None, ...]]:
    """Return the Fréchet distance at each level, by corruption."""
    values: dict[str, list[float | None]] = {}
    for row in rows:
        if row.metric == "fid":
            values.setdefault(row.corruption, []).append(row.value)
    return {corruption: tuple(levels) for corruption, levels in values.items()}
