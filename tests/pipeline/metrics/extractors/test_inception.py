"""The Inception extractor with random weights: its results, and images that it refuses. No published weights needed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from pipeline.metrics.extractors import inception as inception_module
from pipeline.metrics.extractors.inception import extract, load_inception
from pipeline.metrics.extractors.inception_network import BlockA, Inception, LastBlockE, resize_as_tensorflow_1
from pipeline.metrics.extractors.inception_weights import PUBLISHED, InceptionWeights, require_inception_weights
from pipeline.metrics.features import NotFiniteError
from pipeline.storage.paths import Paths


def random_state(seed: int = 0) -> dict[str, Tensor]:
    """Every tensor of the published file at random, scaled so that activations neither vanish nor explode."""
    random = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in Inception().state_dict().items()}
    return {name: _random_tensor(name, shape, random) for name, shape in shapes.items()}


def _random_tensor(name: str, shape: torch.Size, random: torch.Generator) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if len(shape) > 1:
        deviation: float = (2 / shape[1:].numel()) ** 0.5
        return torch.randn(shape, generator=random) * deviation
    if name.endswith(("bn.weight", "running_var")):
        return 0.8 + 0.4 * torch.rand(shape, generator=random)
    return 0.1 * torch.randn(shape, generator=random)


def pictures(channels: int, size: int) -> np.ndarray:
    """Three images that differ in everything: noise, a ramp, and a dark one with a bright square."""
    images = np.zeros((3, channels, size, size), np.uint8)
    images[0] = np.random.default_rng(1).integers(0, 256, images.shape[1:])
    images[1] = np.linspace(0, 255, size).astype(np.uint8)
    images[2, :, size // 4 : size // 2, size // 3 :] = 240
    return images


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_state()


@pytest.fixture(scope="module")
def network(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Inception:
    return load_inception(saved(tmp_path_factory.mktemp("inception"), state))


def saved(folder: Path, state: dict[str, Tensor]) -> InceptionWeights:
    save_file(state, folder / "weights.safetensors")
    return InceptionWeights(folder / "weights.safetensors", "0" * 64, official=False)


def test_the_network_has_the_tensors_of_the_published_file(state: dict[str, Tensor]) -> None:
    assert len(state) == 566
    size_bytes = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    assert 0 < PUBLISHED.size_bytes - size_bytes < 100_000  # the rest is names and the file's own structure


def test_output_pixel_i_of_the_resize_lies_at_i_times_in_over_out() -> None:
    row = torch.tensor([0.0, 10.0, 40.0, 100.0]).view(1, 1, 1, 4)
    assert resize_as_tensorflow_1(row, 8)[0, 0, 0].tolist() == [0, 5, 10, 25, 40, 70, 100, 100]  # larger: no half pixel
    assert resize_as_tensorflow_1(row, 2)[0, 0, 1].tolist() == [0, 40]  # smaller: nothing is smoothed
    column = resize_as_tensorflow_1(row.mT, 8)[0, 0, :, 3]
    assert column.tolist() == [0, 5, 10, 25, 40, 70, 100, 100]


def test_averages_leave_padding_out_and_the_last_block_takes_the_maximum() -> None:
    ones, pooled = torch.ones(1, 192, 5, 5), []
    block = BlockA(192, pool_features=32).eval()
    block.branch_pool.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    block(ones)
    last = LastBlockE(2048).eval()
    last.branch_pool.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    last(-torch.eye(8).expand(1, 2048, 8, 8))
    assert torch.allclose(pooled[0], ones)
    assert torch.equal(pooled[1], torch.zeros(1, 2048, 8, 8))


def test_features_and_logits_have_their_shapes_and_logits_leave_the_bias_out(
    network: Inception, state: dict[str, Tensor]
) -> None:
    seen = extract(network, pictures(3, 32)[:1])
    assert seen.features.shape == (1, 2048) and seen.features.dtype == np.float32
    assert seen.features.min() >= 0
    expected = seen.features @ state["fc.weight"].numpy().T
    assert seen.logits is not None and seen.logits.dtype == np.float32
    np.testing.assert_allclose(seen.logits, expected, atol=1e-5 * np.abs(expected).max())


def test_features_do_not_depend_on_the_batch(network: Inception, monkeypatch: pytest.MonkeyPatch) -> None:
    together = extract(network, pictures(3, 48)).features
    monkeypatch.setattr(inception_module, "CPU_BATCH", 2)
    monkeypatch.setattr(inception_module, "GPU_BATCH", 2)
    np.testing.assert_allclose(extract(network, pictures(3, 48)).features, together, atol=1e-5 * together.max())


def test_a_grey_image_is_seen_as_three_equal_channels(network: Inception) -> None:
    grey = pictures(1, 28)[:1]
    as_grey, as_colour = extract(network, grey), extract(network, grey.repeat(3, axis=1))
    np.testing.assert_allclose(as_grey.features, as_colour.features, atol=1e-5 * as_colour.features.max())


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 4, 8, 8), np.uint8),
        np.zeros((2, 2, 8, 8), np.uint8),
        np.zeros((2, 3, 8, 8), np.float32),
        np.zeros((3, 8, 8), np.uint8),
        np.zeros((0, 3, 8, 8), np.uint8),
    ],
)
def test_other_images_are_refused_in_one_sentence(network: Inception, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"found images of shape \(.*expected \(N, C, H, W\) uint8"):
        extract(network, images)


def test_loading_and_extracting_leave_random_numbers_and_the_gpus_settings_alone(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    def settings() -> tuple[object, ...]:
        return torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic, torch.backends.cudnn.enabled

    before = settings()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    extract(load_inception(saved(tmp_path, state)), pictures(1, 8)[:1])
    assert torch.equal(torch.rand(1), expected)
    assert settings() == before


def test_weights_without_counters_of_training_batches_are_as_good(state: dict[str, Tensor], tmp_path: Path) -> None:
    needed = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    assert load_inception(saved(tmp_path, needed)).Mixed_5b.branch1x1.bn.num_batches_tracked == 0


def test_weights_of_another_network_are_refused_in_one_sentence(state: dict[str, Tensor], tmp_path: Path) -> None:
    imagenet = {**state, "fc.weight": torch.zeros(1000, 2048)}
    with pytest.raises(ValueError, match=r"found fc.weight of shape \(1000, 2048\), expected of shape \(1008, 2048\);"):
        load_inception(saved(tmp_path, imagenet))
    without = {name: tensor for name, tensor in state.items() if name != "fc.weight"}
    with pytest.raises(ValueError, match=r"found fc.weight absent, expected of shape"):
        load_inception(saved(tmp_path, without))
    others = {"output.weight": torch.zeros(3), "output.bias": torch.zeros(3)}
    with pytest.raises(
        ValueError, match=r"weights\.safetensors: not the weights .* and 473 more such differences; set"
    ):
        load_inception(saved(tmp_path, others))


def test_a_file_that_is_not_safetensors_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"weights\.safetensors: not a readable safetensors file"):
        load_inception(InceptionWeights(tmp_path / "weights.safetensors", "0" * 64, official=False))


def test_weights_with_a_hole_give_no_features(state: dict[str, Tensor], tmp_path: Path) -> None:
    damaged = {**state, "fc.weight": torch.full((1008, 2048), torch.nan)}
    with pytest.raises(NotFiniteError, match="logits: 1 of 1 images"):
        extract(load_inception(saved(tmp_path, damaged)), pictures(1, 8)[:1])


@pytest.mark.network
def test_the_published_weights_load_and_see_images(paths: Paths) -> None:
    weights = require_inception_weights(paths)
    assert weights.official and weights.sha256 == PUBLISHED.sha256
    seen = extract(load_inception(weights), pictures(3, 64))
    assert seen.features.std(axis=0).max() > 0.1
