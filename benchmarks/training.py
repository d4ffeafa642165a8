"""Training speed: our stacked members beside a plain PyTorch loop and, if installed, Keras, in one run.

    python -m benchmarks.training [--network mlp|dcgan] [--steps 200] [--rounds 5] [--json FILE]

The plain loop is that of a tutorial: two `nn.Sequential`, `torch.optim.Adam`, a `DataLoader`, no compilation. The
Keras loop is the notebook's: `train_on_batch` on two compiled models. All train the same networks with batch 64 and
Adam on the same 10,000 random images. A round gives each contender its steps in short turns, so that a busy machine
slows all alike; ratios compare times of one round, figures are medians over rounds. `gemm_floor_steps_per_s` is the
rate that the matrix products of one dense member's step alone would allow, each timed separately. Peak memory is that
of one new process per contender on the CPU, of PyTorch's allocator on a GPU. Needs torch, numpy, scipy, pyarrow and
safetensors only. Times are never asserted anywhere: these machines are noisy.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from pipeline.device import choose_device, device_name, tf32_products
from pipeline.memory import MEBIBYTE, peak_memory_mib
from pipeline.networks import network_for
from pipeline.pixels import to_network
from pipeline.reports.commit import git_commit
from pipeline.settings import load_optimizers, load_recipes, resolve
from pipeline.storage.artefact import write_json
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.engine.member import Member
from pipeline.training.engine.training_images import TrainingImages
from pipeline.training.records.history import IntervalMeans

DIGITS = (1, 28, 28)

IMAGES = 10_000
BATCH = 64
SWEEPS = (8, 24)
WARM_UP_STEPS = 10
TURN_STEPS = 25
OPTIMIZER = "adam_ttur"

Steps = Callable[[int], None]  # trains so many steps
Make = Callable[[Tensor, str], Steps]  # from pixels and the network's name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=("mlp", "dcgan"), default="mlp")
    parser.add_argument("--steps", type=int, default=200, help="a round and contender; for sweeps fewer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)  # one contender in a new process
    arguments = parser.parse_args()
    pixels = torch.randint(0, 256, (IMAGES, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    if arguments.memory_of:
        print(peak_memory_of(CONTENDERS[arguments.memory_of], pixels, arguments.network))
        return
    with tf32_products(choose_device()):  # for all contenders
        figures = measure(pixels, arguments.network, arguments.steps, arguments.rounds)
    for name, value in figures.items():
        print(f"{name:36} {value:.4g}" if isinstance(value, float) else f"{name:36} {value}")
    if arguments.json:
        write_json(arguments.json, figures)


# ---------------------------------------------------------------------------------------------------------------------
# Contenders


def make_eager(pixels: Tensor, network: str) -> Steps:
    """Train one member with the loop of a tutorial."""
    device = choose_device()
    generator, discriminator = (module.to(device) for module in plain_networks(network))
    for_generator = torch.optim.Adam(generator.parameters(), 1e-4)
    for_discriminator = torch.optim.Adam(discriminator.parameters(), 1e-3)
    loss = nn.BCEWithLogitsLoss()
    loader = DataLoader(TensorDataset(to_network(pixels)), batch_size=BATCH, shuffle=True, drop_last=True)
    ones, zeros = torch.ones(BATCH, 1, device=device), torch.zeros(BATCH, 1, device=device)

    def step(real: Tensor) -> None:
        generated = generator(torch.randn(BATCH, 100, device=device))
        for images, labels in ((real.to(device), 0.9 * ones), (generated.detach(), zeros)):
            for_discriminator.zero_grad()
            loss(discriminator(images), labels).backward()
            for_discriminator.step()
        for_generator.zero_grad()
        loss(discriminator(generated), ones).backward()
        for_generator.step()

    batches = endless(loader)

    def train(steps: int) -> None:
        for _ in range(steps):
            step(next(batches))

    return train


def endless(loader: DataLoader[tuple[Tensor, ...]]) -> Iterator[Tensor]:
    while True:
        for (images,) in loader:
            yield images


def plain_networks(network: str) -> tuple[nn.Sequential, nn.Sequential]:
    """Return the layers of `pipeline/networks/` in the style of a tutorial."""
    if network == "mlp":
        return (
            nn.Sequential(
                nn.Linear(100, 128), nn.LeakyReLU(0.01), nn.Linear(128, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))
            ),
            nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.LeakyReLU(0.01), nn.Linear(128, 1)),
        )
    return (
        nn.Sequential(
            *(nn.Linear(100, 7 * 7 * 128), nn.BatchNorm1d(7 * 7 * 128), nn.ReLU(), nn.Unflatten(1, (128, 7, 7))),
            *(nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
            *(nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh()),
        ),
        nn.Sequential(
            *(nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(32, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.LeakyReLU(0.2)),
            *(nn.Flatten(), nn.Linear(64 * 7 * 7, 1)),
        ),
    )


def make_keras(pixels: Tensor, _network: str) -> Steps:
    """Train with the notebook's loop on Keras 3 over PyTorch; dense networks only."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    import numpy as np

    generator = keras.Sequential(
        [keras.Input((100,)), keras.layers.Dense(128), keras.layers.LeakyReLU(0.01), keras.layers.Dense(784, "tanh")]
    )
    discriminator = keras.Sequential(
        [keras.Input((784,)), keras.layers.Dense(128), keras.layers.LeakyReLU(0.01), keras.layers.Dense(1, "sigmoid")]
    )
    discriminator.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    latents = keras.Input((100,))
    discriminator.trainable = False
    both = keras.Model(latents, discriminator(generator(latents)))
    both.compile(keras.optimizers.Adam(1e-4), "binary_crossentropy")
    discriminator.trainable = True
    images, random = to_network(pixels).flatten(1).numpy(), np.random.default_rng(0)
    ones, zeros = np.ones((BATCH, 1), np.float32), np.zeros((BATCH, 1), np.float32)

    def train(steps: int) -> None:
        for _ in range(steps):
            drawn = random.standard_normal((BATCH, 100), np.float32)
            generated = np.asarray(generator.predict_on_batch(drawn))
            discriminator.train_on_batch(images[random.integers(0, IMAGES, BATCH)], 0.9 * ones)
            discriminator.train_on_batch(generated, zeros)
            both.train_on_batch(drawn, ones)

    return train


