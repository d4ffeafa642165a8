"""A recorded step is the step itself, bit by bit, in memory that is used again."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from pipeline.networks import network_for
from pipeline.settings import TrainingSettings
from pipeline.training.arenas import Arenas
from pipeline.training.engine import Ensemble, Member
from pipeline.training.images import TrainingImages
from pipeline.training.ranks import ALONE
from pipeline.training.recorded_step import RecordedStep
from pipeline.training.recorder import unrecorded
from pipeline.training.step import StepInputs, StepOutputs
from tests.pipeline.training.test_engine import CPU, DIGITS, OBJECTIVES, settings

STEPS = 5


@pytest.fixture(scope="module")
def images() -> TrainingImages:
    stream = torch.Generator().manual_seed(0)
    return TrainingImages(torch.randint(0, 256, (300, *DIGITS), dtype=torch.uint8, generator=stream), CPU)


def stack(images: TrainingImages, *of_members: TrainingSettings, recorded: bool = True) -> Ensemble:
    width = of_members[0].width
    network = network_for(of_members[0].network, DIGITS, width)
    ensemble = Ensemble([Member(each, index) for index, each in enumerate(of_members)], network, images)
    if not recorded:
        ensemble.replayed = None
    return ensemble


def expect_equal_bits(images: TrainingImages, *of_members: TrainingSettings) -> None:
    replayed, plain = (stack(images, *of_members, recorded=each) for each in (True, False))
    for step in range(STEPS):
        one, other = replayed.step(step), plain.step(step)
        assert torch.equal(one.logits, other.logits), f"step {step}"
        assert (one.penalty is None) == (other.penalty is None)
        assert one.penalty is None or other.penalty is None or torch.equal(one.penalty, other.penalty)
    assert isinstance(replayed.replayed, RecordedStep)
    assert replayed.replayed.calls
    every = slice(0, len(of_members))
    for name, value in plain.networks(every).items():
        assert torch.equal(replayed.networks(every)[name], value), name
    for name, value in plain.state(slice(0, 1)).items():
        assert torch.equal(replayed.state(slice(0, 1))[name], value), name


@pytest.mark.parametrize("network", ["mlp", "celeba_dense"])
@pytest.mark.parametrize("objective", [{}, *OBJECTIVES.values()], ids=["plain", *OBJECTIVES])
def test_a_recorded_step_is_the_step_itself(images: TrainingImages, network: str, objective: dict[str, Any]) -> None:
    keys = ("adam", "rmsprop_adam", "sgd")
    expect_equal_bits(images, *(settings(key, network=network, **objective) for key in keys))


def test_averages_and_half_precision_are_recorded_too(images: TrainingImages) -> None:
    expect_equal_bits(images, replace(settings("adam"), ema_decay=0.9))
    expect_equal_bits(images, replace(settings("adam"), precision="bfloat16"))


def test_a_recorded_step_goes_on_from_weights_that_are_loaded(images: TrainingImages) -> None:
    one, other = (stack(images, settings("adam")) for _ in range(2))
    for step in range(STEPS):
        one.step(step)
        other.step(step + 100)
    other.load(slice(0, 1), one.state(slice(0, 1)))
    assert torch.equal(one.step(STEPS).logits, other.step(STEPS).logits)
    assert torch.equal(one.generator_weights, other.generator_weights)


def test_steps_that_measure_gradients_do_not_disturb_the_recorded_ones(images: TrainingImages) -> None:
    measuring, plain = (stack(images, settings("adam")) for _ in range(2))
    for step in range(8):
        norms = measuring.step(step, measure_gradients=step % 3 == 2).gradient_norms
        assert (norms is not None) == (step % 3 == 2)
        plain.step(step)
    assert torch.equal(measuring.generator_weights, plain.generator_weights)


def test_convolutions_gain_nothing_and_are_not_recorded(images: TrainingImages) -> None:
    assert stack(images, settings("adam", network="dcgan")).replayed is None


def test_stacks_that_train_in_turn_share_their_memory(images: TrainingImages) -> None:
    arenas, network = Arenas(), network_for("mlp", DIGITS)
    stacks = [Ensemble([Member(settings("adam"), index)], network, images, ALONE, arenas) for index in range(3)]
    sizes = []
    for each in stacks:
        each.step(0)
        each.step(1)
        sizes.append(arenas.size_bytes)
    assert sizes[0] == sizes[1] == sizes[2] > 0


def inputs() -> StepInputs:
    return StepInputs((), (torch.ones(1, 4, 3),), None, None, torch.ones(1, 2, 1))


def test_memory_is_used_again_within_a_step() -> None:
    arenas = Arenas()

    def compute(given: StepInputs) -> StepOutputs:
        values = given.latents[0]
        for _ in range(20):
            values = values * 2.0
        return StepOutputs(values, None, None)

    step = RecordedStep(arenas)
    for _ in range(4):
        assert (step.run(compute, inputs()).logits == 2.0**20).all()
    assert len(arenas.blocks) <= 3


@pytest.mark.parametrize(
    ("compute", "sentence"),
    [
        (lambda given: torch.rand(3) + given.rates, "expected no random draws"),
        (lambda given: given.rates * given.rates.sum().item(), "asked for its value"),
    ],
)
def test_a_step_that_cannot_be_replayed_says_why(compute: Any, sentence: str) -> None:
    step = RecordedStep(Arenas())
    step.run(lambda given: StepOutputs(compute(given), None, None), inputs())
    with pytest.raises(RuntimeError, match=sentence):
        step.run(lambda given: StepOutputs(compute(given), None, None), inputs())


def test_a_call_that_reads_values_is_called_again_at_every_step() -> None:
    seen: list[float] = []

    def read(rates: torch.Tensor, into: list[torch.Tensor]) -> None:
        seen.append(rates.sum().item())
        into[0].add_(rates.sum().item())

    def compute(given: StepInputs) -> StepOutputs:
        zeros = given.latents[0] * 0.0
        unrecorded(read, given.rates, [zeros])
        return StepOutputs(zeros + 1.0, None, None)

    step = RecordedStep(Arenas())
    for number in range(5):
        given = replace(inputs(), rates=torch.full((1, 2, 1), float(number)))
        assert (step.run(compute, given).logits == 2.0 * number + 1.0).all()
    assert seen == [0.0, 2.0, 4.0, 6.0, 8.0]
