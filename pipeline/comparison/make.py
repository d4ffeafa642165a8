"""Make: the comparison of a recipe as an artefact: the ranking, the verdicts, the curves and the page.

In: the newest reports, and of each configuration the training and the samples they are about. Out: `ranking.parquet`,
`verdicts.parquet`, `comparison.html`, and where trainings and samples are there `curves.png` and `grids.png`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipeline.comparison.curves import curves_of, draw_overlaid
from pipeline.comparison.identity import comparison_identity, decided_by_reports
from pipeline.comparison.ranking import Ranking, Standing, all_verdicts, as_table, best_of, compare, verdicts_table
from pipeline.settings import load_recipes
from pipeline.storage.artefact import Artefact, make_artefact, read_artefact
from pipeline.storage.images import Pixels, read_images
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import write_grid

PAGE, CURVES, GRIDS = "comparison.html", "curves.png", "grids.png"
GRID_COLUMNS = 16
GRID_SCALE = 2


def make_comparison(
    recipe: str, optimizers: Sequence[str], paths: Paths, *, force: bool = False
) -> tuple[Artefact, Ranking]:
    """The comparison artefact of a recipe, and the ranking in it."""
    ranking = compare(recipe, optimizers, paths)

    def fill(folder: Path) -> dict[str, Any]:
        from pipeline.comparison.page import write_page  # draws with the generators: PyTorch takes seconds to import

        _verify(ranking, paths)
        pq.write_table(as_table(ranking), folder / "ranking.parquet")
        pq.write_table(verdicts_table(all_verdicts(ranking)), folder / "verdicts.parquet")
        _write_curves(ranking, paths, folder / CURVES)
        _write_grids(ranking, paths, folder / GRIDS)
        page = write_page(ranking, paths, folder / PAGE)
        details = {"recipe": recipe, "best": best_of(ranking), **decided_by_reports(ranking)}
        return {**details, "page_bytes": page.size_bytes, "not_on_page": page.left_out}

    wanted = comparison_identity(load_recipes()[recipe], ranking, paths)
    return make_artefact(paths.comparison(recipe), wanted, fill, force=force), ranking


def _verify(ranking: Ranking, paths: Paths) -> None:
    """Compare with its manifest everything that the page is drawn from.

    The page would only name a damaged part as missing, and this comparison would stay after the part was made again.
    """
    dataset = load_recipes()[ranking.recipe].dataset
    of_partitions = [
        folder(ranking.recipe, standing.optimizer)
        for standing in ranking.standings
        for folder in (paths.training, paths.samples)
    ]
    for folder in (*of_partitions, paths.classifier(dataset), paths.reference(dataset)):
        artefact = read_artefact(folder)
        if artefact is not None:
            artefact.verify()
    tensors = read_artefact(paths.tensors(dataset))
    if tensors is not None:
        tensors.verified_path("test.arrow")


def _write_curves(ranking: Ranking, paths: Paths, file: Path) -> None:
    found = {standing.optimizer: curves_of(standing.report, paths) for standing in ranking.standings}
    known = {optimizer: history for optimizer, history in found.items() if history is not None}
    if known:
        file.write_bytes(draw_overlaid(known))


def _write_grids(ranking: Ranking, paths: Paths, file: Path) -> None:
    """A row a configuration, the best first: what its first sound member drew of the same latents."""
    rows = [_first_images(standing, paths) for standing in ranking.standings]
    known = [row for row in rows if row is not None]
    if known:
        write_grid(file, np.concatenate(known), GRID_COLUMNS, GRID_SCALE)


def _first_images(standing: Standing, paths: Paths) -> Pixels | None:
    """The first images of the samples that a report is about; None where they are gone or every member diverged."""
    samples = read_artefact(paths.samples(str(standing.report.fact("recipe")), standing.optimizer))
    if samples is None or not standing.report.is_about(samples):
        return None
    images = read_images(samples.verified_path("samples.arrow"))
    if len(images) == 0:
        return None
    of_member = images.pixels[images.columns["member"] == samples.details["members"][0]]
    columns = np.arange(GRID_COLUMNS) % len(of_member)  # a short row is filled up with its beginning
    first: Pixels = of_member[columns]
    return first
