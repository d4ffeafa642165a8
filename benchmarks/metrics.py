"""Metrics: ours beside the known libraries', on the same features, one thread, in one run.

    python -m benchmarks.metrics [--rounds 5] [--only frechet kid …] [--json FILE]

Features are float32, non-negative, of decaying spectrum, as the last pooling of an Inception network gives them. Each
figure is the median CPU time over rounds; programs take turns, so that a busy machine slows all of them alike. The
values of both are printed beside the times: a fast wrong answer would show. Times are never asserted anywhere: these
machines are noisy. Needs the extra `references`.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before any of them is loaded

import argparse
import contextlib
import importlib.metadata
import io
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.metrics.frechet_distance import frechet_distance, frechet_distance_of_moments
from pipeline.metrics.frechet_interval import estimate_frechet
from pipeline.metrics.kernel_distance import kernel_distance
from pipeline.metrics.moments import RunningMoments, fit_moments
from pipeline.metrics.precision_recall import precision_recall
from pipeline.reports.commit import git_commit
from pipeline.storage.artefact import write_json

DIMENSIONS = 2048
LIBRARIES = ("torch-fidelity", "pytorch-fid", "torchmetrics", "clean-fid", "prdc", "scipy", "numpy", "torch")
WIDE_ROWS, WIDE_DIMENSIONS = 50_000, 128


@dataclass(frozen=True)
class Contest:
    """One quantity, computed by several programs."""

    name: str
    goal: str
    ours: Callable[[], float]
    theirs: dict[str, Callable[[], float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(CONTESTS), default=list(CONTESTS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = {"machine": machine(), "rounds": arguments.rounds}
    print(", ".join(f"{name} {value}" for name, value in results["machine"].items()))
    results["contests"] = [
        measure(contest, arguments.rounds) for name in arguments.only for contest in CONTESTS[name]()
    ]
    if arguments.json:
        write_json(arguments.json, results)


def measure(contest: Contest, rounds: int) -> dict[str, Any]:
    """Return every program's median time and value, and its time as a multiple of ours."""
    everyone = {"ours": contest.ours, **contest.theirs}
    seconds: dict[str, list[float]] = {name: [] for name in everyone}
    values: dict[str, float] = {}
    for _ in range(rounds):
        for name, compute in everyone.items():
            started = time.process_time()
            values[name] = compute()
            seconds[name].append(time.process_time() - started)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"\n{contest.name}  (goal: {contest.goal})")
    for name, median in medians.items():
        ratio = median / medians["ours"]
        print(f"  {name:16} {median:8.3f} s  {ratio:7.2f} x ours  value {values[name]:.12g}")
    return {
        "name": contest.name,
        "goal": contest.goal,
        "seconds": medians,
        "all_seconds": seconds,
        "values": values,
        "ratios": {name: median / medians["ours"] for name, median in medians.items()},
    }


def features(rows: int, seed: int, dimensions: int = DIMENSIONS) -> np.ndarray:
    """Return features, (rows, dimensions) float32, at least 0."""
    mixing = np.random.default_rng(0).standard_normal((256, dimensions)) * (np.arange(1, 257) ** -0.7)[:, None]
    stream = np.random.default_rng(seed)
    mixed = stream.standard_normal((rows, 256)) * (1 + 0.1 * seed) @ mixing
    return np.maximum(mixed + 0.15 * stream.standard_normal((rows, dimensions)) + 0.1, 0).astype(np.float32)


def frechet() -> list[Contest]:
    """Time the Fréchet step from statistics, as in every library, and from few features."""
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    one, other = (fit_moments(features(10_000, seed)) for seed in (1, 2))
    ones, others = ({"mu": each.mean, "sigma": each.covariance} for each in (one, other))
    few = features(500, 1), features(500, 2)

    def fidelity_of_few() -> float:
        statistics_of_few = [fid_features_to_statistics(torch.from_numpy(each)) for each in few]
        return float(fid_statistics_to_metric(*statistics_of_few, verbose=False)["frechet_inception_distance"])

    return [
        Contest(
            "Fréchet distance from moments, D = 2,048, N = 10,000",
            "at least 15 x pytorch-fid and 3.5 x torch-fidelity",
            lambda: frechet_distance_of_moments(one, other).value,
            {
                "torch-fidelity": lambda: float(
                    fid_statistics_to_metric(ones, others, verbose=False)["frechet_inception_distance"]
                ),
                "pytorch-fid": lambda: float(
                    calculate_frechet_distance(one.mean, one.covariance, other.mean, other.covariance)
                ),
            },
        ),
        Contest(
            "Fréchet distance from features, D = 2,048, N = 500",
            "at least 50 x torch-fidelity",
            lambda: frechet_distance(*few).value,
            {"torch-fidelity": fidelity_of_few},
        ),
    ]


