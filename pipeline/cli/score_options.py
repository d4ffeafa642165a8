"""Score options: the options of `ganforge score`, in a module that is quick to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pipeline.cli.options import Count


@Parameter(name="*")
@dataclass(frozen=True)
class ScoreOptions:
    """The options of `ganforge score`; raises `ValueError` for both probabilities and logits."""

    extractor: Annotated[
        str | None,
        Parameter(metavar="NAME", help="inception (default), or a data set's key: the classifier trained on it"),
    ] = None
    features: Annotated[bool, Parameter(help="both are features, .npy (N, D), and no images")] = False
    probabilities: Annotated[
        Path | None,
        Parameter(metavar="P.npy", help="(N, C) of the generated images, for the Inception Score"),
    ] = None
    logits: Annotated[Path | None, Parameter(metavar="L.npy", help="(N, C), in place of probabilities")] = None
    train: Annotated[
        Path | None, Parameter(metavar="TRAIN", help="the generator's training images, to find copies of them")
    ] = None
    sheet: Annotated[
        Path | None,
        Parameter(metavar="FILE.png", help="with --train: a picture of the closest images above the originals"),
    ] = None
    k: Annotated[Count, Parameter(help="neighbours for precision, recall, density, coverage")] = 5
    skip_unreadable: Annotated[bool, Parameter(help="leave out images that cannot be read")] = False

    def __post_init__(self) -> None:
        """Raise for two kinds of class outputs."""
        if self.probabilities is not None and self.logits is not None:
            raise ValueError("found --probabilities and --logits, expected one of them")

    @property
    def outputs(self) -> Path | None:
        """The file of probabilities or of logits, if there is one."""
        return self.probabilities or self.logits


SCORE_DEFAULTS = ScoreOptions()