def make_ensemble(members: int) -> Make:
    """Train with our engine and all its records."""

    def make(pixels: Tensor, network: str) -> Steps:
        settings = resolve(load_recipes()["mnist_mlp"], load_optimizers()[OPTIMIZER], members=members)
        settings = replace(settings, network=network)
        stack = [Member(settings, index) for index in range(members)]
        ensemble = Ensemble(stack, network_for(network, DIGITS), TrainingImages(pixels, choose_device()))
        interval = IntervalMeans(ensemble)
        done = 0

        def train(steps: int) -> None:
            nonlocal done
            for _ in range(steps):
                done += 1
                ends = done % settings.history_interval_steps == 0
                interval.add(ensemble.step(done - 1, measure_gradients=ends))
                if ends:
                    interval.measure()
                    interval.restart()

        return train

    return make


CONTENDERS: dict[str, Make] = {
    "eager": make_eager,
    "keras": make_keras,
    "single": make_ensemble(1),
    **{f"sweep{members}": make_ensemble(members) for members in SWEEPS},
}


def members_of(name: str) -> int:
    return int(name.removeprefix("sweep")) if name.startswith("sweep") else 1


# ---------------------------------------------------------------------------------------------------------------------
# Measuring


def measure(pixels: Tensor, network: str, steps: int, rounds: int) -> dict[str, Any]:
    chosen = dict(CONTENDERS)
    if network != "mlp" or importlib.util.find_spec("keras") is None:
        del chosen["keras"]
    contenders = {name: make(pixels, network) for name, make in chosen.items()}
    for train in contenders.values():
        train(WARM_UP_STEPS)
    seconds = [one_round(contenders, steps) for _ in range(rounds)]
    floor = [products_seconds() for _ in range(rounds)] if network == "mlp" else []
    return summarise(seconds, floor) | memory(pixels, network, list(contenders))


