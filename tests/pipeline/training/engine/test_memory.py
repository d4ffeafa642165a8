"""Memory of one member more on a CPU: the tensors it keeps, but no gradients or activations."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from pipeline import memory
from pipeline.memory import MEBIBYTE
from pipeline.networks import network_for
from pipeline.storage.paths import PROJECT
from pipeline.training.engine.member import Member
from pipeline.training.engine.stack import Stack
from pipeline.training.engine.training_images import TrainingImages
from tests.pipeline.training.engine.test_stack import CPU, DIGITS, settings

FEW, MANY = 8, 24
PIXELS = torch.zeros(1000, *DIGITS, dtype=torch.uint8)
PROGRAM = """
import sys, torch
from pipeline.memory import peak_memory_mib
from pipeline.training.engine.ensemble import Ensemble
from tests.pipeline.training.engine.test_memory import CPU, DIGITS, PIXELS, Member, TrainingImages
from tests.pipeline.training.engine.test_memory import network_for, settings

members = [Member(settings("adam"), index) for index in range(int(sys.argv[1]))]
ensemble = Ensemble(members, network_for("mlp", DIGITS), TrainingImages(PIXELS, CPU))
for step in range(20):
    ensemble.step(step, measure_gradients=step == 10)
print(peak_memory_mib())
"""


def peak_mib(members: int) -> float:
    command = [sys.executable, "-c", PROGRAM, str(members)]
    variables = {name: value for name, value in os.environ.items() if name not in memory.USER_VARIABLES}
    return float(subprocess.run(command, cwd=PROJECT, env=variables, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the kernel's own count of a process's peak")
@pytest.mark.skipif(memory._glibc() is None, reason="needs glibc: others keep holes, or none, as they see fit")
def test_one_more_member_takes_memory_for_its_state_and_none_for_gradients() -> None:
    stack = Stack([Member(settings("adam"), 0)], network_for("mlp", DIGITS), TrainingImages(PIXELS, CPU))
    weights = stack.networks.generator_weights.nbytes + stack.networks.discriminator_weights.nbytes
    kept = sum(value.nbytes for value in stack.state(slice(0, 1)).values())
    assert kept == pytest.approx(3 * weights, rel=1e-3)  # and Adam's two moments
    a_member = (peak_mib(MANY) - peak_mib(FEW)) / (MANY - FEW) * MEBIBYTE
    assert kept < a_member + 0.1 * weights  # else nothing was measured
    assert a_member < kept + 0.25 * weights


@pytest.mark.parametrize(
    ("network", "expected"), [("mlp", [True, True, False, True, False]), ("dcgan", [True, True, False, False, False])]
)
def test_large_blocks_are_mapped_in_the_first_steps_and_where_a_recorded_one_is_not_replayed(
    network: str, expected: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Convolutions are never replayed, so one of their steps that measures gradients is like any other."""
    stack = Stack([Member(settings("adam"), 0)], network_for(network, DIGITS), TrainingImages(PIXELS, CPU))
    mapped: list[bool] = []

    @contextmanager
    def noted() -> Iterator[None]:
        mapped[-1] = True
        yield

    monkeypatch.setattr("pipeline.training.engine.stack.large_blocks_mapped", noted)
    for step in range(5):
        mapped.append(False)
        stack.step(step, measure_gradients=step == 3)
    assert mapped == expected
