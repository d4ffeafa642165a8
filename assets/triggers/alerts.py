"""Alerts: a sensor that reports failed checks and failed runs, one message per run.

In: the event log since the sensor's cursor; the first tick starts at "now". Out: messages to the sink of the settings.
The cursor passes only events that were delivered or refused for good, so no alert is lost while a sink cannot be
reached. Each failure is reported at least once, and a restart alone repeats none.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.tags import PARTITION_NAME_TAG, WILL_RETRY_TAG

from assets.graph.ownership import is_own_asset, is_own_run
from assets.graph.partitions import RANGE_END_TAG, RANGE_START_TAG
from assets.publishing.checks import BY_PARTITION, CACHED
from assets.triggers.alert_sinks import Alert, UndeliveredError, deliver
from assets.triggers.failures import error_sentence, is_interruption
from assets.triggers.operations import Alerts

UI_VARIABLE = "GANFORGE_UI"  # address of the UI, for links to runs
INTERVAL_SECONDS = 30
LONGEST_TICK_SECONDS = 30.0  # Dagster allows 60; the next tick reports the rest
EVENTS_PER_TICK = 1000
SEVERITIES = ("warn", "error")  # the worst last
REPORTED = (dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.RUN_FAILURE)
SUMMARY, ADVICE = "summary", "advice"  # metadata of a check's result
LONGEST_EVIDENCE = 200  # characters of one value
LONGEST_TITLE, LONGEST_LINE, LONGEST_TEXT = 200, 1000, 3000  # characters; many services refuse 4,000
LATEST_EVALUATIONS = 20  # of a check, searched for its previous one

Event = tuple[int, dg.EventLogEntry]  # an entry with its position in the log


@dataclass
class Cursor:
    """The position in the log up to which failures are reported, and a later position for some runs."""

    after: int
    runs: dict[str, int] = field(default_factory=dict)  # position by run

    @property
    def text(self) -> str:
        """The text that Dagster stores. `read_cursor` is the inverse."""
        return json.dumps({"after": self.after, "runs": self.runs})


def read_cursor(text: str) -> Cursor:
    """Return the cursor that an earlier tick stored."""
    return Cursor(**json.loads(text))


def build_alerts_sensor(settings: Alerts) -> dg.SensorDefinition:
    """Return the sensor `alerts`. It sends no message until a person starts it and names a sink."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Reports failed checks and failed runs to the sink in [alerts] of the operations file.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if settings.sink == "none":
            return dg.SkipReason("no sink: set [alerts] sink in the file that GANFORGE_OPERATIONS names")
        if context.cursor is None:
            newest = context.instance.event_log_storage.get_maximum_record_id() or 0
            context.update_cursor(Cursor(newest).text)
            return dg.SkipReason("reports failures from now on")
        cursor = read_cursor(context.cursor)
        summary = _report_failures(context.instance, cursor, settings)
        context.update_cursor(cursor.text)
        return dg.SkipReason(summary)

    return alerts


def _report_failures(instance: dg.DagsterInstance, cursor: Cursor, settings: Alerts) -> str:
    """Send one message per run, move the cursor, and return a sentence about the messages."""
    events, end = _events(instance, cursor.after)
    failures: dict[str, list[Event]] = {}
    for position, entry in events:
        if position > cursor.runs.get(entry.run_id, -1) and _is_reported(instance, entry, settings.least_severity):
            failures.setdefault(entry.run_id, []).append((position, entry))
    failures = {
        run_id: own for run_id, run_events in failures.items() if (own := _own_events(instance, run_id, run_events))
    }
    refused = 0
    deadline = time.monotonic() + LONGEST_TICK_SECONDS
    for sent, (run_id, run_events) in enumerate(failures.items()):
        if time.monotonic() > deadline:
            return f"reported {sent} of {len(failures)} runs; the next tick continues"
        try:
            refused += not deliver(build_alert(instance, run_id, run_events), settings)
        except UndeliveredError as error:
            return str(error)
        cursor.runs[run_id] = run_events[-1][0]
    cursor.after, cursor.runs = end, {}
    if not failures:
        return "no new failures"
    delivered = len(failures) - refused
    summary = f"reported {delivered} run{'' if delivered == 1 else 's'}"
    return f"{summary}; the sink refused {refused}, which the log has" if refused else summary


