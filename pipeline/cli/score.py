"""`ganforge score`: scores of any two sets of images or of features, from any program.

    ganforge score real/ generated/
    ganforge score mnist samples.npz
    ganforge score --features real.npy generated.npy --logits logits.npy
    python -m pipeline.cli score real/ generated/ --json

The last form needs no Dagster. Features, probabilities and logits are scored without importing PyTorch.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pipeline.cli.score_options import SCORE_DEFAULTS, ScoreOptions

FORMS = "a folder or .zip of images, or a .npz, .npy, .arrow or .parquet of them"

log = logging.getLogger(__name__)


def score(
    real: Annotated[
        str | None, Parameter(help=f"{FORMS}; a data set's key; or an .npz of mu and sigma (FID alone)")
    ] = None,
    generated: Annotated[Path | None, Parameter(help=FORMS)] = None,
    /,
    *,
    options: ScoreOptions = SCORE_DEFAULTS,
    as_json: Annotated[bool, Parameter(name="--json", help="print one JSON object with all digits")] = False,
) -> None:
    """Score any images, or features, against real ones.

    Computes every score that two sets allow: FID, KID, precision, recall, density, coverage, Inception Score, with
    95 % intervals.

    example: ganforge score real/ generated.zip; more: docs/scoring.md
    """
    # These take a second to import, and help pages must not wait for them.
    from pipeline.cli.score_inputs import from_arrays, from_images
    from pipeline.cli.score_output import json_text, table_text
    from pipeline.metrics.standalone.score_sets import score_sets

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    arrays = options.features or options.outputs is not None
    inputs = from_arrays(real, generated, options) if arrays else from_images(real, generated, options)
    scores = score_sets(inputs.generated, inputs.real)
    text = json_text if as_json else table_text
    print(text(scores, (*inputs.notes, *scores.notes), inputs.protocol))
    if inputs.write_sheet is not None:
        inputs.write_sheet()
        log.info("%s: the generated images closest to training images", options.sheet)
