import numpy as np
import pytest
import scipy.stats
from scipy import special

from pipeline.comparison.shared_variance import (
    LEAST_FREEDOM,
    MOST_FREEDOM,
    NO_PRIOR,
    Prior,
    Spread,
    _inverse_trigamma,
    estimate_prior,
)
from pipeline.comparison.significance import Contrast, Group


def test_the_inverse_of_trigamma_inverts_scipys_trigamma() -> None:
    for value in (1e-3, 0.1, 1.0, np.pi**2 / 6, 5.0, 100.0):
        assert special.polygamma(1, _inverse_trigamma(value)) == pytest.approx(value, rel=1e-9)
    assert _inverse_trigamma(np.pi**2 / 6) == pytest.approx(1)  # trigamma(1) = π²/6


@pytest.mark.parametrize("freedom", [6.0, 20.0])
def test_the_priors_degrees_of_freedom_are_recovered_from_many_groups(freedom: float) -> None:
    """Smyth's model: 1 / variance is a scaled chi-square of d0, and the sample variance one of d given the variance."""
    random = np.random.default_rng(0)
    variances = freedom / random.chisquare(freedom, 40_000)
    samples = variances * random.chisquare(4, len(variances)) / 4
    prior = estimate_prior([Spread(value, 4) for value in samples], most=1e9)
    assert prior.degrees_of_freedom == pytest.approx(freedom, rel=0.06)
    assert prior.variance == pytest.approx(freedom / (freedom - 2), rel=0.02)  # the mean of that distribution


def test_equal_variances_are_pooled_and_give_the_analysis_of_variances_t_test() -> None:
    groups = np.random.default_rng(1).normal(5, 2, (8, 6))
    spreads = [Spread(float(row.var(ddof=1)), 5) for row in groups]
    prior = Prior(float(np.mean([spread.variance for spread in spreads])), MOST_FREEDOM, most=40)
    contrast = Contrast(1.0, tuple(Group(spread.variance, 6, 5) for spread in spreads[:2]))
    moderated = prior.moderate(contrast)
    within = sum(((row - row.mean()) ** 2).sum() for row in groups) / 40
    assert moderated.standard_error == pytest.approx(np.sqrt(within * 2 / 6), rel=1e-4)
    assert moderated.groups[0].degrees_of_freedom == 40
    t = 1 / np.sqrt(within * 2 / 6)
    assert prior.moderate(Contrast(1.0, contrast.groups[:1])).p() == pytest.approx(
        2 * scipy.stats.t.sf(t * np.sqrt(2), 40), rel=1e-3
    )


def test_a_moderated_variance_is_the_mean_weighted_by_degrees_of_freedom() -> None:
    moderated = Prior(variance=10.0, degrees_of_freedom=6.0, most=100).moderate(Contrast(0.0, (Group(2.0, 3, 2),)))
    assert moderated.groups[0] == Group(variance=8.0, count=3, degrees_of_freedom=8.0)


def test_variances_of_very_different_size_keep_the_least_weight_of_the_prior() -> None:
    spreads = [Spread(10.0**exponent, 50) for exponent in range(-6, 7)]
    assert estimate_prior(spreads, most=1e9).degrees_of_freedom == LEAST_FREEDOM


def test_two_groups_show_no_spread_of_variances_and_get_no_prior() -> None:
    assert estimate_prior([Spread(1.0, 2), Spread(2.0, 2)], most=4) == NO_PRIOR
    assert estimate_prior([Spread(0.0, 2)] * 5, most=10) == NO_PRIOR
    group = Contrast(1.0, (Group(2.0, 3, 2),))
    assert NO_PRIOR.moderate(group) == group


def test_groups_without_any_spread_do_not_break_the_estimate() -> None:
    prior = estimate_prior([Spread(0.0, 2), Spread(0.0, 2), Spread(3.0, 2), Spread(3.0, 2)], most=8)
    assert (prior.variance, prior.degrees_of_freedom) == (1.5, LEAST_FREEDOM)


def test_degrees_of_freedom_never_fall_below_a_groups_own() -> None:
    moderated = Prior(1.0, 10.0, most=4).moderate(Contrast(0.0, (Group(1.0, 21, 20),)))
    assert moderated.groups[0].degrees_of_freedom == 20
