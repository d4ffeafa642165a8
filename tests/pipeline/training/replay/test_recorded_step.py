"""A recorded step is the step itself, bit by bit, in memory that is used again."""

import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest
import torch

from pipeline.networks import network_for
from pipeline.settings import TrainingSettings
from pipeline.storage.paths import PROJECT
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.engine.member import Member
from pipeline.training.engine.stack import Stack
from pipeline.training.engine.training_images import TrainingImages
from pipeline.training.replay.memory_plan import MemoryPlan
from pipeline.training.replay.recorded_step import RecordedStep, _run_and_copy
from pipeline.training.replay.recorder import run_eagerly
from pipeline.training.replay.step import StepInputs, StepOutputs
from tests.pipeline.training.engine.test_stack import CPU, DIGITS, OBJECTIVES, settings

STEPS = 5


@pytest.fixture(scope="module")
def images() -> TrainingImages:
    stream = torch.Generator().manual_seed(0)
    return TrainingImages(torch.randint(0, 256, (300, *DIGITS), dtype=torch.uint8, generator=stream), CPU)


def stack(images: TrainingImages, *of_members: TrainingSettings, recorded: bool = True) -> Stack:
    width = of_members[0].width
    network = network_for(of_members[0].network, DIGITS, width)
    stacked = Stack([Member(settings, index) for index, settings in enumerate(of_members)], network, images)
    if not recorded:
        stacked.replayed = None
    return stacked


def expect_equal_bits(images: TrainingImages, *of_members: TrainingSettings) -> None:
    replayed, plain = (stack(images, *of_members, recorded=is_recorded) for is_recorded in (True, False))
    for step in range(STEPS):
        one, other = replayed.step(step), plain.step(step)
        assert torch.equal(one.logits, other.logits), f"step {step}"
        assert (one.penalty is None) == (other.penalty is None)
        assert one.penalty is None or other.penalty is None or torch.equal(one.penalty, other.penalty)
    assert isinstance(replayed.replayed, RecordedStep)
    assert replayed.replayed.calls
    every = slice(0, len(of_members))
    for name, value in plain.networks.state(every).items():
        assert torch.equal(replayed.networks.state(every)[name], value), name
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


def test_a_recorded_step_continues_from_loaded_weights(images: TrainingImages) -> None:
    one, other = (stack(images, settings("adam")) for _ in range(2))
    for step in range(STEPS):
        one.step(step)
        other.step(step + 100)
    other.load(slice(0, 1), one.state(slice(0, 1)))
    assert torch.equal(one.step(STEPS).logits, other.step(STEPS).logits)
    assert torch.equal(one.networks.generator_weights, other.networks.generator_weights)


def test_steps_that_measure_gradients_do_not_disturb_the_recorded_ones(images: TrainingImages) -> None:
    measuring, plain = (stack(images, settings("adam")) for _ in range(2))
    for step in range(8):
        norms = measuring.step(step, measure_gradients=step % 3 == 2).gradient_norms
        assert (norms is not None) == (step % 3 == 2)
        plain.step(step)
    assert torch.equal(measuring.networks.generator_weights, plain.networks.generator_weights)


def test_convolutions_gain_nothing_and_are_not_recorded(images: TrainingImages) -> None:
    assert stack(images, settings("adam", network="dcgan")).replayed is None