def one_round(contenders: dict[str, Steps], steps: int) -> dict[str, float]:
    """Return the seconds per step of each contender, in turns of a few steps."""
    turns = max(1, steps // TURN_STEPS)
    spent = dict.fromkeys(contenders, 0.0)
    done = dict.fromkeys(contenders, 0)
    for _ in range(turns):
        for name, train in contenders.items():
            share = max(2, TURN_STEPS // members_of(name)) if not torch.cuda.is_available() else TURN_STEPS
            started = now()
            train(share)
            spent[name] += now() - started
            done[name] += share
    return {name: spent[name] / done[name] for name in contenders}


def now() -> float:
    """Return the time of a clock after the device has finished its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


# Rows, inner size, columns and count of every matrix product in one step of a dense member.
PRODUCTS = (
    (BATCH, 784, 128, 3),  # discriminator forward: real, generated, for the generator
    (784, BATCH, 128, 2),  # its first layer's gradient
    (BATCH, 128, 784, 1),  # gradient by the generated images
    (BATCH, 100, 128, 1),  # generator forward
    (BATCH, 128, 784, 1),
    (128, BATCH, 784, 1),  # its gradients
    (BATCH, 784, 128, 1),
    (100, BATCH, 128, 1),
)


def products_seconds(repetitions: int = 50) -> float:
    """Time the matrix products of one step, each separately."""
    device = choose_device()
    total = 0.0
    for rows, inner, columns, times in PRODUCTS:
        one, other = torch.randn(rows, inner, device=device), torch.randn(inner, columns, device=device)
        out = torch.empty(rows, columns, device=device)
        for _ in range(5):
            torch.mm(one, other, out=out)
        started = now()
        for _ in range(repetitions):
            torch.mm(one, other, out=out)
        total += times * (now() - started) / repetitions
    return total


def member_steps_per_second(name: str, seconds: dict[str, float]) -> float:
    return members_of(name) / seconds[name]


def speed_over_eager(name: str, seconds: dict[str, float]) -> float:
    """Return how many times faster a contender's step per member is than that of the plain loop."""
    return members_of(name) * seconds["eager"] / seconds[name]


def summarise(rounds: list[dict[str, float]], floor: list[float]) -> dict[str, Any]:
    """Return medians over rounds of steps per second and of ratios; a ratio compares times of one round."""

    def median(value: Callable[[dict[str, float]], float]) -> float:
        return statistics.median(value(seconds) for seconds in rounds)

    figures: dict[str, Any] = {
        "device": device_name(choose_device()),
        "machine": f"{platform.machine()}, torch {torch.__version__}, Python {platform.python_version()}",
        "date": datetime.now(UTC).date().isoformat(),
        "commit": git_commit(),
    }
    for name in rounds[0]:
        figures[f"{name}_member_steps_per_s"] = median(partial(member_steps_per_second, name))
    for name in (name for name in rounds[0] if name != "eager"):
        figures[f"{name}_over_eager"] = median(partial(speed_over_eager, name))
    figures["sweep24_over_single_wall"] = median(lambda seconds: seconds["sweep24"] / seconds["single"])
    if floor:
        figures["gemm_floor_steps_per_s"] = 1 / statistics.median(floor)
    return figures


# ---------------------------------------------------------------------------------------------------------------------
# Memory


def memory(pixels: Tensor, network: str, names: list[str]) -> dict[str, float]:
    """Return the peak memory of each contender, its growth per additional member, and the part that a member keeps."""
    peaks = {name: peak_of_process(name, network) for name in names}
    figures = {f"{name}_peak_mib": peak for name, peak in peaks.items()}
    figures["peak_mib_a_member"] = (peaks["sweep24"] - peaks["sweep8"]) / 16
    return figures | kept_by_a_member(pixels, network)


def peak_of_process(name: str, network: str) -> float:
    command = [sys.executable, "-m", "benchmarks.training", "--network", network, "--memory-of", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def peak_memory_of(make: Make, pixels: Tensor, network: str) -> float:
    make(pixels, network)(WARM_UP_STEPS)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return round(torch.cuda.max_memory_allocated() / MEBIBYTE, 1)
    return peak_memory_mib()


def kept_by_a_member(pixels: Tensor, network: str) -> dict[str, float]:
    """Return the MiB kept between steps: weights, moments, latents, an epoch's order of images, logits for history."""
    settings = replace(resolve(load_recipes()["mnist_mlp"], load_optimizers()[OPTIMIZER], members=1), network=network)
    ensemble = Ensemble([Member(settings, 0)], network_for(network, DIGITS), TrainingImages(pixels, choose_device()))
    interval = IntervalMeans(ensemble)
    for step in range(WARM_UP_STEPS):
        interval.add(ensemble.step(step))
    state = mebibytes(ensemble.state(0).values())
    (only,) = ensemble.stacks
    inputs = only.replayed.inputs if only.replayed is not None else None
    beside = [only.latents.buffer, only.shuffle.order, interval.logits, *(inputs.tensors() if inputs else ())]
    return {"state_mib_a_member": state, "kept_mib_a_member": state + mebibytes(beside)}


def mebibytes(tensors: Iterable[Tensor]) -> float:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors) / MEBIBYTE


if __name__ == "__main__":
    main()
