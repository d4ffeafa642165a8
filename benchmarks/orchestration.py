"""Orchestration: the time to register an unchanged chain again, and the time of `ganforge status`.

    python -m benchmarks.orchestration [--rounds 5] [--steps 100] [--json FILE]

Makes the chain of three configurations of `mnist_mlp`, three members each, in a temporary folder. The images are those
of `GANFORGE_MNIST`, a mirror or the offline subset. Then it times whole commands: `ganforge materialize` of the same
chain, which must not train, and `ganforge status`. `import dagster` beside them is the least possible time of a command
of Dagster. Figures are medians over rounds that take turns. Times are never asserted anywhere: these machines are
noisy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from pipeline.storage.artefact import write_json
from pipeline.storage.paths import PROJECT

GANFORGE = [sys.executable, "-m", "assets.cli"]
CONFIGURATIONS = ["rmsprop", "rmsprop_adam", "rmsprop_adam_tweaked"]
PACKAGES = ("dagster", "torch", "duckdb", "pyarrow")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments.rounds, arguments.steps)
    figures = {"steps": arguments.steps, **figures, **machine(PACKAGES)}
    for name, value in figures.items():
        print(f"{name:24} {value:.2f}" if isinstance(value, float) else f"{name:24} {value}")
    if arguments.json is not None:
        write_json(arguments.json, figures)


def measure(data: Path, rounds: int, steps: int) -> dict[str, Any]:
    chain = [*GANFORGE, "materialize", "mnist_mlp", "--optimizer", *CONFIGURATIONS, "--steps", str(steps)]
    chain += ["--samples", "2000"]
    first_seconds, _ = timed(chain, data)
    commands = {
        "unchanged_chain_s": chain,
        "status_s": [*GANFORGE, "status"],
        "import_dagster_s": [sys.executable, "-c", "import dagster"],
    }
    seconds_of: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            seconds, printed = timed(command, data)
            seconds_of[name].append(seconds)
            if ": made" in printed or " as one model" in printed:
                raise SystemExit(f"{name}: something was made again:\n{printed}")
    medians = {name: statistics.median(seconds) for name, seconds in seconds_of.items()}
    return {"first_chain_s": first_seconds, **medians, "unchanged_chain_rounds_s": [*seconds_of["unchanged_chain_s"]]}


def timed(command: list[str], data: Path) -> tuple[float, str]:
    """Return the seconds of a whole process, and its output."""
    environment = {**os.environ, "GANFORGE_DATA": str(data)}
    environment.pop("DAGSTER_HOME", None)
    started = time.perf_counter()
    done = subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {done.returncode}; its error output is above")
    return time.perf_counter() - started, done.stdout


if __name__ == "__main__":
    main()
