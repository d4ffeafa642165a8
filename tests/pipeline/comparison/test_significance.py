import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from scipy import special

from pipeline.comparison.significance import Contrast, holm, more_members, paired, t_quantile, unpaired


def test_paired_members_are_judged_as_scipys_ttest_rel_judges_them() -> None:
    random = np.random.default_rng(0)
    for members in (2, 3, 5, 20):
        first, second = random.normal(100, 10, (2, members))
        expected = scipy.stats.ttest_rel(first, second)
        contrast = paired(first, second)
        low, high = expected.confidence_interval(0.95)
        half_width = contrast.half_width()
        assert half_width is not None
        assert contrast.p() == pytest.approx(expected.pvalue, rel=1e-9)
        assert (contrast.difference - half_width, contrast.difference + half_width) == pytest.approx(
            (low, high), rel=1e-9
        )


def test_unpaired_members_are_judged_as_scipys_welch_test_judges_them() -> None:
    random = np.random.default_rng(1)
    for counts in ((2, 2), (3, 5), (20, 4)):
        first, second = random.normal(100, 10, counts[0]), random.normal(90, 40, counts[1])
        expected = scipy.stats.ttest_ind(first, second, equal_var=False)
        contrast = unpaired(first.tolist(), second.tolist())
        low, high = expected.confidence_interval(0.95)
        half_width = contrast.half_width()
        assert half_width is not None
        assert contrast.p() == pytest.approx(expected.pvalue, rel=1e-9)
        assert (contrast.difference - half_width, contrast.difference + half_width) == pytest.approx(
            (low, high), rel=1e-9
        )


def test_holms_correction_multiplies_the_smallest_p_by_all_tests_and_each_next_by_one_less() -> None:
    # By hand, 4 tests: 0.005·4 = 0.02; 0.01·3 = 0.03; 0.03·2 = 0.06; 0.04·1 = 0.04, raised to the 0.06 before it.
    corrected, levels = holm([0.01, 0.04, 0.03, 0.005])
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert levels == pytest.approx([0.05 / 3, 0.05, 0.05 / 2, 0.05 / 4])


def test_a_test_that_cannot_be_made_still_counts_in_holms_correction() -> None:
    corrected, levels = holm([None, 0.02, None, 0.6])
    assert corrected == [None, pytest.approx(0.08), None, 1.0]
    assert levels[1] == pytest.approx(0.05 / 4)
    assert holm([]) == ([], [])


def test_the_power_is_the_chance_that_drawn_members_decide() -> None:
    seen = Contrast(difference=1.0, variances=(1.5**2,), counts=(3,))
    random = np.random.default_rng(2)
    drawn = random.normal(1.0, 1.5, (20_000, 3 + 9))
    decided = (scipy.stats.ttest_1samp(drawn, 0.0, axis=1).pvalue <= 0.01) & (drawn.mean(axis=1) > 0)
    assert seen.power(9, level=0.01) == pytest.approx(decided.mean(), abs=0.012)  # 3.5 standard errors


@pytest.mark.parametrize(("degrees", "level"), [(2, 0.05), (2, 0.05 / 36), (4, 0.05 / 15), (300, 0.05)])
def test_the_power_agrees_with_the_integral_that_defines_noncentral_t(degrees: int, level: float) -> None:
    quantile = scipy.stats.t.ppf(1 - level / 2, degrees)
    shift = quantile + 1
    power = Contrast(shift, (float(degrees + 1),), (degrees + 1,)).power(0, level)  # standard error 1

    def density(squares: float) -> float:
        below = scipy.stats.norm.cdf(shift - quantile * math.sqrt(squares / degrees))
        return float(below * scipy.stats.chi2.pdf(squares, degrees))

    expected, _ = scipy.integrate.quad(density, 0, degrees + 30 * math.sqrt(2 * degrees) + 60, limit=400)
    assert power == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("counts", [(3,), (3, 4)])
def test_the_suggested_members_are_the_fewest_that_decide_with_80_percent_chance(counts: tuple[int, ...]) -> None:
    seen = Contrast(1.0, (4.0,) * len(counts), counts)
    needed = more_members(seen, level=0.05)
    assert needed is not None
    assert seen.power(needed, 0.05) >= 0.8 > seen.power(needed - 1, 0.05)


def test_a_paired_difference_of_half_a_deviation_needs_34_members() -> None:
    # Cohen 1988, and every table of the paired t test: effect 0.5, 5 % two-sided, power 80 %.
    assert more_members(Contrast(0.5, (1.0,), (3,)), level=0.05) == 34 - 3


def test_no_number_of_members_is_promised_for_no_difference_or_a_very_small_one() -> None:
    assert more_members(Contrast(0.0, (1.0,), (3,)), level=0.05) is None
    assert more_members(Contrast(0.01, (1.0,), (3,)), level=0.05) is None
    assert more_members(Contrast(1.0, (0.0,), (3,)), level=0.05) is None


def test_at_least_one_more_member_is_suggested() -> None:
    assert more_members(Contrast(1000.0, (1.0,), (3,)), level=0.05) == 1


def test_differences_that_vary_by_rounding_alone_have_no_p_value() -> None:
    base = np.array([100.1, 250.7, 333.3])
    contrast = paired((base + 0.3).tolist(), base.tolist())
    assert contrast.difference == pytest.approx(0.3)
    assert (contrast.p(), contrast.half_width()) == (None, None)


def test_a_shift_far_above_the_quantile_decides_for_sure_where_scipy_gives_nan() -> None:
    seen, level = Contrast(50.0, (10.0,), (10,)), 0.05 / 6  # t = 50
    assert np.isnan(special.nctdtr(9, 50.0, t_quantile(level, 9)))
    assert seen.power(0, level) == 1
    assert all(seen.power(more, level) == pytest.approx(1) for more in range(1, 40))
