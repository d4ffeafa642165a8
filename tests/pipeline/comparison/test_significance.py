import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from scipy import special

from pipeline.comparison.significance import (
    LEVEL,
    Contrast,
    Group,
    at_look,
    combined,
    factors_of_all,
    factors_of_best,
    more_members,
    paired,
    share_of_look,
    step_down,
    t_quantile,
    unpaired,
)


def contrast(difference: float, *groups: tuple[float, int]) -> Contrast:
    """A difference of groups of independent values, each with its variance and its count."""
    return Contrast(difference, tuple(Group(variance, count, count - 1) for variance, count in groups))


def test_paired_members_are_judged_as_scipys_ttest_rel_judges_them() -> None:
    random = np.random.default_rng(0)
    for members in (2, 3, 5, 20):
        first, second = random.normal(100, 10, (2, members))
        expected = scipy.stats.ttest_rel(first, second)
        found = paired(first, second)
        low, high = expected.confidence_interval(0.95)
        half_width = found.half_width()
        assert half_width is not None
        assert found.p() == pytest.approx(expected.pvalue, rel=1e-9)
        assert (found.difference - half_width, found.difference + half_width) == pytest.approx((low, high), rel=1e-9)


def test_unpaired_members_are_judged_as_scipys_welch_test_judges_them() -> None:
    random = np.random.default_rng(1)
    for counts in ((2, 2), (3, 5), (20, 4)):
        first, second = random.normal(100, 10, counts[0]), random.normal(90, 40, counts[1])
        expected = scipy.stats.ttest_ind(first, second, equal_var=False)
        found = unpaired(first.tolist(), second.tolist())
        low, high = expected.confidence_interval(0.95)
        half_width = found.half_width()
        assert half_width is not None
        assert found.p() == pytest.approx(expected.pvalue, rel=1e-9)
        assert (found.difference - half_width, found.difference + half_width) == pytest.approx((low, high), rel=1e-9)


def test_holms_correction_multiplies_the_smallest_p_by_all_tests_and_each_next_by_one_less() -> None:
    # By hand, 4 tests: 0.005·4 = 0.02; 0.01·3 = 0.03; 0.03·2 = 0.06; 0.04·1 = 0.04, raised to the 0.06 before it.
    corrected, levels = step_down([0.01, 0.04, 0.03, 0.005], factors_of_all(4))
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # The third step misses its level, so the fourth keeps that level.
    assert levels == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4])


def test_a_p_value_meets_its_level_if_and_only_if_the_corrected_one_is_below_5_percent() -> None:
    random = np.random.default_rng(3)
    for _ in range(300):
        p_values = (random.random(6) ** 4 * 0.2).tolist()
        corrected, levels = step_down(p_values, factors_of_best(7))
        meets = [p <= level for p, level in zip(p_values, levels, strict=True)]
        assert meets == [p is not None and p <= LEVEL for p in corrected]


def test_a_test_that_cannot_be_made_still_counts_in_holms_correction() -> None:
    corrected, levels = step_down([None, 0.02, None, 0.6], factors_of_all(4))
    assert corrected == [None, pytest.approx(0.08), None, 1.0]
    assert levels[1] == pytest.approx(0.05 / 4)
    assert step_down([], []) == ([], [])


def test_the_best_of_seven_counts_all_pairs_that_can_still_be_equal() -> None:
    # 21 pairs of 7; once one configuration differs from the best, the pairs of the 6 others, and so on.
    assert factors_of_best(7) == [21, 15, 10, 6, 3, 1]
    assert factors_of_best(2) == [1]


def test_the_shares_of_all_looks_sum_to_the_level() -> None:
    assert share_of_look(1) == 1 / 2
    assert sum(share_of_look(look) for look in range(1, 10_000)) == pytest.approx(1, abs=1.1e-4)
    assert [at_look(p, look) for p, look in ((0.01, 1), (0.01, 3), (0.6, 1))] == pytest.approx([0.02, 0.12, 1.0])
    assert at_look(None, 5) is None


def test_combined_contrasts_are_weighted_by_their_numbers_of_values() -> None:
    # 4 pairs and 6 · 6 / (6 + 6) = 3: weights 4/7 and 3/7. Squared errors 4/4 and 1/6 + 1/6.
    both = combined([contrast(10.0, (4.0, 4)), contrast(2.0, (1.0, 6), (1.0, 6))])
    assert both.difference == pytest.approx((4 * 10 + 3 * 2) / 7)
    assert both.standard_error**2 == pytest.approx((16 * 1 + 9 / 3) / 49)
    parts = [(16 / 49, 3), (9 / 6 / 49, 5), (9 / 6 / 49, 5)]
    total = sum(part for part, _ in parts)
    assert both.degrees_of_freedom == pytest.approx(total**2 / sum(part**2 / freedom for part, freedom in parts))