def interval() -> list[Contest]:
    """Time the error and the extrapolation, which no library has, beside the distance alone."""
    first, second = features(10_000, 1, 128), features(10_000, 2, 128)
    return [
        Contest(
            "Fréchet distance with error and FID∞ ('ours') beside the distance alone, D = 128, N = 10,000",
            "none",
            lambda: estimate_frechet(first, second).distance.value,
            {"distance alone": lambda: frechet_distance(first, second).value},
        )
    ]


def moments() -> list[Contest]:
    """Time streaming mean and covariance from batches of 50."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    rows = features(2_500, 1)
    batches = [rows[start : start + 50] for start in range(0, len(rows), 50)]

    class Identity(torch.nn.Module):
        num_features = DIMENSIONS

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images

    def theirs() -> float:
        metric = FrechetInceptionDistance(feature=Identity())
        for batch in batches:
            metric.update(torch.from_numpy(batch), real=True)
        return float(metric.real_features_cov_sum.diagonal().sum())

    def ours() -> float:
        running = RunningMoments(DIMENSIONS)
        for batch in batches:
            running.add(batch)
        moments = running.moments()
        return float(np.trace(moments.covariance) * (moments.count - 1) + moments.count * moments.mean @ moments.mean)

    return [
        Contest(
            "moments, D = 2,048, batches of 50 (value: trace of XᵀX)", "at least 4 x", ours, {"torchmetrics": theirs}
        )
    ]


def kid() -> list[Contest]:
    """Time ours on the whole sets with a standard error, and theirs, the mean of 100 subsets of 1,000."""
    from torch_fidelity.metric_kid import kid_features_to_metric

    first, second = features(5_000, 1), features(5_000, 2)

    def theirs() -> float:
        scores = kid_features_to_metric(torch.from_numpy(first), torch.from_numpy(second), verbose=False)
        return float(scores["kernel_inception_distance_mean"])

    return [
        Contest(
            "KID, D = 2,048, N = 5,000",
            "at most 30 %: 3.33 x",
            lambda: kernel_distance(first, second).value,
            {"torch-fidelity": theirs},
        )
    ]


def prdc() -> list[Contest]:
    """Time precision, recall, density and coverage together, and measure memory in a new process."""
    from prdc import compute_prdc

    generated, real = features(5_000, 1), features(5_000, 2)

    def ours() -> float:
        scores = precision_recall(generated, real, 5)
        return scores.precision + scores.recall + scores.density + scores.coverage

    def theirs() -> float:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints counts
            return float(sum(compute_prdc(real, generated, 5).values()))

    report_wide_memory()
    return [
        Contest(
            "PRDC, D = 2,048, N = 5,000, k = 5 (value: the sum of all four)",
            "at most 70 %: 1.43 x",
            ours,
            {"prdc": theirs},
        )
    ]


def report_wide_memory() -> None:
    """Print the memory that 50,000 images against 50,000 take."""
    command = [sys.executable, "-m", "benchmarks.metrics", WIDE]
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.rstrip())


def wide() -> None:
    """Measure in a new process, because peak memory belongs to a process."""
    stream = np.random.default_rng(0)
    generated, real = (stream.standard_normal((WIDE_ROWS, WIDE_DIMENSIONS)).astype(np.float32) for _ in range(2))
    started = time.monotonic()
    results = precision_recall(generated, real, 5)
    seconds = time.monotonic() - started
    peak_gib = peak_kib() / 2**20
    print(f"\nPRDC, {WIDE_ROWS:,} x {WIDE_ROWS:,} x {WIDE_DIMENSIONS}  (goal: within 2 GB)")
    print(f"  ours {seconds:.0f} s, peak of the whole process {peak_gib:.2f} GiB, {asdict(results)}")


def peak_kib() -> int:
    """Return the peak of this program alone; `getrusage` also counts the process before it became this program."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


CONTESTS: dict[str, Callable[[], list[Contest]]] = {
    "frechet": frechet,
    "interval": interval,
    "moments": moments,
    "kid": kid,
    "prdc": prdc,
}
WIDE = "--wide"


def machine() -> dict[str, Any]:
    """Describe the machine and the versions of the figures."""
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "git_commit": git_commit(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        **versions,
    }


if __name__ == "__main__":
    wide() if sys.argv[1:] == [WIDE] else main()
