"""Ladder: every score on graded corruptions of real images, to know which score notices what.

In: a data set's tensors, an extractor and its reference features.
Out: `data/metrics/<data set>/ladder/` (for Inception `inception_ladder/`): `ladder.parquet`, a row for every score of
every level, and `ladder.png`, what the levels look like; the details carry a verdict for each score on each corruption.

From the entry down: `make.py` (the artefact) → `climb.py` (scores of every level) → `real_images.py` (who is corrupted,
who is judged against), `corruptions.py` (what is done to them), `verdicts.py` (what the scores say); `picture.py`.
"""

from pipeline.metrics.ladder.make import make_ladder
from pipeline.metrics.ladder.real_images import IMAGES
from pipeline.metrics.ladder.verdicts import VERDICTS

__all__ = ["IMAGES", "VERDICTS", "make_ladder"]
