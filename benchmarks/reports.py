"""Reports: the time of queries on 10,000 reports: compacted automatically, never, and completely.

    python -m benchmarks.reports [--reports 10000] [--rounds 5] [--loose-limit N] [--json FILE]

Made-up reports of 7 recipes and 7 configurations, 3 members and 20 scores each, with settings and protocol as long as
real ones, are appended in a temporary folder, one after another. The queries are:

- the newest reports of one recipe, which `ganforge reports best` reads;
- a grouped SQL query over `reports`, one over `history`, and all of `runs`;
- every report of one configuration, and the FIDs of every report of one recipe and of all.

Every query lists files and opens a connection anew. Figures are medians over rounds in one process, after a first round
that is not counted. States: `automatic`, after `append`; `compacted`, after `compact`; `loose`, one file per report.
Times are never asserted anywhere: these machines are noisy.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from pipeline.reports import compaction, store
from pipeline.storage.artefact import write_json

RECIPES = [f"recipe_{index}" for index in range(7)]
OPTIMIZERS = [f"optimizer_{index}" for index in range(7)]
MEMBERS = 3
METRICS = ["fid", "inception_score", "kid", *(f"score_{index}" for index in range(17))]
PER_CLASS = "score_16"  # one of them has one value per class
GROUPED = """
    SELECT recipe, optimizer, count(*) AS members, avg(value) AS mean, stddev(value) AS deviation
    FROM {view} WHERE metric = 'fid' GROUP BY ALL ORDER BY recipe, mean
"""
PACKAGES = ("duckdb", "numpy", "pyarrow")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--loose-limit", type=int, default=compaction.MOST_SINGLE_FILES, help="instead of the built-in one"
    )
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments.reports, arguments.rounds, arguments.loose_limit)
    figures = {"reports": arguments.reports, "loose_limit": arguments.loose_limit, **figures, **machine(PACKAGES)}
    for name, value in figures.items():
        print(f"{name:44} {value:.4g}" if isinstance(value, float) else f"{name:44} {value}")
    if arguments.json:
        write_json(arguments.json, figures)


def measure(folder: Path, count: int, rounds: int, limit: int) -> dict[str, Any]:
    """Time every query in every state, and appending."""
    automatic, loose = folder / "automatic", folder / "loose"
    compaction.MOST_SINGLE_FILES = limit
    appended = fill(automatic, count)
    figures: dict[str, Any] = {
        "append_median_s": statistics.median(appended),
        "append_99th_percentile_s": statistics.quantiles(appended, n=100)[-1],
        "append_worst_s": max(appended),
        "append_all_s": sum(appended),
        **ask("automatic", automatic, rounds),
    }
    started = time.perf_counter()
    store.compact(automatic)
    figures |= {"compact_s": time.perf_counter() - started, **ask("compacted", automatic, rounds)}
    compaction.MOST_SINGLE_FILES = count  # never
    fill(loose, count)
    figures |= ask("loose", loose, rounds)
    started = time.perf_counter()
    store.compact(loose)
    return figures | {"compact_all_loose_s": time.perf_counter() - started}


def fill(root: Path, count: int) -> list[float]:
    """Append so many reports and return the seconds of each."""
    randomness = random.Random(0)
    seconds = []
    for index in range(count):
        recipe, optimizer = RECIPES[index % 7], OPTIMIZERS[index // 7 % 7]
        rows = made_up(recipe, optimizer, index, randomness)
        started = time.perf_counter()
        store.append(root, rows)
        seconds.append(time.perf_counter() - started)
    return seconds


def made_up(recipe: str, optimizer: str, index: int, randomness: random.Random) -> list[dict[str, Any]]:
    """Return the rows of one report, with no two numbers equal."""
    shared = {"recipe": recipe, "optimizer": optimizer, **facts(recipe, optimizer, index, randomness)}
    return [
        {**shared, "member": member, "metric": metric, **numbers(metric, randomness)}
        for member in range(MEMBERS)
        for metric in METRICS
    ]


def facts(recipe: str, optimizer: str, index: int, randomness: random.Random) -> dict[str, Any]:
    """Return the columns that are equal in all rows of a report; long texts hardly differ between reports."""
    digits = f"{randomness.getrandbits(256):064x}"
    protocol = {f"protocol_field_{number}": f"value of {recipe} {number}" for number in range(18)}
    settings = {f"settings_field_{number}": f"value of {optimizer} {number}" for number in range(45)} | {"seed": index}
    return {
        "n_generated": 10_000,
        "n_real": 10_000,
        "n_floor": 10_000,
        "extractor": "classifier",
        "extractor_sha256": digits,
        "extractor_accuracy": 0.99,
        "steps": 3000,
        "protocol": json.dumps(protocol),
        "settings": json.dumps(settings),
        "fingerprint": digits,
        "seed": index,
        "training_fingerprint": digits,
        "data_versions": json.dumps(dict.fromkeys(METRICS[:5], digits)),
        "width": 128,
        "members": MEMBERS,
        "diverged_members": 0,
        "source": "made up",
        "device": "CPU, 1 thread",
        "training_seconds": 60.0,
        "scoring_seconds": 9.0,
        "git_commit": digits[:12],
        "run_id": digits[:32],
    }


def numbers(metric: str, randomness: random.Random) -> dict[str, Any]:
    value, error = randomness.gauss(20, 3), randomness.random()
    return {
        "value": value,
        "standard_error": error,
        "interval_low": value - error,
        "interval_high": value + error,
        "floor": 1.0,
        "ceiling": 300.0,
        "better": "lower",
        "note": "",
        "by_class": [randomness.random() for _ in range(10)] if metric == PER_CLASS else None,
    }


def ask(state: str, root: Path, rounds: int) -> dict[str, Any]:
    """Return the median seconds of every query, and the number of files."""
    questions: dict[str, Callable[[], object]] = {
        "newest_of_a_recipe": lambda: store.latest_of_all(root, RECIPES[0]),
        "newest_of_all": lambda: store.latest_of_all(root),
        "sql_over_reports": lambda: store.query(GROUPED.format(view="reports"), root),
        "sql_over_history": lambda: store.query(GROUPED.format(view="history"), root),
        "sql_all_runs": lambda: store.query("FROM runs", root),
        "history_of_one_recipe_and_its_fids": lambda: [r.scores("fid") for r in store.history_of(root, RECIPES[0])],
        "history_of_all_and_its_fids": lambda: [report.scores("fid") for report in store.history_of(root)],
        "history_of_a_configuration": lambda: store.history_of(root, RECIPES[0], OPTIMIZERS[0]),
    }
    seconds = {f"{state}_{name}_s": median_seconds(work, rounds) for name, work in questions.items()}
    files = [path for path in root.rglob("*.parquet") if path.is_file()]
    return {f"{state}_files": len(files), f"{state}_mib": sum(path.stat().st_size for path in files) / 2**20, **seconds}


def median_seconds(work: Callable[[], object], rounds: int) -> float:
    work()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    main()
