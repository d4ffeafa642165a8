"""A recorded step is the step itself, bit by bit, in memory that is used again."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.networks import network_for
from pipeline.settings import TrainingSettings
from pipeline.training.engine import Ensemble, Member
from pipeline.training.images import TrainingImages
from pipeline.training.recorded_step import Arenas, RecordedStep, unrecorded
from pipeline.training.step import StepInputs, StepOutputs
from tests.pipeline.training.test_engine import CPU, DIGITS, OBJECTIVES, bultens, settings

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
