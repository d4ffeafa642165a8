"""Ladder: every score on graded corruptions of real images, which shows which score notices which corruption.

In: a data set's tensors, an extractor and its reference features.
Out: `data/metrics/<data set>/ladder/` (for Inception `inception_ladder/`): `ladder.parquet`, one row per score and
level, and `ladder.png`, a picture of all levels. The manifest has a verdict for each score on each corruption.

From the entry down: `make.py` makes the artefact from `levels.py` (scores of every level). Those use `real_images.py`
(images to corrupt and images to compare with), `corruptions.py` and `verdicts.py`. `picture.py` draws the levels.
"""

from pipeline.metrics.ladder.make import make_ladder
from pipeline.metrics.ladder.real_images import IMAGES
from pipeline.metrics.ladder.verdicts import VERDICTS

__all__ = ["IMAGES", "VERDICTS", "make_ladder"]
