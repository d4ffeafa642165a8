"""Facts that only a GPU can show: run `pytest -m gpu` on a machine that has one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from pipeline.device import tf32_products
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.training.engine.member import Member
from pipeline.training.engine.stack import Stack
from pipeline.training.engine.training_images import TrainingImages
from pipeline.training.replay.cuda_graph import STEPS_BEFORE_CAPTURE, GraphedStep
from pipeline.training.train import train
from tests.pipeline.training.conftest import settings as of_recipe
from tests.pipeline.training.engine.test_stack import OBJECTIVES, relative_difference, settings, stack_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def images(*, resident: bool | None = None) -> TrainingImages:
    pixels = torch.randint(0, 256, (300, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return TrainingImages(pixels, torch.device("cuda"), resident=resident)


def stack(*keys: str, **changes: object) -> list[Member]:
    return [Member(settings(key, **changes), index) for key in keys for index in range(2)]  # type: ignore[arg-type]


def trained(one: Stack, steps: int, *, graphed: bool = True) -> Stack:
    if not graphed:
        one.replayed = None
    for step in range(steps):
        one.step(step)
    return one


@pytest.mark.parametrize("network", ["mlp", "dcgan"])
@pytest.mark.parametrize("objective", [{}, *OBJECTIVES.values()])
def test_replayed_steps_equal_steps_run_one_by_one(network: str, objective: dict[str, object]) -> None:
    members = stack("adam", "rmsprop_adam", "sgd", network=network, **objective)
    steps = STEPS_BEFORE_CAPTURE + 5
    graphed, eager = (trained(stack_of(members, images()), steps, graphed=is_graphed) for is_graphed in (True, False))
    assert isinstance(graphed.replayed, GraphedStep) and graphed.replayed.graph is not None
    assert relative_difference(graphed.networks.generator_weights, eager.networks.generator_weights) < 1e-5


def test_members_equal_their_solo_runs() -> None:
    members = stack("adam", "rmsprop", "sgd")
    together = trained(stack_of(members, images()), 200)
    for member in (0, 3, 5):
        alone = trained(stack_of([members[member]], images()), 200)
        assert (
            relative_difference(together.networks.generator_weights[member], alone.networks.generator_weights[0]) < 1e-3
        )


def test_streamed_images_train_the_same_weights_as_resident_ones() -> None:
    members = stack("adam")
    one, other = (trained(stack_of(members, images(resident=is_resident)), 20) for is_resident in (True, False))
    assert torch.equal(one.networks.generator_weights, other.networks.generator_weights)


def test_bfloat16_and_tf32_stay_near_float32() -> None:
    full = trained(stack_of(stack("adam"), images()), 10)
    half = [Member(replace(member.settings, precision="bfloat16"), member.index) for member in stack("adam")]
    rounded = trained(stack_of(half, images()), 10)
    assert relative_difference(rounded.networks.generator_weights, full.networks.generator_weights) < 0.05
    with tf32_products(torch.device("cuda")):
        tf32 = trained(stack_of(stack("adam"), images()), 10)
    assert relative_difference(tf32.networks.generator_weights, full.networks.generator_weights) < 0.05


def test_a_longer_budget_ends_where_one_run_of_that_length_ends(tensors: Artefact, paths: Paths) -> None:
    train([of_recipe("adam", steps=10)], tensors, paths)
    resumed = load_file(train([of_recipe("adam", steps=20)], tensors, paths)["adam"].path("generator.safetensors"))
    again = train([of_recipe("adam", steps=20)], tensors, paths, force=True)["adam"]
    for name, value in load_file(again.path("generator.safetensors")).items():
        np.testing.assert_allclose(resumed[name], value, rtol=1e-4, atol=1e-6)


def test_the_device_and_its_memory_are_in_the_details(tensors: Artefact, paths: Paths) -> None:
    details = train([of_recipe("adam")], tensors, paths)["adam"].details
    assert details["device"] == torch.cuda.get_device_name()
    assert details["system"]["gpu_memory_mib"] > 0
