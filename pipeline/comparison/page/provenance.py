"""Provenance: differing settings, the protocol of the scores, and the commands that compute each number again.

In: the reports. Out: tables and commands as plain texts.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.comparison.differences import differing_settings
from pipeline.comparison.page.entries import PageEntry, without_folders
from pipeline.comparison.page.scores import metrics_of
from pipeline.metrics.catalogue import definition, thorough_names
from pipeline.settings import Recipe
from pipeline.training.kinds_of_weights import AVERAGE, RAW

RECORDS = {  # column of the report → heading
    "report_id": "report",
    "created_at": "made (UTC)",
    "run_id": "run",
    "git_commit": "commit",
    "ganforge_version": "ganforge",
    "device": "device",
    "training_seconds": "training",
    "training_fingerprint": "training fingerprint",
    "fingerprint": "report fingerprint",
}


def changed_settings(entries: Sequence[PageEntry]) -> list[dict[str, Any]]:
    """Return the settings that differ between the configurations: the name, and one value per configuration."""
    settings = differing_settings([entry.configuration.report for entry in entries])
    return [{"name": name, "values": [_value(value) for value in values]} for name, values in settings.items()]


def records(entries: Sequence[PageEntry]) -> dict[str, Any]:
    """Return the origin of each report: headings, and one row per configuration."""
    rows = [
        {"key": entry.key, "values": [_record(name, value) for name, value in facts.items()]}
        for entry, facts in ((entry, entry.configuration.report.facts(RECORDS)) for entry in entries)
    ]
    return {"headings": list(RECORDS.values()), "rows": rows}


def protocol(entries: Sequence[PageEntry]) -> list[tuple[str, str]]:
    """Return the facts of the measurement; one that differs has the names of the configurations with each value."""
    if not entries:
        return []
    names = sorted({name for entry in entries for name in entry.protocol})
    facts = [(name.replace("_", " "), _by_value(name, entries)) for name in names]
    accuracy = entries[0].configuration.report.extractor_accuracy
    accuracies = [] if accuracy is None else [("extractor accuracy on held-out images", f"{accuracy:.4f}")]
    return [("data", data_source(entries)), *facts, *accuracies]


def _by_value(name: str, entries: Sequence[PageEntry]) -> str:
    """Return one fact of the protocol: "raw", or if it differs, "average (adam_hinge), raw (adam, sgd)"."""
    keys: dict[str, list[str]] = {}
    for entry in entries:
        keys.setdefault(_value(entry.protocol.get(name)), []).append(entry.key)
    if len(keys) == 1:
        return next(iter(keys))
    return ", ".join(f"{value} ({', '.join(with_value)})" for value, with_value in keys.items())


def data_source(entries: Sequence[PageEntry]) -> str:
    """Return the source of the images; empty without a report."""
    return without_folders(entries[0].configuration.report.source or "") if entries else ""


def measured_with(entries: Sequence[PageEntry]) -> str:
    """Return the feature extractor and its accuracy as text; empty without a report."""
    if not entries:
        return ""
    report = entries[0].configuration.report
    name, sha256, accuracy = report.extractor, report.extractor_sha256, report.extractor_accuracy
    network = "the data set's own classifier" if name == "classifier" else str(name)
    correct = "" if accuracy is None else f", {100 * accuracy:.1f} % of held-out images classified correctly"
    return f"{network} ({(sha256 or 'unknown')[:12]}{correct})"


def budget(entries: Sequence[PageEntry], recipe: Recipe) -> str:
    """Return a sentence with the steps trained here and in the recipe's source; empty if reports have no steps."""
    steps = sorted({entry.configuration.report.steps for entry in entries} - {None})
    if not steps:
        return ""
    trained = f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}"
    beside = "" if steps == [recipe.full_steps] else f"; the source trained {recipe.full_steps:,}"
    return f"Trained for {trained} steps here{beside}."


def how_to_repeat(recipe: str, entries: Sequence[PageEntry]) -> list[dict[str, str]]:
    """Return the command that computes each configuration's numbers again, and a note on settings it cannot express."""
    return [
        {"key": entry.key, "command": command(recipe, entry), "note": _beyond_the_command(entry)} for entry in entries
    ]


def command(recipe: str, entry: PageEntry) -> str:
    """Return `ganforge materialize …` with everything that decided this configuration's scores."""
    report, entry_protocol = entry.configuration.report, entry.protocol
    values = {
        "--steps": report.steps,
        "--members": report.members,  # of the newest report's seed
        "--width": entry.settings.get("width"),
        "--samples": report.n_generated,
        "--seed": report.seed,
    }
    words = ["ganforge", "materialize", recipe, "--optimizer", entry.key]
    words += [word for name, value in values.items() if value is not None for word in (name, str(value))]
    if entry_protocol.get("extractor", "classifier") != "classifier":
        words += ["--extractor", entry_protocol["extractor"]]
    if report.weights != (RAW if entry.settings.get("ema_decay") is None else AVERAGE):
        words += ["--weights", report.weights]
    if not set(thorough_names()).isdisjoint(report.metrics()):
        words.append("--thorough")
    return shlex.join(words)


def _beyond_the_command(entry: PageEntry) -> str:
    """Return a note on replicates of other seeds, and on a samples' seed that only a run's configuration can set."""
    counts = Counter(seed for seed, _ in entry.configuration.replicates.members)
    others = [f"--seed {seed} --members {count}" for seed, count in sorted(counts.items())]
    replicates = f"the replicates of all seeds: {', '.join(others)}" if len(others) > 1 else ""
    seed = entry.protocol.get("samples_seed", 0)
    of_samples = f"the samples' run configuration also has seed={seed}" if seed else ""
    return "; ".join(filter(None, (replicates, of_samples)))


def how_to_read(entries: Sequence[PageEntry]) -> list[dict[str, str]]:
    """Return each score's definition, and a query that reads the members' values from these reports."""
    reports = [report for entry in entries for report in entry.configuration.replicates.reports]
    ids = ", ".join(f"'{report.report_id}'" for report in reports)
    return [
        {
            "title": definition(metric).title,
            "text": definition(metric).definition,
            "query": f'ganforge reports query "{_sql(metric, ids)}"',
        }
        for metric in metrics_of(entries)
    ]


def _sql(metric: str, ids: str) -> str:
    where = f"metric = '{metric}' and report_id in ({ids})"
    # distinct: a later report with more members repeats the scores of the earlier ones
    return f"select distinct optimizer, seed, member, value from history where {where} order by all"


def _record(name: str, value: Any) -> str:
    if value is None or value == "":
        return "–"
    if name == "created_at":
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if name == "training_seconds":
        return f"{value:,.0f} s"
    return str(value)[:12] if name in ("training_fingerprint", "fingerprint", "run_id", "report_id") else str(value)


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value[:16] if len(value) == 64 else value
    return json.dumps(value)
