"""Member: one replicate of one configuration, which trains beside others in a stack."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.settings import TrainingSettings
from pipeline.training.engine.random_streams import MemberAddress


@dataclass(frozen=True)
class Member:
    """A replicate, by its index, of one partition's settings."""

    settings: TrainingSettings
    index: int

    @property
    def address(self) -> MemberAddress:
        """The member's part of random addresses. The configuration is not in it: comparisons are paired."""
        return MemberAddress(self.settings.seed, self.index)
