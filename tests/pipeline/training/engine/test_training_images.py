import pytest
import torch
from torch import Tensor

from pipeline.pixels import to_network
from pipeline.training.engine import training_images as images
from pipeline.training.engine.training_images import TrainingImages

CPU = torch.device("cpu")
INDICES = torch.tensor([[0, 5, 5], [39, 7, 0]])  # (M, B)


@pytest.fixture
def pixels() -> Tensor:
    return torch.randint(0, 256, (40, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def taken_by(images: TrainingImages, indices: Tensor) -> Tensor:
    return images.batch(images.stage(indices))


def test_images_on_a_cpu_are_taken_as_the_networks_see_them(pixels: Tensor) -> None:
    taken = taken_by(TrainingImages(pixels, CPU), INDICES)
    assert taken.dtype == torch.float32
    assert torch.equal(taken, to_network(pixels[INDICES]))


def test_images_too_many_to_be_kept_converted_are_taken_as_pixels(
    pixels: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "CONVERTED_BYTES", 4 * pixels.numel() - 1)
    taken = taken_by(TrainingImages(pixels, CPU), INDICES)
    assert taken.dtype == torch.uint8
    assert torch.equal(taken, pixels[INDICES])


def test_streamed_images_are_the_same_pixels(pixels: Tensor) -> None:
    taken = taken_by(TrainingImages(pixels, CPU, resident=False), INDICES)
    assert taken.dtype == torch.uint8
    assert torch.equal(taken, pixels[INDICES])


def test_a_streamed_batch_is_not_overwritten_by_those_after_it(pixels: Tensor) -> None:
    streamed = TrainingImages(pixels, CPU, resident=False)
    batches = [torch.tensor([[index, index + 1]]) for index in range(6)]
    taken = [taken_by(streamed, indices) for indices in batches]
    for indices, batch in zip(batches, taken, strict=True):
        assert torch.equal(batch, pixels[indices])


def test_streamed_batches_may_change_their_size(pixels: Tensor) -> None:
    streamed = TrainingImages(pixels, CPU, resident=False)
    for indices in (INDICES, INDICES[:1], INDICES):
        assert torch.equal(taken_by(streamed, indices), pixels[indices])


def test_images_on_a_cpu_are_resident(pixels: Tensor) -> None:
    streamed = TrainingImages(pixels, CPU)
    assert (streamed.resident, streamed.count, tuple(streamed.shape)) == (True, 40, (3, 4, 5))


@pytest.mark.gpu
def test_images_on_a_gpu_are_the_same_resident_and_streamed(pixels: Tensor) -> None:
    device = torch.device("cuda")
    resident, streamed = (TrainingImages(pixels, device, resident=is_resident) for is_resident in (True, False))
    batches = [torch.tensor([[index, index + 1]]) for index in range(6)]
    taken = [taken_by(streamed, indices) for indices in batches]
    for indices, batch in zip(batches, taken, strict=True):
        assert torch.equal(batch.cpu(), pixels[indices])
        assert torch.equal(taken_by(resident, indices.to(device)).cpu(), pixels[indices])
