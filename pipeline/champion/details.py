"""Details: the facts in the manifest of a promotion: those of its training, and those of the promotion itself."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.training.details import PromotionDetails


@dataclass(frozen=True, kw_only=True)
class ChampionDetails:
    """The facts of a promotion; `TrainingDetails` reads the other facts of the same manifest."""

    champion: PromotionDetails
