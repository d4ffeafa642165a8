"""Precision, recall, density and coverage: fidelity and variety apart, from balls around images in feature space.

A ball reaches from an image to its k-th nearest neighbour in its own set, itself not counted. Higher is better:
precision: the share of generated images inside some real image's ball; recall: the share of real images inside some
generated image's ball (Kynkäänniemi et al. 2019, arXiv 1904.06991).
density: how many real balls hold a generated image, on average, over k, so it may exceed 1; coverage: the share of real
balls that hold a generated image (Naeem et al. 2020, arXiv 2002.09797). Neither uses generated images' balls, which a
few outliers make large.

Inside means closer than the radius, `d < r`. Of an image with k copies in its own set the radius is 0 and nothing is
inside, not even a further copy: a generator that gives one image only has recall 0.
The number of images matters to all four: compare at equal counts only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.metrics.features import NEIGHBOURS, Features, Matrix, Metric, Real, Score
from pipeline.metrics.nearest_neighbours import count_balls, squared_neighbour_radii


@dataclass(frozen=True)
class PrecisionRecall:
    """The four scores: shares, but for the density, which is at least 0."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall(generated: Matrix, real: Matrix, neighbours: int = NEIGHBOURS) -> PrecisionRecall:
    """Features (M, D) of generated and (N, D) of real images, more than `neighbours` of each → the four scores.

    Raises ValueError where there are too few images, or features of different widths.
    """
    radii = [squared_neighbour_radii(features, neighbours) for features in (real, generated)]
    balls = count_balls(real, generated, radii[0], radii[1])
    return PrecisionRecall(
        precision=float(np.mean(balls.first_around_second > 0)),
        recall=float(np.mean(balls.first_held)),
        density=float(np.mean(balls.first_around_second)) / neighbours,
        coverage=float(np.mean(balls.first_filled)),
    )


def _compute(judged: Features, real: Real) -> dict[str, Score]:
    found = precision_recall(judged.features, real.test.features, real.neighbours)
    # No standard errors: a binomial one holds the balls fixed, though both sets decide where they are, and came out at
    # 0.3 to 0.9 of the true one in simulations; a jackknife, which moves them, at 1.05 to 2.5.
    return {
        "precision": Score(found.precision),
        "recall": Score(found.recall),
        "density": Score(found.density),
        "coverage": Score(found.coverage),
    }


METRIC = Metric({"precision": "higher", "recall": "higher", "density": "higher", "coverage": "higher"}, _compute)
