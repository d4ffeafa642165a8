"""Shared variance: estimate how much scores vary between members from all configurations together.

In: the variances of several groups of values, each with its degrees of freedom. Out: `Prior`, and the moderated
variance of each group: the mean of its own variance and the prior's, weighted by their degrees of freedom.

With 3 members one group's variance has 2 degrees of freedom, and its t test needs a difference of many deviations. The
members of the other configurations show nearly as well how much scores vary.

Source: Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression in microarray
experiments", Stat. Appl. Genet. Mol. Biol. 3, article 3: the prior's degrees of freedom come from the spread of the
groups' log variances. Two choices differ from limma, the paper's program, because it has thousands of groups and a
comparison has few. The prior's variance is the weighted mean of all variances, not their geometric mean: a few groups
of small variance do not pull it down. And the prior has at least 4 degrees of freedom. docs/log.md has the simulations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from pipeline.comparison.significance import Contrast, Group

LEAST_FREEDOM = 4.0  # of the prior, if there are enough groups to estimate any
MOST_FREEDOM = 1e6  # stands for equal variances in all groups
FEWEST_GROUPS = 3  # fewer show no spread of variances
LEAST_SHARE = 1e-6  # of the mean variance: a group without any spread counts as this, since log 0 does not exist
NEWTON_STEPS = 30


@dataclass(frozen=True)
class Spread:
    """A variance with the degrees of freedom of its estimate."""

    variance: float
    degrees_of_freedom: float


@dataclass(frozen=True)
class Prior:
    """The variance that all groups share, and its weight in degrees of freedom."""

    variance: float
    degrees_of_freedom: float  # 0: no prior, each group has its own variance
    most: float  # degrees of freedom of all groups together; a moderated variance has no more

    def moderate(self, contrast: Contrast) -> Contrast:
        """Return the contrast with moderated variances."""
        if self.degrees_of_freedom == 0:
            return contrast
        groups = tuple(self._moderated(group) for group in contrast.groups)
        own = sum(group.degrees_of_freedom for group in contrast.groups)
        return replace(contrast, groups=groups, most_freedom=max(own, self.most))

    def _moderated(self, group: Group) -> Group:
        own, freedom = group.degrees_of_freedom, self.degrees_of_freedom + group.degrees_of_freedom
        variance = (self.degrees_of_freedom * self.variance + own * group.variance) / freedom
        return replace(group, variance=variance, degrees_of_freedom=max(own, min(freedom, self.most)))


NO_PRIOR = Prior(0.0, 0.0, 0.0)


def estimate_prior(spreads: Sequence[Spread], most: float) -> Prior:
    """Return the prior of several variances; `NO_PRIOR` for fewer than 3 groups, or if nothing varies.

    `most` are the degrees of freedom of all groups together, fewer than their sum if the groups share values.
    """
    if len(spreads) < FEWEST_GROUPS:
        return NO_PRIOR
    variances = np.array([spread.variance for spread in spreads])
    freedoms = np.array([spread.degrees_of_freedom for spread in spreads])
    mean = float(variances @ freedoms / freedoms.sum())
    if mean == 0:
        return NO_PRIOR
    logs = np.log(np.maximum(variances, LEAST_SHARE * mean)) - special.digamma(freedoms / 2) + np.log(freedoms / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, freedoms / 2).mean())
    estimated = 2 * _inverse_trigamma(excess) if excess > 0 else MOST_FREEDOM
    return Prior(mean, float(np.clip(estimated, LEAST_FREEDOM, MOST_FREEDOM)), most)


def _inverse_trigamma(value: float) -> float:
    """Return the argument at which the trigamma function has a positive value (Newton's method, Smyth's appendix)."""
    argument = 0.5 + 1 / value
    for _ in range(NEWTON_STEPS):
        trigamma = float(special.polygamma(1, argument))
        argument += trigamma * (1 - trigamma / value) / float(special.polygamma(2, argument))
    return argument
