"""The Inception extractor beside torch-fidelity's, with the same random weights: resize, features and logits.

Skipped if torch-fidelity is not installed, because it is no dependency.
"""

from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.metrics.extractors.inception import extract, load_inception
from pipeline.metrics.extractors.inception_network import Inception, resize_as_tensorflow_1
from pipeline.metrics.extractors.inception_weights import InceptionWeights
from tests.pipeline.metrics.extractors.test_inception import pictures, random_state

extractors = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3", reason="needs torch-fidelity")
resizes = pytest.importorskip("torch_fidelity.interpolate_compat_tensorflow", reason="needs torch-fidelity")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Inception, Any]:
    """Return our network and torch-fidelity's with equal weights, each read from its own kind of file."""
    folder, state = tmp_path_factory.mktemp("inception"), random_state()
    save_file(state, folder / "weights.safetensors")
    torch.save(state, folder / "weights.pth")
    ours = load_inception(InceptionWeights(folder / "weights.safetensors", "0" * 64, official=False))
    theirs = extractors.FeatureExtractorInceptionV3(
        "ours", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(folder / "weights.pth")
    )
    return ours, theirs


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (3, 299, 299), (3, 400, 317), (1, 1, 1)])
def test_torch_fidelity_resizes_to_the_same_pixels(shape: tuple[int, int, int]) -> None:
    images = torch.from_numpy(np.random.default_rng(2).integers(0, 256, (2, *shape)).astype(np.float32))
    theirs = resizes.interpolate_bilinear_2d_like_tensorflow1x(images, size=(299, 299), align_corners=False)
    torch.testing.assert_close(resize_as_tensorflow_1(images, 299), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 64), (3, 299)])
def test_torch_fidelity_sees_the_same_features_and_logits(
    both: tuple[Inception, Any], channels: int, size: int
) -> None:
    images = pictures(channels, size)
    ours, (features, logits) = extract(both[0], images), both[1](torch.from_numpy(images).expand(-1, 3, -1, -1))
    expect_same(ours.features, features.numpy())
    assert ours.logits is not None
    expect_same(ours.logits, logits.numpy())


def expect_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Expect a difference below 1e-5 of the values and below 1e-4 of their spread over images."""
    assert np.linalg.norm(ours - theirs) < 1e-5 * np.linalg.norm(theirs)
    assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs - theirs.mean(axis=0))
