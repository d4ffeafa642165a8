"""Page: a recipe's comparison as one HTML file."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.selection import newest_reports
from pipeline.comparison.make import PAGE, make_comparison
from pipeline.settings import load_optimizers
from pipeline.storage.atomic import atomic_file
from pipeline.storage.paths import Paths


def answer(recipe: str, output: str | None) -> Answer:
    """Return the page's path; the page is written unless it exists for exactly these reports."""
    paths = Paths.default()
    newest_reports(paths.reports(), recipe)
    artefact, _ = make_comparison(recipe, list(load_optimizers()), paths)
    file = artefact.verified_path(PAGE)
    if output is not None:
        file = _copy(file, Path(output))
    size_bytes = file.stat().st_size
    values = {"recipe": recipe, "page": str(file), "size_bytes": size_bytes}
    return Answer(f"{file} ({size_bytes / 1e6:.1f} MB)", [values], values)


def _copy(file: Path, output: Path) -> Path:
    if not output.parent.is_dir():
        raise FileNotFoundError(f"{output}: there is no folder {output.parent}; make it first")
    if output.is_dir():
        raise IsADirectoryError(f"{output}: a folder, expected the name of a file to write, such as {output}/page.html")
    with atomic_file(output) as temporary:
        shutil.copyfile(file, temporary)
    return output
