import numpy as np
import pytest

from pipeline.metrics import nearest_neighbours as module
from pipeline.metrics import squared_distances
from pipeline.metrics.nearest_neighbours import count_balls, nearest_rows, neighbour_radii, squared_neighbour_radii
from pipeline.metrics.squared_distances import Frame, distinct_rows


def table(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N, M) squared distances by the formula itself, in float64."""
    differences = x[:, None].astype(np.float64) - y[None].astype(np.float64)
    distances: np.ndarray = np.square(differences).sum(axis=2)
    return distances


def radii_by_sorting(x: np.ndarray, k: int) -> np.ndarray:
    squares = table(x, x)
    np.fill_diagonal(squares, np.inf)
    return np.sort(squares, axis=1)[:, k - 1]


def clouds(count: int, width: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.maximum(random.standard_normal((count, width)) + 0.3, 0).astype(np.float32)


def hard_sets() -> dict[str, np.ndarray]:
    """Sets with distances that float32 products cannot distinguish, or that are equal."""
    random = np.random.default_rng(5)
    far = random.standard_normal((4, 6))
    return {
        "ordinary": clouds(90, 40, 1),
        "far from 0": clouds(90, 40, 1) + np.float32(1e3),
        "float64": random.standard_normal((90, 7)),
        "a grid, full of ties": np.stack(np.meshgrid(np.arange(9), np.arange(10)), axis=-1).reshape(-1, 2) / 3.0,
        "one point": np.ones((90, 3), np.float32),
        "few different points": clouds(7, 5, 2)[random.integers(0, 7, 90)],
        "tight clusters far apart": far[random.integers(0, 4, 90)] + 1e-7 * random.standard_normal((90, 6)),
        "clusters float64 products cannot resolve": far[random.integers(0, 4, 90)] + 1e-12 * random.random((90, 6)),
        "one outlier": np.concatenate([clouds(89, 4, 3), np.full((1, 4), 1e6, np.float32)]),
        "huge": clouds(90, 5, 4).astype(np.float64) * 1e30,
        "small": clouds(90, 5, 4).astype(np.float64) * 1e-30,
        "signed zeros": np.where(random.random((90, 3)) < 0.5, 0.0, -0.0),
    }


HARD = hard_sets()


@pytest.fixture(params=[512, 23])
def block_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """One block, and several."""
    monkeypatch.setattr(squared_distances.blocks, "__defaults__", (request.param,))
    return int(request.param)


@pytest.mark.parametrize("scale", [1e200, 1e308])
def test_distances_with_squares_that_overflow_are_one_sentence(scale: float) -> None:
    features = scale * np.random.default_rng(0).choice([-1.0, 1.0], (30, 4))
    for call in (lambda: neighbour_radii(features, 1), lambda: nearest_rows(features, np.ones((3, 4)))):
        with pytest.raises(squared_distances.TooLargeError, match="the features' values are too large to compute with"):
            call()


@pytest.mark.parametrize("k", [1, 5, 89])
@pytest.mark.parametrize("name", HARD)
def test_radii_are_exactly_those_of_sorting_all_distances(name: str, k: int, block_rows: int) -> None:
    assert np.array_equal(squared_neighbour_radii(HARD[name], k), radii_by_sorting(HARD[name], k))


@pytest.mark.parametrize("name", HARD)
def test_radii_of_some_rows_are_those_of_all_rows(name: str, block_rows: int) -> None:
    chosen = np.array([60, 3, 3, 89])
    assert np.array_equal(neighbour_radii(HARD[name], 4, chosen=chosen), neighbour_radii(HARD[name], 4)[chosen])


@pytest.mark.parametrize("name", HARD)
def test_the_nearest_reference_is_exactly_the_first_of_the_nearest(name: str, block_rows: int) -> None:
    queries, references = HARD[name][::3], HARD[name][1::2]
    squares = table(queries, references)
    indices, distances = nearest_rows(queries, references)
    assert np.array_equal(indices, squares.argmin(axis=1))
    assert np.array_equal(distances, np.sqrt(squares.min(axis=1)))


@pytest.mark.parametrize("name", HARD)
def test_balls_hold_exactly_the_points_closer_than_their_radius(name: str, block_rows: int) -> None:
    first, second = HARD[name][:50], np.concatenate([HARD[name][50:], HARD[name][:10]])
    r, s, squares = radii_by_sorting(first, 3), radii_by_sorting(second, 3), table(first, second)
    balls = count_balls(first, second, r, s)
    assert np.array_equal(balls.first_around_second, (squares < r[:, None]).sum(axis=0))
    assert np.array_equal(balls.first_filled, (squares < r[:, None]).any(axis=1))
    assert np.array_equal(balls.first_held, (squares < s).any(axis=1))


def test_a_row_at_exactly_the_radius_is_outside_the_ball() -> None:
    line = np.array([[0.0], [1.0], [3.0]])
    balls = count_balls(line, np.array([[-1.0], [1.5]]), np.array([1.0, 1.0, 4.0]), np.array([1.0, 0.25]))
    assert balls.first_around_second.tolist() == [0, 2]
    assert balls.first_filled.tolist() == [False, True, True]
    assert balls.first_held.tolist() == [False, False, False]


def test_radii_worked_out_by_hand() -> None:
    line = np.array([[0.0], [1.0], [3.0], [7.0], [7.0]])
    assert neighbour_radii(line, 1).tolist() == [1, 1, 2, 0, 0]
    assert neighbour_radii(line, 2).tolist() == [3, 2, 3, 4, 4]


def test_every_pair_left_to_the_exact_formula_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clouds(80, 10, 1), clouds(70, 10, 2)
    monkeypatch.setattr(np, "finfo", lambda _: Coarse)  # bounds so wide that products decide nothing
    r, s = squared_neighbour_radii(x, 5), squared_neighbour_radii(y, 5)
    assert np.array_equal(r, radii_by_sorting(x, 5))
    assert count_balls(x, y, r, s).first_around_second.sum() == (table(x, y) < r[:, None]).sum()
    assert np.array_equal(nearest_rows(x, y)[0], table(x, y).argmin(axis=1))


class Coarse:
    eps, tiny = 1e3, 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [name for name in HARD if name != "small"])
def test_no_distance_lies_outside_its_bounds(name: str, dtype: type[np.floating]) -> None:
    x, y = HARD[name][:50], HARD[name][50:]
    frame = Frame.around(x, y)
    a, b = frame.bounded(x, dtype), frame.bounded(y, dtype)
    squares, lower = table(x, y) / frame.scale**2, a.lower_bounds(b).astype(np.float64)
    assert (lower <= squares).all()
    assert (squares <= lower + 2 * (a.errors[:, None] + b.errors)).all()


def test_distinct_rows_find_every_row_again() -> None:
    features = np.array([[1.0, 2.0], [0.0, 0.0], [1.0, 2.0], [-0.0, 0.0], [3.0, 1.0]])
    distinct = distinct_rows(features)
    assert np.array_equal(distinct.rows[distinct.inverse], features)
    assert distinct.counts.tolist() == [2, 2, 1]
    assert distinct.first.tolist() == [0, 1, 4]


@pytest.mark.parametrize("k", [0, 4, 5])
def test_too_few_images_for_k_neighbours_is_an_error(k: int) -> None:
    with pytest.raises(ValueError, match=f"found 4 images for {k} nearest neighbours"):
        neighbour_radii(np.ones((4, 2)), k)


def test_features_of_unequal_widths_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(4, 2\) and \(4, 3\)"):
        nearest_rows(np.ones((4, 2)), np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"\(4, 2\) and \(4, 3\)"):
        count_balls(np.ones((4, 2)), np.ones((4, 3)), np.ones(4), np.ones(4))


def test_few_candidates_are_enough_for_ordinary_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise results were as exact, and slow."""
    asked: list[int] = []
    formula = squared_distances.exact_squared_distances

    def counted(x: np.ndarray, y: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return formula(x, y, rows, columns)

    monkeypatch.setattr(module, "exact_squared_distances", counted)
    neighbour_radii(clouds(600, 64, 1), 5)
    assert sum(asked) < 3 * 600
