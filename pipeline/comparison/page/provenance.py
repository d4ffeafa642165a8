"""Provenance: what differs between the configurations, how everything was measured, and how to get each number again.

In: the reports. Out: tables and commands as plain texts.
"""

from __future__ import annotations

import json
import shlex
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
    """The settings that differ between the configurations: name, and the value of each."""
    found = differing_settings([entry.configuration.report for entry in entries])
    return [{"name": name, "values": [_value(value) for value in values]} for name, values in found.items()]


def records(entries: Sequence[PageEntry]) -> dict[str, Any]:
    """Where each report came from: headings, and a row a configuration."""
    rows = [
        {"key": entry.key, "values": [_record(name, value) for name, value in facts.items()]}
        for entry, facts in ((entry, entry.configuration.report.facts(RECORDS)) for entry in entries)
    ]
    return {"headings": list(RECORDS.values()), "rows": rows}


def protocol(entries: Sequence[PageEntry]) -> list[tuple[str, str]]:
    """How the scores were measured; where a fact differs between configurations, each value with their names."""
    if not entries:
        return []
    names = sorted({name for entry in entries for name in entry.protocol})
    shown = [(name.replace("_", " "), _of_each(name, entries)) for name in names]
    accuracy = entries[0].configuration.report.extractor_accuracy
    known = [] if accuracy is None else [("extractor accuracy on held-out images", f"{accuracy:.4f}")]
    return [("data", data_source(entries)), *shown, *known]


def _of_each(name: str, entries: Sequence[PageEntry]) -> str:
    """One fact of the protocol: "raw", or where it differs "average (adam_hinge), raw (adam, sgd)"."""
    keys: dict[str, list[str]] = {}
    for entry in entries:
        keys.setdefault(_value(entry.protocol.get(name)), []).append(entry.key)
    return next(iter(keys)) if len(keys) == 1 else ", ".join(f"{v} ({', '.join(own)})" for v, own in keys.items())


def data_source(entries: Sequence[PageEntry]) -> str:
    """Where the images come from; empty where there is no report."""
    return without_folders(entries[0].configuration.report.source or "") if entries else ""


def measured_with(entries: Sequence[PageEntry]) -> str:
    """The network behind the scores, and how good it is at its own task; empty where there is no report."""
    if not entries:
        return ""
    report = entries[0].configuration.report
    name, sha256, accuracy = report.extractor, report.extractor_sha256, report.extractor_accuracy
    network = "the data set's own classifier" if name == "classifier" else str(name)
    right = "" if accuracy is None else f", {100 * accuracy:.1f} % of held-out images right"
    return f"{network} ({(sha256 or 'unknown')[:12]}{right})"


def budget(entries: Sequence[PageEntry], recipe: Recipe) -> str:
    """How long was trained, beside the source's own budget; empty where reports do not say."""
    steps = sorted({entry.configuration.report.steps for entry in entries} - {None})
    if not steps:
        return ""
    trained = f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}"
    beside = "" if steps == [recipe.full_steps] else f"; the source trained {recipe.full_steps:,}"
    return f"Trained for {trained} steps here{beside}."


def how_to_repeat(recipe: str, entries: Sequence[PageEntry]) -> list[dict[str, str]]:
    """The command that makes each configuration's numbers again, with a note on what it cannot say."""
    return [
        {"key": entry.key, "command": command(recipe, entry), "note": _beyond_the_command(entry.protocol)}
        for entry in entries
    ]


def command(recipe: str, entry: PageEntry) -> str:
    """`ganforge materialize …` with everything that decided this configuration's scores."""
    report, asked = entry.configuration.report, entry.protocol
    values = {
        "--steps": report.steps,
        "--members": report.members,
        "--width": entry.settings.get("width"),
        "--samples": report.n_generated,
        "--seed": report.seed,
    }
    words = ["ganforge", "materialize", recipe, "--optimizer", entry.key]
    words += [word for name, value in values.items() if value is not None for word in (name, str(value))]
    if asked.get("extractor", "classifier") != "classifier":
        words += ["--extractor", asked["extractor"]]
    if report.weights != (RAW if entry.settings.get("ema_decay") is None else AVERAGE):
        words += ["--weights", report.weights]
    if not set(thorough_names()).isdisjoint(report.metrics()):
        words.append("--thorough")
    return shlex.join(words)


def _beyond_the_command(asked: dict[str, Any]) -> str:
    """Settings of the samples that only a run's configuration can give."""
    seed = asked.get("samples_seed", 0)
    return f"the samples' run configuration also has seed={seed}" if seed else ""


def how_to_read(entries: Sequence[PageEntry]) -> list[dict[str, str]]:
    """Each score's definition, and the query that reads its members' values from these very reports."""
    ids = ", ".join(f"'{entry.configuration.report.report_id}'" for entry in entries)
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
    return f"select optimizer, member, value from history where {where} order by optimizer, member"


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
