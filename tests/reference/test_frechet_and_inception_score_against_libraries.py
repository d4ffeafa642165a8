"""Fréchet distance and Inception Score beside the public implementations, and beside 40 digits of arithmetic."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.metrics.frechet_distance import frechet_distance, frechet_distance_of_moments
from pipeline.metrics.inception_score import inception_score, log_probabilities, split_inception_score
from pipeline.metrics.moments import fit_moments

Pair = tuple[np.ndarray, np.ndarray]
DIGITS = 40


def rectified(rows: int, dimensions: int, seed: int) -> np.ndarray:
    stream = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).standard_normal((dimensions, dimensions)) / np.sqrt(dimensions)
    features: np.ndarray = np.maximum(stream.standard_normal((rows, dimensions)) @ mixing * (1 + 0.1 * seed) + 0.1, 0)
    return features


def easy() -> Pair:
    return rectified(2000, 64, 1), rectified(1500, 64, 2)


def pytorch_fid(first: np.ndarray, second: np.ndarray) -> float:
    module = pytest.importorskip("pytorch_fid.fid_score")
    one, other = fit_moments(first), fit_moments(second)
    return float(module.calculate_frechet_distance(one.mean, one.covariance, other.mean, other.covariance))


def clean_fid(first: np.ndarray, second: np.ndarray) -> float:
    module = pytest.importorskip("cleanfid.fid")
    one, other = fit_moments(first), fit_moments(second)
    return float(module.frechet_distance(one.mean, one.covariance, other.mean, other.covariance))


def torch_fidelity(first: np.ndarray, second: np.ndarray) -> float:
    module, torch = pytest.importorskip("torch_fidelity.metric_fid"), pytest.importorskip("torch")
    statistics = [module.fid_features_to_statistics(torch.from_numpy(features)) for features in (first, second)]
    return float(module.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"])


def torchmetrics(first: np.ndarray, second: np.ndarray) -> float:
    module, torch = pytest.importorskip("torchmetrics.image.fid"), pytest.importorskip("torch")
    one, other = fit_moments(first), fit_moments(second)
    parts = [torch.from_numpy(array) for array in (one.mean, one.covariance, other.mean, other.covariance)]
    return float(module._compute_fid(*parts))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", [pytorch_fid, clean_fid, torch_fidelity, torchmetrics])
def test_the_frechet_distance_is_the_libraries(library: Callable[[np.ndarray, np.ndarray], float]) -> None:
    first, second = easy()
    assert frechet_distance(first, second).value == pytest.approx(library(first, second), rel=1e-7)
    assert frechet_distance_of_moments(fit_moments(first), fit_moments(second)).value == pytest.approx(
        library(first, second), rel=1e-7
    )


def of_40_digits(first: np.ndarray, second: np.ndarray) -> float:
    """Evaluate the definition with 40 digits: eigenvalues of the small matrix X Yᵀ Y Xᵀ of centred rows."""
    mp = pytest.importorskip("mpmath").mp
    with mp.workdps(DIGITS):
        means, rows = zip(*(_centred(mp, features) for features in (first, second)), strict=True)
        product = rows[0] * rows[1].T if len(first) <= first.shape[1] else _triangle(mp, rows[0]) * rows[1].T
        eigenvalues = mp.eigsy(product * product.T, eigvals_only=True)
        traces = sum(value**2 for matrix in rows for value in matrix)
        squared = sum((one - other) ** 2 for one, other in zip(*means, strict=True))
        return float(squared + traces - 2 * sum(mp.sqrt(max(value, 0)) for value in eigenvalues))


def _centred(mp: Any, features: np.ndarray) -> tuple[list[Any], Any]:
    """Return the mean as numbers of mpmath, and the centred rows over √(N - 1) as its matrix."""
    exact = [[mp.mpf(float(value)) for value in row] for row in features]
    mean = [sum(column) / len(exact) for column in zip(*exact, strict=True)]
    centred = [[value - centre for value, centre in zip(row, mean, strict=True)] for row in exact]
    return mean, mp.matrix(centred) / mp.sqrt(len(exact) - 1)


def _triangle(mp: Any, rows: Any) -> Any:
    """Return the symmetric square root of the covariance, from its eigenvalues."""
    values, vectors = mp.eigsy(rows.T * rows)
    return mp.diag([mp.sqrt(max(value, 0)) for value in values]) * vectors.T


def cases() -> dict[str, Pair]:
    stream = np.random.default_rng(3)
    collapsed = stream.standard_normal((60, 2)) @ stream.standard_normal((2, 10))
    first, second = rectified(80, 10, 1), rectified(60, 10, 2)
    return {
        "well-conditioned": (first, second),
        "singular": (stream.standard_normal((8, 16)), stream.standard_normal((9, 16)) + 0.3),
        "collapsed": (collapsed, first),
        "collapsed to a point": (np.full((30, 10), 0.3), first),
        "offset": ((first + 1000).astype(np.float32), (second + 1000).astype(np.float32)),
        "repeated images": (np.repeat(first[:6], 10, axis=0), second),
    }


@pytest.mark.parametrize("case", list(cases()))
def test_the_frechet_distance_has_12_right_digits(case: str) -> None:
    first, second = cases()[case]
    assert frechet_distance(first, second).value == pytest.approx(of_40_digits(first, second), rel=1e-12)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("classes", [10, 1008])
def test_the_inception_score_is_torch_fidelitys(classes: int) -> None:
    module, torch = pytest.importorskip("torch_fidelity.metric_isc"), pytest.importorskip("torch")
    logits = 3 * np.random.default_rng(0).standard_normal((1003, classes))
    ours = log_probabilities(logits)
    score = module.isc_features_to_metric(torch.from_numpy(logits), splits=1, shuffle=False, rng_seed=0)
    assert inception_score(ours) == pytest.approx(score["inception_score_mean"], rel=1e-12)
    order = np.random.default_rng(0).permutation(1003)  # ours: the shuffles differ, so theirs is given shuffled rows
    split = module.isc_features_to_metric(torch.from_numpy(logits[order]), splits=10, shuffle=False, rng_seed=0)
    expected = split["inception_score_mean"], split["inception_score_std"]
    assert split_inception_score(ours) == pytest.approx(expected, rel=1e-12)
