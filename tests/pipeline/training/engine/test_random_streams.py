import pytest
import torch

from pipeline.networks import network_for
from pipeline.training.engine.random_streams import (
    LATENT_BLOCK_STEPS,
    LatentStream,
    MemberAddress,
    Purpose,
    ShuffleStream,
)

CPU = torch.device("cpu")
DIGITS = (1, 28, 28)
MLP = network_for("mlp", DIGITS)


def test_a_stream_is_found_again_by_its_address() -> None:
    one, again = (MemberAddress(3, 1).stream(Purpose.LATENTS, 5) for _ in range(2))
    assert torch.equal(torch.rand(9, generator=one), torch.rand(9, generator=again))


def test_every_part_of_an_address_counts() -> None:
    addresses = [
        MemberAddress(3, 1).stream(Purpose.LATENTS, 5),
        MemberAddress(4, 1).stream(Purpose.LATENTS, 5),
        MemberAddress(3, 2).stream(Purpose.LATENTS, 5),
        MemberAddress(3, 1).stream(Purpose.SHUFFLE, 5),
        MemberAddress(3, 1).stream(Purpose.LATENTS, 6),
    ]
    assert len({torch.rand(1, generator=stream).item() for stream in addresses}) == 5


def test_latents_of_a_step_do_not_depend_on_the_steps_before_or_the_members_beside() -> None:
    members = [MemberAddress(0, 0), MemberAddress(0, 1)]
    together = LatentStream(members, MLP, 4, CPU)
    walked = [together.at(step).clone() for step in range(LATENT_BLOCK_STEPS + 3)]
    jumped = LatentStream(members[1:], MLP, 4, CPU).at(LATENT_BLOCK_STEPS + 2)
    assert walked[0].shape == (2, 4, 100)
    assert torch.equal(walked[LATENT_BLOCK_STEPS + 2][1], jumped[0])
    assert len({float(step[0, 0, 0]) for step in walked}) == len(walked)


def test_latents_drawn_step_by_step_are_those_of_a_block_drawn_at_once() -> None:
    """A GPU generates whole blocks. The bits agree for multiples of 16 numbers per step, PyTorch's unit."""
    by_step, at_once = (LatentStream([MemberAddress(0, 0)], MLP, 4, CPU) for _ in range(2))
    at_once.steps_at_once = LATENT_BLOCK_STEPS
    for step in (0, 1, 5, 2, LATENT_BLOCK_STEPS + 3, LATENT_BLOCK_STEPS + 3, LATENT_BLOCK_STEPS - 1):
        assert torch.equal(by_step.at(step), at_once.at(step))


def test_latents_and_orders_that_were_given_stay_as_they_are() -> None:
    members = [MemberAddress(0, 0)]
    latents, shuffle = LatentStream(members, MLP, 4, CPU), ShuffleStream(members, 50, 8, CPU)
    for stream, ends in ((latents.at, LATENT_BLOCK_STEPS), (shuffle.at, 50 // 8)):
        given = stream(0)
        kept = given.clone()
        for step in (1, ends, 2 * ends):
            stream(step)
        assert torch.equal(given, kept)


def test_an_epoch_shows_every_image_once_and_the_next_in_another_order() -> None:
    shuffle = ShuffleStream([MemberAddress(0, 0)], image_count=50, batch_size=8, device=CPU)
    epochs = [torch.cat([shuffle.at(epoch * 6 + step)[0] for step in range(6)]) for epoch in range(3)]
    for epoch in epochs:
        assert len(epoch.unique()) == 48  # 6 whole batches; 2 images are left over
    assert not torch.equal(epochs[0], epochs[1])
    assert len(torch.cat(epochs).unique()) == 50  # those left over differ from epoch to epoch


def test_members_see_orders_of_their_own() -> None:
    shuffle = ShuffleStream([MemberAddress(0, 0), MemberAddress(0, 1)], image_count=64, batch_size=64, device=CPU)
    indices = shuffle.at(0)
    assert not torch.equal(indices[0], indices[1])


def test_fewer_images_than_a_batch_is_an_error() -> None:
    with pytest.raises(ValueError, match="found 5 training images, expected at least one batch of 8"):
        ShuffleStream([MemberAddress(0, 0)], image_count=5, batch_size=8, device=CPU)
