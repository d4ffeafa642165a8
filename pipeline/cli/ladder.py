"""`ganforge ladder`: which score notices which corruption of real images."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pipeline.cli.options import Count
from pipeline.cli.table import aligned

if TYPE_CHECKING:
    from pipeline.storage.artefact import Artefact


def ladder(
    dataset: Annotated[str, Parameter(help="a data set, such as mnist")],
    /,
    *,
    images: Annotated[Count | None, Parameter(help="images on either side; default: 2000, or all if fewer")] = None,
    extractor: Annotated[str, Parameter(help="classifier or inception")] = "classifier",
    as_json: Annotated[bool, Parameter(name="--json", help="print one JSON object instead of tables")] = False,
    force: Annotated[bool, Parameter(help="compute it anew")] = False,
) -> None:
    """Print which score notices which corruption of a data set's real images.

    Scores graded corruptions of held-out images: noise, blur, dropped modes, copies and more. The data set's tensors,
    classifier and reference must be there.

    example: ganforge ladder mnist --images 1000
    """
    from pipeline.metrics.ladder import IMAGES, make_ladder
    from pipeline.storage.paths import Paths

    logging.basicConfig(level=logging.INFO, format="%(message)s")  # standard error; a ladder takes a minute
    artefact = make_ladder(dataset, Paths.default(), images=images or IMAGES, extractor=extractor, force=force)
    if as_json:
        files = {name: str(artefact.path(name)) for name in artefact.files}
        print(json.dumps({**artefact.details, "files": files}, indent=2, allow_nan=False))
    else:
        print(render(artefact))


def render(artefact: Artefact) -> str:
    """Return the text: verdicts (one row per score, one column per corruption), their meaning, FID and files."""
    from pipeline.metrics.details import LadderDetails
    from pipeline.metrics.ladder import VERDICTS

    details = artefact.details_as(LadderDetails)
    verdicts = details.verdicts
    metrics = list(next(iter(verdicts.values())))
    matrix = [["", *verdicts], *([metric, *(column[metric] for column in verdicts.values())] for metric in metrics)]
    used = {verdict for column in verdicts.values() for verdict in column.values()}
    fids = [[name, *map(_number, values)] for name, values in details.fid.items()]
    return "\n".join(
        [
            f"{details.dataset}: {details.images:,} held-out images corrupted, against as many others; "
            f"extractor: {details.extractor} {details.extractor_sha256[:12]}",
            "",
            *aligned(matrix),
            "",
            *(f"{verdict}: {meaning}" for verdict, meaning in VERDICTS.items() if verdict in used),
            f"sampling explains {details.tolerance:g} standard errors of a difference",
            "",
            *aligned([["FID", "clean", "level 1", "level 2", "level 3"], *fids]),
            "",
            *(f"{name}: {artefact.path(name)}" for name in artefact.files),
        ]
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
