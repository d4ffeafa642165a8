"""Alerts: a sensor that tells of failed checks and failed runs, what one run did in one message.

In: the event log since the sensor's cursor; the first tick starts at "now". Out: messages to the sink of the settings.
The cursor moves on only past what was delivered, or refused for good: a sink that cannot be reached loses nothing.
What is told is told at least once; a restart alone repeats nothing.
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
from assets.triggers.failures import is_interruption, own_sentence
from assets.triggers.operations import Alerts

UI_VARIABLE = "GANFORGE_UI"  # the address under which a person sees the runs
INTERVAL_SECONDS = 30
LONGEST_TICK_SECONDS = 30.0  # Dagster gives a tick 60; what is left then is told by the next
EVENTS_A_TICK = 1000
SEVERITIES = ("warn", "error")  # the worst last
TOLD = (dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.RUN_FAILURE)
SUMMARY, ADVICE = "summary", "advice"  # metadata of a check's result
LONGEST_EVIDENCE = 200  # characters of one value
LONGEST_TITLE, LONGEST_LINE, LONGEST_TEXT = 200, 1000, 3000  # characters; many services refuse 4,000
LATEST_EVALUATIONS = 20  # of a check, among which the one before is looked for

Event = tuple[int, dg.EventLogEntry]  # with its place in the log


@dataclass
class Cursor:
    """How far the log has been told: all up to `after`, and of some runs more."""

    after: int
    runs: dict[str, int] = field(default_factory=dict)  # by run, up to where

    @property
    def text(self) -> str:
        """As Dagster keeps it; `read_cursor` is the inverse."""
        return json.dumps({"after": self.after, "runs": self.runs})


def read_cursor(text: str) -> Cursor:
    """The cursor of an earlier tick."""
    return Cursor(**json.loads(text))


def build_alerts_sensor(settings: Alerts) -> dg.SensorDefinition:
    """The sensor, which does nothing until a person starts it and names a sink."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Tells of failed checks and failed runs, as [alerts] of the operations file says.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if settings.sink == "none":
            return dg.SkipReason("no sink: set [alerts] sink in the file that GANFORGE_OPERATIONS names")
        if context.cursor is None:
            newest = context.instance.event_log_storage.get_maximum_record_id() or 0
            context.update_cursor(Cursor(newest).text)
            return dg.SkipReason("tells of what fails from now on")
        cursor = read_cursor(context.cursor)
        told = _tell(context.instance, cursor, settings)
        context.update_cursor(cursor.text)
        return dg.SkipReason(told)

    return alerts


def _tell(instance: dg.DagsterInstance, cursor: Cursor, settings: Alerts) -> str:
    """Send a message a run, move the cursor on, and say in one sentence what was done."""
    events, end = _events(instance, cursor.after)
    grouped: dict[str, list[Event]] = {}
    for place, entry in events:
        if place > cursor.runs.get(entry.run_id, -1) and _is_told(instance, entry, settings.least_severity):
            grouped.setdefault(entry.run_id, []).append((place, entry))
    grouped = {run_id: some for run_id, of_run in grouped.items() if (some := _own(instance, run_id, of_run))}
    refused = 0
    deadline = time.monotonic() + LONGEST_TICK_SECONDS
    for sent, (run_id, of_run) in enumerate(grouped.items()):
        if time.monotonic() > deadline:
            return f"told of {sent} of {len(grouped)} runs; the next tick goes on"
        try:
            refused += not deliver(build_alert(instance, run_id, of_run), settings)
        except UndeliveredError as error:
            return str(error)
        cursor.runs[run_id] = of_run[-1][0]
    cursor.after, cursor.runs = end, {}
    if not grouped:
        return "nothing new failed"
    told = f"told of {len(grouped) - refused} run{'' if len(grouped) - refused == 1 else 's'}"
    return f"{told}; the sink refused {refused}, which the log has" if refused else told


def _own(instance: dg.DagsterInstance, run_id: str, events: list[Event]) -> list[Event]:
    """The events of one run that are this project's; those outside any run are judged by their assets."""
    run = instance.get_run_by_id(run_id) if run_id else None
    if run is not None:
        return events if is_own_run(run) else []
    return [event for event in events if (check := event[1].asset_check_evaluation) and is_own_asset(check.asset_key)]


def _events(instance: dg.DagsterInstance, after: int) -> tuple[list[Event], int]:
    """What may have to be told, in the log's order, and how far that is all there is."""
    storage = instance.event_log_storage
    end = max(after, storage.get_maximum_record_id() or 0)  # read first: what comes meanwhile is for the next tick
    found: list[Event] = []
    for kind in TOLD:
        some = storage.get_logs_for_all_runs_by_log_id(after, kind, EVENTS_A_TICK)
        if len(some) == EVENTS_A_TICK:
            end = min(end, max(some))
        found.extend(some.items())
    return sorted((event for event in found if event[0] <= end), key=lambda event: event[0]), end


def _is_told(instance: dg.DagsterInstance, entry: dg.EventLogEntry, least: str) -> bool:
    """Whether it is a run that failed by itself, or a failed check of at least this severity that is news."""
    evaluation = entry.asset_check_evaluation
    if evaluation is None:
        return not _is_interrupted(instance, entry)
    if evaluation.passed or SEVERITIES.index(_severity(evaluation)) < SEVERITIES.index(least):
        return False
    if BY_PARTITION in evaluation.metadata:  # each partition's own result is told
        return False
    return CACHED not in evaluation.metadata or not _is_known(instance, entry, evaluation)


