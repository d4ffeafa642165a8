from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats

from pipeline.comparison.collapse import Failures, Member, exact_p, find_collapsed


def members(values: Sequence[float]) -> dict[Member, float]:
    return {(0, index): value for index, value in enumerate(values)}


def collapsed(**scores: Sequence[float]) -> dict[str, set[int]]:
    found = find_collapsed({name: members(values) for name, values in scores.items()})
    return {name: {index for _, index in of} for name, of in found.items()}


def test_scores_above_a_wide_gap_are_collapsed() -> None:
    assert collapsed(adam=[100, 104, 310], sgd=[98, 103, 101]) == {"adam": {2}, "sgd": set()}


def test_a_gap_between_whole_configurations_is_their_difference() -> None:
    assert collapsed(adam=[100, 104, 98], sgd=[298, 303, 301]) == {"adam": set(), "sgd": set()}


def test_a_configuration_above_the_gap_as_a_whole_is_worse_if_chance_cannot_explain_it() -> None:
    steady, worse = [20, 20.4, 19.7, 20.2, 20.1, 20.3], [35, 36, 35.5, 34.8, 35.2, 35.1]
    found = collapsed(a=steady, b=worse, c=[20.5, 20.6, 20.1, 34])
    assert found == {"a": set(), "b": set(), "c": {3}}  # 6 of 6 against 1 of 10: p 0.0009
    assert collapsed(a=steady[:3], b=worse[:3], c=[20.5, 34, 20.1])["b"] == {0, 1, 2}  # 3 of 3 against 1 of 6: p 0.05


def test_infinite_scores_are_not_judged() -> None:
    assert collapsed(adam=[100, 104, float("inf")], sgd=[98, 103, 101]) == {"adam": set(), "sgd": set()}


def test_a_gap_of_less_than_a_factor_of_one_and_a_half_is_no_collapse() -> None:
    assert collapsed(adam=[100, 100.4, 149], sgd=[99.8, 100.3, 100.1]) == {"adam": set(), "sgd": set()}


def test_scores_that_vary_widely_have_no_collapsed_members() -> None:
    values = np.exp(np.random.default_rng(0).normal(5, 1, (7, 3)))
    assert not any(collapsed(**{f"c{row}": of.tolist() for row, of in enumerate(values)}).values())


def test_a_few_lucky_members_do_not_make_all_others_collapsed() -> None:
    assert collapsed(adam=[20, 104, 98, 101], sgd=[98, 103, 101, 99]) == {"adam": set(), "sgd": set()}


def test_with_too_few_scores_no_gap_is_judged() -> None:
    assert collapsed(adam=[100], sgd=[]) == {"adam": set(), "sgd": set()}
    assert collapsed(adam=[100, 900], sgd=[110]) == {"adam": set(), "sgd": set()}


@pytest.mark.parametrize(
    ("first", "second"), [((3, 8), (0, 8)), ((6, 8), (0, 8)), ((1, 5), (4, 20)), ((0, 3), (3, 3)), ((2, 9), (2, 9))]
)
def test_failures_are_tested_as_scipys_fisher_exact_tests_them(first: tuple[int, int], second: tuple[int, int]) -> None:
    table = [[failed, count - failed] for failed, count in (first, second)]
    sides = [Failures(count, failed, 0) for failed, count in (first, second)]
    assert exact_p(*sides) == pytest.approx(scipy.stats.fisher_exact(table).pvalue, rel=1e-9)


def test_failures_are_described_in_words() -> None:
    failures = Failures(members=8, collapsed=2, without_score=1)
    assert (str(failures), failures.words(), failures.share) == (
        "3 of 8",
        "2 of 8 members collapsed, 1 of 8 members without a score",
        0.375,
    )
