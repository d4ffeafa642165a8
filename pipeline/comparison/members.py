"""Members: the scores of several configurations side by side, one row per configuration, one column per member.

In: `MemberScores`. Out: `ScoreTable`, which compares any two rows. Members of equal seed and index share initial
weights, latents and the order of images, so their scores are compared in pairs. Members that one of the two
configurations does not have are compared as independent groups. The variances of all rows give a prior
(`shared_variance.py`), one for paired differences and one for single scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline.comparison.collapse import Member
from pipeline.comparison.shared_variance import Prior, Spread, estimate_prior
from pipeline.comparison.significance import Contrast, combined, paired, unpaired

FEWEST = 2  # values that a variance needs
PAIRED_VARIANCES = 2.0  # a difference of two scores varies twice as much as one score, or less if paired

Array: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MemberScores:
    """One configuration's scores by one metric."""

    name: str
    by_member: Mapping[Member, float | None]  # None: it diverged, or the score is not defined
    looks: int = 1  # the number of reports that brought these members; a verdict could be read after each of them

    def sound(self) -> dict[Member, float]:
        """Return the scores of the members that have one."""
        return {member: value for member, value in self.by_member.items() if value is not None}

    def without(self, members: frozenset[Member]) -> MemberScores:
        """Return the scores with some members left without a score."""
        by_member = {member: None if member in members else value for member, value in self.by_member.items()}
        return MemberScores(self.name, by_member, self.looks)

    @property
    def lost(self) -> int:
        """The number of members without a score."""
        return sum(value is None for value in self.by_member.values())


def are_positive(scores: Sequence[MemberScores]) -> bool:
    """Return whether all scores are above 0, so that they have logarithms."""
    return all(value > 0 for one in scores for value in one.sound().values())


@dataclass(frozen=True)
class Part:
    """One estimate of the difference of two rows: of their common members, or of all others."""

    contrast: Contrast | None  # None: fewer than 2 values
    first: Array  # scores of the first that are used
    second: Array
    is_paired: bool


class ScoreTable:
    """The scores on the scale on which they are compared."""

    def __init__(
        self, scores: Sequence[MemberScores], scale: Callable[[Array], Array], past: Sequence[Spread] = ()
    ) -> None:
        """Lay out the scores. `scale` converts them, for instance into logarithms; `past` are older variances on it."""
        self.past = past
        members = sorted({member for one in scores for member in one.by_member})
        columns = {member: index for index, member in enumerate(members)}
        values = np.full((len(scores), len(columns)), np.nan)
        self.has: Mask = np.zeros(values.shape, bool)  # True also for a member without a score
        for row, one in enumerate(scores):
            for member, value in one.by_member.items():
                self.has[row, columns[member]] = True
                values[row, columns[member]] = np.nan if value is None else value
        self.values = scale(values)  # NaN: no score
        self.sound: Mask = np.isfinite(self.values)

    def parts(self, first: int, second: int) -> list[Part]:
        """Return the estimates of the difference of two rows: those that can be tested, else one that cannot."""
        both = self.sound[first] & self.sound[second]
        rests = (self.sound[first] & ~self.has[second], self.sound[second] & ~self.has[first])
        candidates = [
            Part(None, self.values[first, masks[0]], self.values[second, masks[1]], is_paired)
            for is_paired, masks in ((True, (both, both)), (False, rests))
        ]
        tested = [_tested(part) for part in candidates if min(len(part.first), len(part.second)) >= FEWEST]
        single = [part for part in candidates if min(len(part.first), len(part.second)) > 0]
        return tested or single[:1]

    def plain(self, parts: Sequence[Part]) -> Contrast | None:
        """Return the estimates combined, each with its own variance; None without any."""
        contrasts = [part.contrast for part in parts if part.contrast is not None]
        return combined(contrasts) if contrasts else None

    def moderated(self, parts: Sequence[Part]) -> Contrast | None:
        """Return the estimates combined, with variances moderated by all rows and by older ones; None without any."""
        contrasts = [
            (self._prior_of_differences if part.is_paired else self._prior_of_scores).moderate(part.contrast)
            for part in parts
            if part.contrast is not None
        ]
        return combined(contrasts) if contrasts else None

    # -----------------------------------------------------------------------------------------------------------------
    # Priors

    @cached_property
    def _prior_of_differences(self) -> Prior:
        doubled = [Spread(PAIRED_VARIANCES * one.variance, one.degrees_of_freedom) for one in self.past]
        most = self._shared_freedom + sum(one.degrees_of_freedom for one in self.past)
        return estimate_prior([*self._spreads_of_differences, *doubled], most)

    @cached_property
    def _prior_of_scores(self) -> Prior:
        spreads = [*self._spreads_of_scores, *self.past]
        return estimate_prior(spreads, sum(one.degrees_of_freedom for one in spreads))

    @cached_property
    def _spreads_of_differences(self) -> list[Spread]:
        spreads = []
        for first, second in combinations(range(len(self.values)), 2):
            both = self.sound[first] & self.sound[second]
            if both.sum() >= FEWEST:
                spreads += _spreads(paired(self.values[first, both], self.values[second, both]))
        return spreads

    @cached_property
    def _spreads_of_scores(self) -> list[Spread]:
        return [spread for row in range(len(self.values)) for spread in spread_of(self.values[row, self.sound[row]])]

    @cached_property
    def _shared_freedom(self) -> float:
        """The degrees of freedom that scores have after the means of configurations and of members are removed."""
        shared = self.sound[:, self.sound.sum(axis=0) >= FEWEST]
        rows = shared[shared.any(axis=1)]
        return float(rows.sum() - len(rows) - rows.shape[1] + _connected(rows))


def spread_of(values: Array) -> list[Spread]:
    """Return the variance of at least 2 values; nothing for fewer."""
    return _spreads(Contrast(0.0, unpaired(values, values).groups[:1])) if len(values) >= FEWEST else []


def _spreads(contrast: Contrast) -> list[Spread]:
    return [Spread(group.variance, group.degrees_of_freedom) for group in contrast.groups]


def _tested(part: Part) -> Part:
    contrast = (paired if part.is_paired else unpaired)(part.first, part.second)
    return Part(contrast, part.first, part.second, part.is_paired)


def _connected(rows: Mask) -> int:
    """Return how many sets of rows there are that share no column (1 if all are linked, 0 without rows)."""
    sets: list[Mask] = []
    for row in rows:
        linked = [one for one in sets if (one & row).any()]
        sets = [one for one in sets if not (one & row).any()]
        sets.append(np.logical_or.reduce([row, *linked]))
    return len(sets)