def _is_interrupted(instance: dg.DagsterInstance, entry: dg.EventLogEntry) -> bool:
    """Whether a person stopped the run, by what the steps that failed say."""
    steps = instance.all_logs(entry.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return any(is_interruption(step.get_dagster_event().step_failure_data.error) for step in steps)


def _is_known(instance: dg.DagsterInstance, entry: dg.EventLogEntry, evaluation: dg.AssetCheckEvaluation) -> bool:
    """Whether the evaluation before said the same; there is none where the run that made it died."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        evaluation.asset_check_key, LATEST_EVALUATIONS, partition_filter=PartitionKeyFilter(key=evaluation.partition)
    )
    events = [record.event for record in records if record.event is not None]
    earlier = [event.asset_check_evaluation for event in events if event.timestamp < entry.timestamp]
    before = next(filter(None, earlier), None)  # the planned ones are none
    return before is not None and (before.passed, before.description) == (False, evaluation.description)


def _severity(evaluation: dg.AssetCheckEvaluation) -> str:
    return "error" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "warn"


def build_alert(instance: dg.DagsterInstance, run_id: str, events: Sequence[Event]) -> Alert:
    """One message of what failed in a run; `events` are its failed checks' evaluations and its own failure."""
    evaluations = [each for _, entry in events if (each := entry.asset_check_evaluation) is not None]
    run_failed, run = len(evaluations) < len(events), instance.get_run_by_id(run_id)
    last_place, last = events[-1]
    places = [each.partition or _partitions(run) for each in evaluations] or [_partitions(run)]
    lines = [line for each, place in zip(evaluations, places, strict=False) for line in _check_lines(each, place)]
    if run_failed:
        lines.extend(_run_lines(instance, run_id, run))
    assets = dict.fromkeys(each.asset_key.to_user_string() for each in evaluations)
    partitions = dict.fromkeys(filter(None, places))
    failed = [f"run {run_id[:8]} {_partitions(run)}".strip()] if run_failed else []
    if evaluations:
        checks = dict.fromkeys(each.check_name for each in evaluations)
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
        alert_id=f"{run_id}.{last_place}",
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _fitting(lines: Iterable[str]) -> tuple[str, ...]:
    """As many lines as fit into a message, and how many did not."""
    shown = [_cut(line, LONGEST_LINE) for line in lines]
    fitting = sum(length <= LONGEST_TEXT for length in accumulate(map(len, shown)))
    left = len(shown) - fitting
    return (*shown[:fitting], f"{left} more: see the run") if left else tuple(shown)


def _partitions(run: dg.DagsterRun | None) -> str:
    """A run's partition, or the first and last of several; empty where it has none."""
    if run is None:
        return ""
    ends = [run.tags.get(PARTITION_NAME_TAG), run.tags.get(RANGE_START_TAG), run.tags.get(RANGE_END_TAG)]
    return " to ".join(dict.fromkeys(filter(None, ends)))


def _check_lines(evaluation: dg.AssetCheckEvaluation, partition: str) -> Iterator[str]:
    """What was found, the evidence, and the change to try."""
    shown = dict(_shown(evaluation))
    name = f"{evaluation.asset_key.to_user_string()} {partition}".strip()
    found = shown.get(SUMMARY) or evaluation.description or "failed"
    yield f"{name}, check {evaluation.check_name} ({_severity(evaluation)}): {found}"
    evidence = [f"{name} {value}" for name, value in shown.items() if _is_evidence(name, value)]
    if evidence:
        yield f"evidence: {'; '.join(evidence)}"
    if shown.get(ADVICE):
        yield f"to try: {shown[ADVICE]}"


def _shown(evaluation: dg.AssetCheckEvaluation) -> Iterator[tuple[str, str]]:
    """The metadata as text; an object's fields one by one."""
    for name, value in evaluation.metadata.items():
        if isinstance(value, dg.JsonMetadataValue) and isinstance(value.value, dict):
            yield from (
                (field, each if isinstance(each, str) else json.dumps(each)) for field, each in value.value.items()
            )
        else:
            yield name, str(value.value)


def _is_evidence(name: str, value: str) -> bool:
    """Short values; pictures and tables are for the UI."""
    return name not in (SUMMARY, ADVICE) and len(value) <= LONGEST_EVIDENCE and "\n" not in value


def _run_lines(instance: dg.DagsterInstance, run_id: str, run: dg.DagsterRun | None) -> Iterator[str]:
    """What each failed step said, or else what was said about the run; and whether it is tried again."""
    steps = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for entry in steps:
        if entry.dagster_event is not None:
            step = str(entry.step_key).replace("__", "/", 1)
            yield f"{step} failed: {own_sentence(entry.dagster_event.step_failure_data.error)}"
    if not steps:
        ends = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        yield from dict.fromkeys(_message(entry) for entry in ends)
    if run is not None and run.tags.get(WILL_RETRY_TAG) == "true":
        yield "it is tried again by itself"


def _message(entry: dg.EventLogEntry) -> str:
    event = entry.dagster_event
    return " ".join(((event.message if event else None) or "it said nothing").split())