def _own_events(instance: dg.DagsterInstance, run_id: str, events: list[Event]) -> list[Event]:
    """Return this project's events of one run. Events outside any run are this project's if their asset is."""
    run = instance.get_run_by_id(run_id) if run_id else None
    if run is not None:
        return events if is_own_run(run) else []
    return [event for event in events if (check := event[1].asset_check_evaluation) and is_own_asset(check.asset_key)]


def _events(instance: dg.DagsterInstance, after: int) -> tuple[list[Event], int]:
    """Return the events of the reported kinds in the log's order, and the position up to which they are complete."""
    storage = instance.event_log_storage
    # Read the end first: events that are logged while this runs are left to the next tick.
    end = max(after, storage.get_maximum_record_id() or 0)
    events: list[Event] = []
    for kind in REPORTED:
        entries = storage.get_logs_for_all_runs_by_log_id(after, kind, EVENTS_PER_TICK)
        if len(entries) == EVENTS_PER_TICK:
            end = min(end, max(entries))
        events.extend(entries.items())
    return sorted((event for event in events if event[0] <= end), key=lambda event: event[0]), end


def _is_reported(instance: dg.DagsterInstance, entry: dg.EventLogEntry, least: str) -> bool:
    """Return whether an event is a failed run that no person stopped, or a new failed check of `least` severity."""
    evaluation = entry.asset_check_evaluation
    if evaluation is None:
        return not _is_interrupted(instance, entry)
    if evaluation.passed or SEVERITIES.index(_severity(evaluation)) < SEVERITIES.index(least):
        return False
    if BY_PARTITION in evaluation.metadata:  # the results of the partitions are reported instead
        return False
    return CACHED not in evaluation.metadata or not _is_known(instance, entry, evaluation)


