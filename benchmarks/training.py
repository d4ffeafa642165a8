"""Training speed: our stacked members beside a plain PyTorch loop, in one run on the same data.

    python benchmarks/training.py [--steps 150] [--rounds 5] [--json FILE]

The plain loop is what a tutorial writes: two `nn.Sequential`, `torch.optim.Adam`, a `DataLoader`. Each contender runs
`rounds` times, in turn; the figures are medians. Times are never asserted anywhere: these machines are noisy.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from pipeline.networks import architecture
from pipeline.pixels import to_network
from pipeline.reports.score import git_commit
from pipeline.settings import load_optimizers, load_recipes, resolve
from pipeline.storage.artefact import write_json
from pipeline.training.device import choose_device, device_name
from pipeline.training.engine import Ensemble, Member

IMAGES = 10_000
SWEEP = 8
WARM_UP_STEPS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    pixels = torch.randint(0, 256, (IMAGES, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    contenders: dict[str, Callable[[], float]] = {
        "eager": lambda: eager_steps_per_second(pixels, arguments.steps),
        "single": lambda: ensemble_steps_per_second(pixels, arguments.steps, 1),
        f"sweep{SWEEP}": lambda: ensemble_steps_per_second(pixels, arguments.steps, SWEEP),
    }
    rounds = [{name: run() for name, run in contenders.items()} for _ in range(arguments.rounds)]
    figures = summarise(rounds)
    for name, value in figures.items():
        print(f"{name:32} {value:.4g}" if isinstance(value, float) else f"{name:32} {value}")
    if arguments.json:
        write_json(arguments.json, figures)


def eager_steps_per_second(pixels: Tensor, steps: int) -> float:
    """The tutorial's loop: steps of one member a second."""
    device = choose_device()
    generator = nn.Sequential(nn.Linear(100, 128), nn.LeakyReLU(0.01), nn.Linear(128, 784), nn.Tanh()).to(device)
    discriminator = nn.Sequential(nn.Linear(784, 128), nn.LeakyReLU(0.01), nn.Linear(128, 1)).to(device)
    for_generator = torch.optim.Adam(generator.parameters(), 1e-4)
    for_discriminator = torch.optim.Adam(discriminator.parameters(), 1e-3)
    loss = nn.BCEWithLogitsLoss()
    loader = DataLoader(TensorDataset(to_network(pixels).flatten(1)), batch_size=64, shuffle=True, drop_last=True)
    ones, zeros = torch.ones(64, 1, device=device), torch.zeros(64, 1, device=device)
    started, step = 0.0, -WARM_UP_STEPS
    while True:
        for (real,) in loader:
            if step == 0:
                started = now(device)
            if step == steps:
                return steps / (now(device) - started)
            step += 1
            generated = generator(torch.randn(64, 100, device=device))
            for images, labels in ((real.to(device), 0.9 * ones), (generated.detach(), zeros)):
                for_discriminator.zero_grad()
                loss(discriminator(images), labels).backward()
                for_discriminator.step()
            for_generator.zero_grad()
            loss(discriminator(generated), ones).backward()
            for_generator.step()


def ensemble_steps_per_second(pixels: Tensor, steps: int, members: int) -> float:
    """Our engine: steps of the whole stack a second."""
    device = choose_device()
    settings = resolve(load_recipes()["mnist_mlp"], load_optimizers()["adam_ttur"], members=members)
    stack = Ensemble([Member(settings, index) for index in range(members)], architecture("mlp"), pixels, device)
    for step in range(WARM_UP_STEPS):
        stack.step(step)
    started = now(device)
    for step in range(WARM_UP_STEPS, WARM_UP_STEPS + steps):
        stack.step(step)
    return steps / (now(device) - started)


def now(device: torch.device) -> float:
    """Seconds on a clock, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def summarise(rounds: list[dict[str, float]]) -> dict[str, float | str]:
    """Medians over rounds: steps a second, and ratios taken round by round."""
    sweep = f"sweep{SWEEP}"

    def median(value: Callable[[dict[str, float]], float]) -> float:
        return statistics.median(value(each) for each in rounds)

    return {
        "device": device_name(choose_device()),
        "machine": f"{platform.machine()}, torch {torch.__version__}, Python {platform.python_version()}",
        "date": datetime.now(UTC).date().isoformat(),
        "commit": git_commit(),
        "eager_steps_per_s": median(lambda each: each["eager"]),
        "single_steps_per_s": median(lambda each: each["single"]),
        f"{sweep}_member_steps_per_s": median(lambda each: SWEEP * each[sweep]),
        "single_over_eager": median(lambda each: each["single"] / each["eager"]),
        f"{sweep}_over_eager": median(lambda each: SWEEP * each[sweep] / each["eager"]),
    }


if __name__ == "__main__":
    sys.exit(main())