def test_groups_with_a_common_prior_have_no_more_degrees_of_freedom_than_all_values() -> None:
    groups = (Group(1.0, 3, 6), Group(1.0, 3, 6))
    assert Contrast(1.0, groups).degrees_of_freedom == pytest.approx(12)
    shared = Contrast(1.0, groups, most_freedom=6)
    assert shared.degrees_of_freedom == 6
    assert combined([shared, contrast(1.0, (1.0, 30))]).degrees_of_freedom == 6


def test_a_part_without_any_deviation_is_left_out_of_a_combination() -> None:
    certain, uncertain = contrast(5.0, (0.0, 3)), contrast(2.0, (4.0, 4))
    assert combined([certain, uncertain]) == uncertain
    assert combined([certain, certain]) == certain


def test_the_power_is_the_chance_that_drawn_members_decide() -> None:
    seen = contrast(1.0, (1.5**2, 3))
    random = np.random.default_rng(2)
    drawn = random.normal(1.0, 1.5, (20_000, 3 + 9))
    decided = (scipy.stats.ttest_1samp(drawn, 0.0, axis=1).pvalue <= 0.01) & (drawn.mean(axis=1) > 0)
    assert seen.power(9, level=0.01) == pytest.approx(decided.mean(), abs=0.012)  # 3.5 standard errors


@pytest.mark.parametrize(("degrees", "level"), [(2, 0.05), (2, 0.05 / 36), (4, 0.05 / 15), (300, 0.05)])
def test_the_power_agrees_with_the_integral_that_defines_noncentral_t(degrees: int, level: float) -> None:
    quantile = scipy.stats.t.ppf(1 - level / 2, degrees)
    shift = quantile + 1
    power = contrast(shift, (float(degrees + 1), degrees + 1)).power(0, level)  # standard error 1

    def density(squares: float) -> float:
        below = scipy.stats.norm.cdf(shift - quantile * math.sqrt(squares / degrees))
        return float(below * scipy.stats.chi2.pdf(squares, degrees))

    expected, _ = scipy.integrate.quad(density, 0, degrees + 30 * math.sqrt(2 * degrees) + 60, limit=400)
    assert power == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("counts", [(3,), (3, 4)])
def test_the_suggested_members_are_the_fewest_that_decide_with_80_percent_chance(counts: tuple[int, ...]) -> None:
    seen = contrast(1.0, *((4.0, count) for count in counts))
    needed = more_members(seen, level=0.05)
    assert needed is not None
    assert seen.power(needed, 0.05) >= 0.8 > seen.power(needed - 1, 0.05)


def test_a_paired_difference_of_half_a_deviation_needs_34_members() -> None:
    # Cohen 1988, and every table of the paired t test: effect 0.5, 5 % two-sided, power 80 %.
    assert more_members(contrast(0.5, (1.0, 3)), level=0.05) == 34 - 3


def test_no_number_of_members_is_promised_for_no_difference_or_a_very_small_one() -> None:
    assert more_members(contrast(0.0, (1.0, 3)), level=0.05) is None
    assert more_members(contrast(0.01, (1.0, 3)), level=0.05) is None
    assert more_members(contrast(1.0, (0.0, 3)), level=0.05) is None


def test_at_least_one_more_member_is_suggested() -> None:
    assert more_members(contrast(1000.0, (1.0, 3)), level=0.05) == 1


def test_differences_that_vary_by_rounding_alone_have_no_p_value() -> None:
    base = np.array([100.1, 250.7, 333.3])
    found = paired((base + 0.3).tolist(), base.tolist())
    assert found.difference == pytest.approx(0.3)
    assert (found.p(), found.half_width()) == (None, None)


def test_a_shift_far_above_the_quantile_decides_for_sure_where_scipy_gives_nan() -> None:
    seen, level = contrast(50.0, (10.0, 10)), 0.05 / 6  # t = 50
    assert np.isnan(special.nctdtr(9, 50.0, t_quantile(level, 9)))
    assert seen.power(0, level) == 1
    assert all(seen.power(more, level) == pytest.approx(1) for more in range(1, 40))
