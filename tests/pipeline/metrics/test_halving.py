import numpy as np
import pytest

from pipeline.metrics.halving import HALVINGS, halving_orders, variances


def rows(count: int = 1000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 12)) + 100


def first_half(features: np.ndarray, number: int = 0) -> set[bytes]:
    return {row.tobytes() for row in features[np.array_split(halving_orders(features)[number], 2)[0]]}


def test_every_order_holds_every_row_once_and_no_two_are_alike() -> None:
    orders = halving_orders(rows())
    assert len(orders) == HALVINGS
    assert all(np.array_equal(np.sort(order), np.arange(1000)) for order in orders)
    overlaps = [len(first_half(rows(), number) & first_half(rows(), 0)) for number in range(1, HALVINGS)]
    assert all(200 < overlap < 300 for overlap in overlaps)  # 250 of 500 by chance


def test_the_order_of_rows_does_not_decide_the_half_of_a_row() -> None:
    shuffled = rows()[np.random.default_rng(1).permutation(1000)]
    assert first_half(shuffled) == first_half(rows())


def test_rounding_moves_few_rows_to_the_other_half() -> None:
    moved = rows() * (1 + 1e-9 * np.random.default_rng(2).standard_normal((1000, 1)))
    before, after = (np.argsort(halving_orders(features)[0]) < 500 for features in (rows(), moved))
    assert (before != after).mean() < 0.02


def test_halves_do_not_differ_in_the_content_of_their_rows() -> None:
    features = rows(4000)
    for order in halving_orders(features):
        first, second = (features[half] for half in np.array_split(order, 2))
        assert np.abs(first.mean(axis=0) - second.mean(axis=0)).max() < 4.5 * np.sqrt(4 / 4000)


def test_copies_are_spread_over_both_halves() -> None:
    features = np.repeat(rows(5), 400, axis=0)
    for order in halving_orders(features):
        in_first = np.bincount(np.array_split(order, 2)[0] // 400, minlength=5)
        assert np.abs(in_first - 200).max() < 4.5 * 10  # a binomial deviation of 10
    assert first_half(features, 0) is not None


def test_constant_rows_and_a_single_column_are_halved_too() -> None:
    for features in (np.ones((9, 3)), np.arange(9.0)[:, None]):
        assert all(sorted(order) == list(range(9)) for order in halving_orders(features))


@pytest.mark.parametrize(("linear", "quadratic"), [(1.0, 0.0), (1.0, 0.3), (0.0, 1.0)])
def test_different_variances_are_distinguished(linear: float, quadratic: float) -> None:
    plain, extrapolated = variances(linear + 2 * quadratic, 2 * linear + 8 * quadratic)
    assert plain == pytest.approx(linear + quadratic)
    assert extrapolated == pytest.approx(linear + quadratic * (1 + 1 / HALVINGS))


def test_halves_that_say_nonsense_change_the_variance_by_no_more_than_half() -> None:
    assert variances(1.0, 0.0) == (1.0, 1.0)
    assert variances(1.0, 100.0)[0] == 0.5