def test_stacks_that_train_in_turn_share_their_memory(images: TrainingImages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.training.engine.ensemble.DENSE_STACK", 1)
    members = [Member(settings("adam"), index) for index in range(4)]
    alone, in_turn = (Ensemble(members[:count], network_for("mlp", DIGITS), images) for count in (1, 4))
    sizes: list[list[int]] = []
    for ensemble in (alone, in_turn, in_turn.without([1])):
        for step in range(2):
            ensemble.step(step)
        (plan,) = {id(stack.memory_plan): stack.memory_plan for stack in ensemble.stacks}.values()
        sizes.append(sorted(len(block) for block in plan.blocks))
    assert [len(ensemble.stacks) for ensemble in (alone, in_turn)] == [1, 4]
    assert sizes[0] == sizes[1] == sizes[2] != []


def test_operations_of_a_dense_network_write_where_they_are_planned_to(images: TrainingImages) -> None:
    stacked = stack(images, settings("adam"))
    for step in range(2):
        stacked.step(step)
    assert isinstance(stacked.replayed, RecordedStep)
    functions = [function for function, _, _ in stacked.replayed.calls]
    assert len(functions) > 40
    assert not any(function is _run_and_copy for function in functions)


def test_recording_does_not_import_pytorchs_compiler() -> None:
    program = (
        "import sys, torch; from pipeline.training.replay.recorded_step import RecordedStep; "
        "from pipeline.training.replay.memory_plan import MemoryPlan; "
        "from pipeline.training.replay.step import StepInputs, StepOutputs; "
        "given = StepInputs((), (torch.ones(2),), None, None, torch.ones(1)); step = RecordedStep(MemoryPlan()); "
        "compute = lambda given: StepOutputs(given.latents[0] * 2, None, None); "
        "[step.run(compute, given) for _ in range(3)]; sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=False).returncode == 0


def inputs() -> StepInputs:
    return StepInputs((), (torch.ones(1, 4, 3),), None, None, torch.ones(1, 2, 1))


def test_a_step_is_computed_twice_and_then_replayed_in_memory_that_is_used_again() -> None:
    plan, computed = MemoryPlan(), 0

    def compute(given: StepInputs) -> StepOutputs:
        nonlocal computed
        computed += 1
        values = given.latents[0]
        for _ in range(20):
            values = values * 2.0
        return StepOutputs(values, values[:, 0, 0], None)

    step = RecordedStep(plan)
    for number in range(5):
        outputs = step.run(compute, replace(inputs(), latents=(torch.full((1, 4, 3), float(number)),)))
        assert outputs.penalty is not None
        assert (outputs.logits == number * 2.0**20).all()
        assert outputs.penalty.tolist() == [number * 2.0**20]
    assert computed == 2
    assert len(plan.blocks) <= 3


KEPT: list[torch.Tensor] = []


def keep(given: StepInputs) -> torch.Tensor:
    KEPT.append(given.rates + 1.0)
    return KEPT[-1] * 2.0


@pytest.mark.parametrize(
    ("compute", "sentence"),
    [
        (lambda given: torch.rand(3) + given.rates, "expected no random numbers"),
        (lambda given: given.rates * given.rates.sum().item(), "expected none that reads values"),
        (lambda given: given.rates.nonzero().float(), "expected none that reads values"),
        (lambda given: given.rates[given.rates > 0], "expected none that reads values"),
        (keep, r"found tensors of a step kept beyond it, made by aten.add.Tensor"),
    ],
)
def test_a_step_that_cannot_be_replayed_names_the_reason_and_leaves_nothing_behind(compute: Any, sentence: str) -> None:
    step = RecordedStep(MemoryPlan())
    step.run(lambda given: StepOutputs(compute(given), None, None), inputs())
    with pytest.raises(RuntimeError, match=sentence):
        step.run(lambda given: StepOutputs(compute(given), None, None), inputs())
    seen: list[torch.Tensor] = []
    run_eagerly(seen.append, torch.ones(1))
    assert len(seen) == 1
    for _ in range(3):
        assert (step.run(lambda given: StepOutputs(given.rates * 3.0, None, None), inputs()).logits == 3.0).all()


def test_operations_of_another_thread_are_not_recorded() -> None:
    elsewhere: list[float] = []

    def aside() -> None:
        run_eagerly(lambda tensor: elsewhere.append(tensor.sum().item()), torch.ones(3) * 2.0)

    def compute(given: StepInputs) -> StepOutputs:
        thread = threading.Thread(target=aside)
        thread.start()
        thread.join()
        return StepOutputs(given.rates * 2.0, None, None)

    step = RecordedStep(MemoryPlan())
    for _ in range(4):
        assert (step.run(compute, inputs()).logits == 2.0).all()
    assert elsewhere == [6.0, 6.0]
    assert len(step.calls) == 1


def test_a_call_that_reads_values_is_called_again_at_every_step() -> None:
    seen: list[float] = []

    def read(rates: torch.Tensor, into: list[torch.Tensor]) -> None:
        seen.append(rates.sum().item())
        into[0].add_(rates.sum().item())

    def compute(given: StepInputs) -> StepOutputs:
        zeros = given.latents[0] * 0.0
        run_eagerly(read, given.rates, [zeros])
        return StepOutputs(zeros + 1.0, None, None)

    step = RecordedStep(MemoryPlan())
    for number in range(5):
        given = replace(inputs(), rates=torch.full((1, 2, 1), float(number)))
        assert (step.run(compute, given).logits == 2.0 * number + 1.0).all()
    assert seen == [0.0, 2.0, 4.0, 6.0, 8.0]
