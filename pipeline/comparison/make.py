"""Make the comparison of a recipe as an artefact: the ranking, the verdicts, the curves and the page.

In: a recipe's reports, and the training and samples of each configuration. Out: `ranking.parquet`, `verdicts.parquet`,
`comparison.html`, and if trainings and samples exist, `curves.png` and `grids.png`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.comparison.curves import curves_of, draw_overlaid
from pipeline.comparison.damage import damage
from pipeline.comparison.details import ComparisonDetails
from pipeline.comparison.identity import comparison_identity, decided_by_reports
from pipeline.comparison.ranking import (
    RankedConfiguration,
    Ranking,
    as_table,
    best_of,
    compare,
)
from pipeline.comparison.ranking_verdicts import all_verdicts, verdicts_table
from pipeline.samples.details import SamplesDetails
from pipeline.settings import load_recipes
from pipeline.storage.artefact import Artefact, find_intact, make_artefact, read_artefact
from pipeline.storage.details import to_json
from pipeline.storage.images import Pixels, read_images
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import write_grid
from pipeline.storage.verification import ArtefactFileError

PAGE, CURVES, GRIDS = "comparison.html", "curves.png", "grids.png"
GRID_COLUMNS = 16
GRID_SCALE = 2

log = logging.getLogger(__name__)


def make_comparison(
    recipe: str, optimizers: Sequence[str], paths: Paths, *, force: bool = False
) -> tuple[Artefact, Ranking]:
    """Return the comparison artefact of a recipe, made if needed, and its ranking.

    Parts with damaged files are left out, and the page names them. A page from before the damage is kept.
    """
    ranking = compare(recipe, optimizers, paths)

    def fill(folder: Path) -> dict[str, Any]:
        from pipeline.comparison.page import write_page  # runs generators: PyTorch takes seconds to import

        pq.write_table(as_table(ranking), folder / "ranking.parquet")
        pq.write_table(verdicts_table(all_verdicts(ranking)), folder / "verdicts.parquet")
        _write_curves(ranking, paths, folder / CURVES)
        _write_grids(ranking, paths, folder / GRIDS)
        page = write_page(ranking, paths, folder / PAGE)
        decided_by = decided_by_reports(ranking)
        details = ComparisonDetails(
            recipe=recipe,
            best=best_of(ranking),
            reports=decided_by["reports"],
            missing=decided_by["missing"],
            left_out=decided_by["left_out"],
            page_bytes=page.size_bytes,
            not_on_page=page.missing_parts,
        )
        return to_json(details)

    folder, recipe_entry = paths.comparison(recipe), load_recipes()[recipe]
    existing = None if force else find_intact(folder, comparison_identity(recipe_entry, ranking, paths).fingerprint)
    if existing is not None:
        return existing, ranking
    damaged = damage(ranking, paths)
    for name, problem in damaged.items():
        log.warning("%s: %s; the comparison of %s is made without it", paths.root / name, problem, recipe)
    identity = comparison_identity(recipe_entry, ranking, paths, damaged)
    return make_artefact(folder, identity, fill, force=force), ranking


def _write_curves(ranking: Ranking, paths: Paths, file: Path) -> None:
    histories = {configuration.optimizer: _history(configuration, paths) for configuration in ranking.configurations}
    existing = {optimizer: history for optimizer, history in histories.items() if history is not None}
    if existing:
        file.write_bytes(draw_overlaid(existing))


def _history(configuration: RankedConfiguration, paths: Paths) -> pa.Table | None:
    """Return the training history that a report is about; None if it is gone or damaged, which the page names."""
    try:
        return curves_of(configuration.report, paths)
    except ArtefactFileError:
        return None


def _write_grids(ranking: Ranking, paths: Paths, file: Path) -> None:
    """Write one row of images per configuration, the best first: its first sound member's images of equal latents."""
    rows = [_first_images(configuration, paths) for configuration in ranking.configurations]
    existing = [row for row in rows if row is not None]
    if existing:
        write_grid(file, np.concatenate(existing), GRID_COLUMNS, GRID_SCALE)


def _first_images(configuration: RankedConfiguration, paths: Paths) -> Pixels | None:
    """Return the first images of the samples that a report is about.

    None if they are gone or damaged, or if every member diverged. The page names the reason.
    """
    samples = read_artefact(paths.samples(configuration.report.recipe, configuration.optimizer))
    if samples is None or not configuration.report.is_about(samples):
        return None
    try:
        images = read_images(samples.verified_path("samples.arrow"))
    except ArtefactFileError:
        return None
    if len(images) == 0:
        return None
    first_member = samples.details_as(SamplesDetails).members[0]
    member_images = images.pixels[images.columns["member"] == first_member]
    columns = np.arange(GRID_COLUMNS) % len(member_images)  # with fewer images than columns, the row repeats
    first_images: Pixels = member_images[columns]
    return first_images