def _is_interrupted(instance: dg.DagsterInstance, entry: dg.EventLogEntry) -> bool:
    """Return whether a person stopped the run, according to the errors of its failed steps."""
    steps = instance.all_logs(entry.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return any(is_interruption(step.get_dagster_event().step_failure_data.error) for step in steps)


def _is_known(instance: dg.DagsterInstance, entry: dg.EventLogEntry, evaluation: dg.AssetCheckEvaluation) -> bool:
    """Return whether the check's previous evaluation failed with the same description."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        evaluation.asset_check_key, LATEST_EVALUATIONS, partition_filter=PartitionKeyFilter(key=evaluation.partition)
    )
    events = [record.event for record in records if record.event is not None]
    earlier = [event.asset_check_evaluation for event in events if event.timestamp < entry.timestamp]
    previous = next(filter(None, earlier), None)  # a planned check of a run that died has no evaluation
    return previous is not None and (previous.passed, previous.description) == (False, evaluation.description)


def _severity(evaluation: dg.AssetCheckEvaluation) -> str:
    return "error" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "warn"


def build_alert(instance: dg.DagsterInstance, run_id: str, events: Sequence[Event]) -> Alert:
    """Return one message about a run; `events` are the evaluations of its failed checks and its own failure."""
    evaluations = [check for _, entry in events if (check := entry.asset_check_evaluation) is not None]
    run_failed, run = len(evaluations) < len(events), instance.get_run_by_id(run_id)
    last_position, last = events[-1]
    names = [check.partition or _partitions(run) for check in evaluations] or [_partitions(run)]
    lines = [line for check, name in zip(evaluations, names, strict=False) for line in _check_lines(check, name)]
    if run_failed:
        lines.extend(_run_lines(instance, run_id, run))
    assets = dict.fromkeys(check.asset_key.to_user_string() for check in evaluations)
    partitions = dict.fromkeys(filter(None, names))
    failed = [f"run {run_id[:8]} {_partitions(run)}".strip()] if run_failed else []
    if evaluations:
        checks = dict.fromkeys(check.check_name for check in evaluations)
        failed.append(f"check {', '.join(checks)} of {', '.join(assets)} {', '.join(partitions)}".strip())
    severities = [*map(_severity, evaluations), *(["error"] if run_failed else [])]
    address = os.environ.get(UI_VARIABLE, "").rstrip("/")
    return Alert(
        title=_cut(f"ganforge: failed: {'; '.join(failed)}", LONGEST_TITLE),
        lines=_fitting(lines),
        url=f"{address}/runs/{run_id}" if address and run_id else "",
        severity=max(severities, key=SEVERITIES.index),
        asset=_cut(", ".join(assets), LONGEST_TITLE),
        partition=_cut(", ".join(partitions), LONGEST_TITLE),
        run_id=run_id,
        time=datetime.fromtimestamp(last.timestamp, UTC).isoformat(timespec="seconds"),
        alert_id=f"{run_id}.{last_position}",
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _fitting(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the lines that fit into a message, and a line with the number of the others."""
    cut = [_cut(line, LONGEST_LINE) for line in lines]
    fitting = sum(length <= LONGEST_TEXT for length in accumulate(map(len, cut)))
    dropped = len(cut) - fitting
    return (*cut[:fitting], f"{dropped} more: see the run") if dropped else tuple(cut)


def _partitions(run: dg.DagsterRun | None) -> str:
    """Return a run's partition, or the first and last of several; empty without partitions."""
    if run is None:
        return ""
    ends = [run.tags.get(PARTITION_NAME_TAG), run.tags.get(RANGE_START_TAG), run.tags.get(RANGE_END_TAG)]
    return " to ".join(dict.fromkeys(filter(None, ends)))


def _check_lines(evaluation: dg.AssetCheckEvaluation, partition: str) -> Iterator[str]:
    """Yield lines with the summary, the evidence and the change to try."""
    metadata = dict(_metadata_as_text(evaluation))
    asset = f"{evaluation.asset_key.to_user_string()} {partition}".strip()
    summary = metadata.get(SUMMARY) or evaluation.description or "failed"
    yield f"{asset}, check {evaluation.check_name} ({_severity(evaluation)}): {summary}"
    evidence = [f"{name} {value}" for name, value in metadata.items() if _is_evidence(name, value)]
    if evidence:
        yield f"evidence: {'; '.join(evidence)}"
    if metadata.get(ADVICE):
        yield f"to try: {metadata[ADVICE]}"


def _metadata_as_text(evaluation: dg.AssetCheckEvaluation) -> Iterator[tuple[str, str]]:
    """Yield names and values of the metadata as text; the fields of an object one by one."""
    for name, value in evaluation.metadata.items():
        if isinstance(value, dg.JsonMetadataValue) and isinstance(value.value, dict):
            for key, entry in value.value.items():
                yield key, entry if isinstance(entry, str) else json.dumps(entry)
        else:
            yield name, str(value.value)


def _is_evidence(name: str, value: str) -> bool:
    """Return whether a value is short enough for a message. Pictures and tables are left to the UI."""
    return name not in (SUMMARY, ADVICE) and len(value) <= LONGEST_EVIDENCE and "\n" not in value


def _run_lines(instance: dg.DagsterInstance, run_id: str, run: dg.DagsterRun | None) -> Iterator[str]:
    """Yield the error of each failed step, or the run's message if no step failed, and whether the run is retried."""
    steps = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for entry in steps:
        if entry.dagster_event is not None:
            step = str(entry.step_key).replace("__", "/", 1)
            yield f"{step} failed: {error_sentence(entry.dagster_event.step_failure_data.error)}"
    if not steps:
        ends = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        yield from dict.fromkeys(_message(entry) for entry in ends)
    if run is not None and run.tags.get(WILL_RETRY_TAG) == "true":
        yield "the run is retried automatically"


def _message(entry: dg.EventLogEntry) -> str:
    event = entry.dagster_event
    return " ".join(((event.message if event else None) or "no message").split())
