"""Kernel distance and precision/recall beside published programs on the same features.

Skipped if these are not installed, because they are no dependencies.
"""

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.metrics.kernel_distance import kernel_distance
from pipeline.metrics.precision_recall import precision_recall

SUBSETS = 200


def features(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((64, 64)) * (np.arange(1, 65) ** -0.5)[:, None]
    return np.maximum(0.3 * random.standard_normal((count, 64)) @ mixing + 0.3 + shift, 0).astype(np.float32)


def subset_means(library: Any, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    distance = library.kid_features_to_metric(
        torch.tensor(x), torch.tensor(y), kid_subsets=SUBSETS, kid_subset_size=200, rng_seed=0, verbose=False
    )
    return distance["kernel_inception_distance_mean"], distance["kernel_inception_distance_std"]


def test_kid_of_all_images_is_torch_fidelitys_where_its_subsets_are_the_set() -> None:
    library = pytest.importorskip("torch_fidelity.metric_kid", reason="needs torch-fidelity")
    x, y = features(200, 1), features(200, 2, shift=0.05)
    mean, _ = subset_means(library, x, y)  # each subset of 200 of 200 is the whole set, in another order
    assert kernel_distance(x, y).value == pytest.approx(mean, rel=1e-4)  # it computes in float32


def test_kid_of_all_images_is_the_mean_of_torch_fidelitys_subsets() -> None:
    library = pytest.importorskip("torch_fidelity.metric_kid", reason="needs torch-fidelity")
    x, y = features(1000, 1), features(1000, 2, shift=0.05)
    mean, deviation = subset_means(library, x, y)
    assert kernel_distance(x, y).value == pytest.approx(mean, abs=4 * deviation / SUBSETS**0.5)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # inside torchmetrics
def test_kid_of_all_images_is_torchmetrics_on_the_whole_set() -> None:
    kid = pytest.importorskip("torchmetrics.image.kid", reason="needs torchmetrics")
    x, y = features(200, 1), features(200, 2, shift=0.05)
    distance = kid.poly_mmd(torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64), 3, None, 1.0)
    assert kernel_distance(x, y).value == pytest.approx(float(distance), rel=1e-10)


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("counts", [(700, 700), (300, 650)])
def test_precision_recall_density_and_coverage_are_prdcs(
    counts: tuple[int, int], k: int, capsys: pytest.CaptureFixture[str]
) -> None:
    library = pytest.importorskip("prdc", reason="needs prdc")
    generated, real = features(counts[0], 1, shift=0.03), features(counts[1], 2)
    expected = library.compute_prdc(real, generated, k)
    scores = precision_recall(generated, real, k)
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(scores, name) == pytest.approx(float(expected[name]), rel=1e-12)
