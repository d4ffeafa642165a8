"""Metric: the description that each metric's module gives of itself, and the inputs of its computation.

In: features of generated and of real images. Out: scores by name. Catalogue, reports, `ganforge score`, `ganforge
status` and the comparison page read every fact about a metric from here, so that no other list of metrics exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from pipeline.metrics.features import ATTRIBUTES, CLASSES, IMAGENET, NO_LOGITS, Features, Matrix
from pipeline.metrics.moments import Moments
from pipeline.metrics.score import Score

NEIGHBOURS = 5  # Naeem et al. 2020; Kynkäänniemi et al. 2019 take 3

Direction = Literal["lower", "higher", "neither"]
Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class RealFeatures:
    """Features of real images, against which a set of generated images is scored."""

    test: Features  # real images on which no network was trained
    train: Features | None = None  # images on which the generator was trained, to find copies of them
    neighbours: int = NEIGHBOURS  # k of every score that looks at nearest neighbours


class Need(Enum):
    """An input or a condition without which a metric is not defined."""

    FEATURES = "features of generated and of real images"
    PROBABILITIES = "class probabilities of generated images"
    TRAINING_IMAGES = "features of the images on which the generator was trained"
    NEIGHBOURS = "more than k images in each set"
    PIXELS = "the generated images themselves"
    GENERATOR = "the generator"


@dataclass(frozen=True)
class ScoreDefinition:
    """The facts about one score that do not depend on the images."""

    name: str  # key of the score in reports and in JSON; never changes
    title: str  # heading for people
    definition: str  # what the score measures, in one line with its source
    better: Direction
    fewest_images: int = 1  # per set; with fewer the score is left out
    has_error: bool = False  # True if a standard error comes with the score
    details: tuple[str, ...] = ()  # names in `Score.details`
    scale: Scale = "linear"  # on which members spread evenly; "log": they vary in proportion to the score's size


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric: its scores, its needs and its computation."""

    scores: tuple[ScoreDefinition, ...]
    needs: tuple[Need, ...]
    # Scores by name from generated and real images. None: too slow for every report, so `reports/thorough.py`
    # computes these scores on request, from pixels or from the generator.
    from_features: Callable[[Features, RealFeatures], dict[str, Score]] | None = None
    # The same scores from logarithms of probabilities (N, C) alone, for a metric that needs nothing else.
    from_probabilities: Callable[[Matrix], dict[str, Score]] | None = None
    # The scores that are defined if mean and covariance are all that is known of the real images.
    from_moments: Callable[[Matrix, Moments], dict[str, Score]] | None = None
    labels: tuple[str, ...] = (CLASSES, ATTRIBUTES, IMAGENET, NO_LOGITS)  # meanings of logits that define the metric
    notes: Mapping[str, str] = field(default_factory=dict)  # by meaning of logits: a note on all scores of the metric

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the metric's scores, in order."""
        return tuple(score.name for score in self.scores)

    @property
    def is_thorough(self) -> bool:
        """True if the metric is too slow for every report and is computed on request."""
        return self.from_features is None

    def compute(self, generated: Features, real: RealFeatures) -> dict[str, Score]:
        """Compute the scores, by name, of generated images against real ones."""
        if self.from_features is None:
            raise ValueError(f"{', '.join(self.names)}: not computed from features; see reports/thorough.py")
        return self.from_features(generated, real)

    def fewest_images(self, score: ScoreDefinition, neighbours: int) -> int:
        """Return how many images per set define a score, for neighbourhoods of k = `neighbours`."""
        return max(score.fewest_images, neighbours + 1 if Need.NEIGHBOURS in self.needs else 0)
