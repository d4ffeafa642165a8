"""Make: the comparison of a recipe as an artefact: the ranking, the verdicts, the curves and the page.

In: the newest reports, and of each configuration the training and the samples they are about. Out: `ranking.parquet`,
`verdicts.parquet`, `comparison.html`, and where trainings and samples are there `curves.png` and `grids.png`.
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
from pipeline.comparison.identity import comparison_identity, decided_by_reports
from pipeline.comparison.ranking import (
    RankedConfiguration,
    Ranking,
    all_verdicts,
    as_table,
    best_of,
    compare,
    verdicts_table,
)
from pipeline.settings import load_recipes
from pipeline.storage.artefact import Artefact, find_intact, make_artefact, read_artefact
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
    """The comparison artefact of a recipe, and the ranking in it.

    Parts whose files are damaged are left out and named on the page. A page that was made before the damage is kept.
    """
    ranking = compare(recipe, optimizers, paths)

    def fill(folder: Path) -> dict[str, Any]:
        from pipeline.comparison.page import write_page  # draws with the generators: PyTorch takes seconds to import

        pq.write_table(as_table(ranking), folder / "ranking.parquet")
        pq.write_table(verdicts_table(all_verdicts(ranking)), folder / "verdicts.parquet")
        _write_curves(ranking, paths, folder / CURVES)
        _write_grids(ranking, paths, folder / GRIDS)
        page = write_page(ranking, paths, folder / PAGE)
        details = {"recipe": recipe, "best": best_of(ranking), **decided_by_reports(ranking)}
        return {**details, "page_bytes": page.size_bytes, "not_on_page": page.missing_parts}

    folder, of_recipe = paths.comparison(recipe), load_recipes()[recipe]
    made_before = None if force else find_intact(folder, comparison_identity(of_recipe, ranking, paths).fingerprint)
    if made_before is not None:
        return made_before, ranking
    damaged = damage(ranking, paths)
    for name, wrong in damaged.items():
        log.warning("%s: %s; the comparison of %s is made without it", paths.root / name, wrong, recipe)
    wanted = comparison_identity(of_recipe, ranking, paths, damaged)
    return make_artefact(folder, wanted, fill, force=force), ranking


def _write_curves(ranking: Ranking, paths: Paths, file: Path) -> None:
    found = {configuration.optimizer: _history(configuration, paths) for configuration in ranking.configurations}
    known = {optimizer: history for optimizer, history in found.items() if history is not None}
    if known:
        file.write_bytes(draw_overlaid(known))


def _history(configuration: RankedConfiguration, paths: Paths) -> pa.Table | None:
    """The training history that a report is about; None where it is gone or damaged: the page says which."""
    try:
        return curves_of(configuration.report, paths)
    except ArtefactFileError:
        return None


def _write_grids(ranking: Ranking, paths: Paths, file: Path) -> None:
    """A row a configuration, the best first: what its first sound member drew of the same latents."""
    rows = [_first_images(configuration, paths) for configuration in ranking.configurations]
    known = [row for row in rows if row is not None]
    if known:
        write_grid(file, np.concatenate(known), GRID_COLUMNS, GRID_SCALE)


def _first_images(configuration: RankedConfiguration, paths: Paths) -> Pixels | None:
    """The first images of the samples that a report is about.

    None where they are gone or damaged, or every member diverged: the page says which.
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
    of_member = images.pixels[images.columns["member"] == samples.details["members"][0]]
    columns = np.arange(GRID_COLUMNS) % len(of_member)  # a short row is filled up with its beginning
    first: Pixels = of_member[columns]
    return first
