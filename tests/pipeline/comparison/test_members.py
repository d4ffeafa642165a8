import numpy as np
import pytest

from pipeline.comparison.collapse import Member
from pipeline.comparison.members import Array, MemberScores, ScoreTable
from pipeline.comparison.shared_variance import Spread


def table(*rows: dict[Member, float | None], past: tuple[Spread, ...] = ()) -> ScoreTable:
    return ScoreTable([MemberScores(f"c{row}", by_member) for row, by_member in enumerate(rows)], np.asarray, past)


def seeded(values: Array, seed: int = 0) -> dict[Member, float | None]:
    return {(seed, index): float(value) for index, value in enumerate(values)}


def test_members_of_equal_seed_and_index_are_pairs_and_the_rest_is_independent() -> None:
    random = np.random.default_rng(0)
    first = seeded(random.normal(size=3)) | seeded(random.normal(size=4), seed=1)
    second = seeded(random.normal(size=3)) | seeded(random.normal(size=2), seed=2)
    paired, rest = table(first, second).parts(0, 1)
    assert (paired.is_paired, len(paired.first), len(paired.second)) == (True, 3, 3)
    assert (rest.is_paired, len(rest.first), len(rest.second)) == (False, 4, 2)


def test_a_member_with_a_failed_partner_is_left_out_of_both_parts() -> None:
    first: dict[Member, float | None] = {(0, index): float(index) for index in range(4)}
    second: dict[Member, float | None] = {**first, (0, 3): None}
    (part,) = table(first, second).parts(0, 1)
    assert part.first.tolist() == [0, 1, 2]


def test_a_rest_of_one_configuration_alone_is_not_compared() -> None:
    first = seeded(np.arange(3.0)) | seeded(np.arange(3.0), seed=1)
    (part,) = table(first, seeded(np.arange(3.0) ** 2)).parts(0, 1)
    assert (part.is_paired, len(part.first)) == (True, 3)


def test_a_single_pair_is_shown_but_not_tested() -> None:
    (part,) = table({(0, 0): 5.0}, {(0, 0): 2.0, (0, 1): 3.0}).parts(0, 1)
    assert (part.contrast, part.first.tolist(), part.second.tolist()) == (None, [5.0], [2.0])
    assert table({(0, 0): None}, {(0, 0): 2.0}).parts(0, 1) == []


@pytest.mark.parametrize("seed", range(4))
def test_shared_degrees_of_freedom_are_those_of_the_two_way_layout(seed: int) -> None:
    """Observations minus the rank of a design with one column per configuration and one per member."""
    random = np.random.default_rng(seed)
    has = random.random((5, 9)) < 0.5
    rows: list[dict[Member, float | None]] = [
        {(0, int(m)): float(random.normal()) for m in np.flatnonzero(row)} for row in has
    ]
    design = [
        [*(k == row for k in range(5)), *(m == member for m in range(9))]
        for row, member in zip(*has.nonzero(), strict=True)
    ]
    expected = len(design) - np.linalg.matrix_rank(np.array(design, float))
    assert table(*rows)._shared_freedom == expected


def test_paired_differences_vary_on_average_twice_as_much_as_residuals_of_the_layout() -> None:
    values = np.random.default_rng(5).normal(size=(6, 4)) + np.arange(4) * 10
    residuals = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    shared = table(*(seeded(row) for row in values))
    expected = 2 * (residuals**2).sum() / (5 * 3)
    assert shared._shared_freedom == 5 * 3
    assert shared._prior_of_differences.variance == pytest.approx(expected)


def test_earlier_trainings_tell_a_single_pair_how_much_members_vary() -> None:
    random = np.random.default_rng(6)
    first, second = seeded(random.normal(0, 1, 3)), seeded(random.normal(4, 1, 3))
    past = tuple(Spread(float(value), 2) for value in random.chisquare(2, 12) / 2)
    alone, informed = (table(first, second, past=known) for known in ((), past))
    contrasts = [one.moderated(one.parts(0, 1)) for one in (alone, informed)]
    freedoms = [0 if contrast is None else contrast.degrees_of_freedom for contrast in contrasts]
    assert freedoms[0] == 2
    assert freedoms[1] > 5
