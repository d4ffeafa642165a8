"""Publishing: how an asset's result reaches Dagster, for one partition or for several made in one run.

A `MaterializeResult` carries one data version for all partitions of a run, so a run of several partitions also logs a
materialization for each, with its own metadata, data version and provenance (docs/decisions/0004). Without provenance
Dagster compares times, and calls a partition out of date as soon as something upstream is registered again unchanged.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    extract_data_version_from_entry,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from assets.publishing.checks import check_results, publish_checks
from assets.publishing.settings_versions import NAME, loaded_version
from pipeline.findings import Finding
from pipeline.memory import peak_memory_mib

log = logging.getLogger(__name__)

OWN_LOGGERS = ("pipeline", "assets")

Published = dg.MaterializeResult | dg.AssetMaterialization | dg.AssetCheckResult
Provenance = Mapping[tuple[dg.AssetKey, str], dict[str, str]]  # tags by asset and partition


@dataclass(frozen=True)
class Made:
    """What one asset has become, for one partition where it is partitioned."""

    data_version: str
    metadata: Mapping[str, Any]
    cached: bool
    findings: Sequence[Finding] = ()  # of its checks


def publish(
    asset_key: dg.AssetKey,
    made: Made,
    *,
    partition: str = "",
    tags: Mapping[str, str] | None = None,
    with_checks: bool = True,
) -> dg.MaterializeResult:
    """The result of an asset without partitions, or of the only partition of a run. `tags` replace Dagster's own."""
    _tell(asset_key, made, partition)
    return dg.MaterializeResult(
        asset_key=asset_key,
        metadata=_with_cost(made),
        data_version=dg.DataVersion(made.data_version),
        check_results=check_results(asset_key, made.findings, cached=made.cached) if with_checks else None,
        tags=tags,
    )


def publish_partitions(
    context: dg.AssetExecutionContext,
    asset_key: dg.AssetKey,
    made: Mapping[str, Made],
    provenance: Provenance,
) -> Iterator[Published]:
    """The result of a partitioned asset, for every partition of the run; `provenance` is that before it was made."""
    # A backfill names the only partition of a run as a range of equal ends. Dagster takes materializations of it for
    # that partition's, but files check results under a partition only where the run is tagged with its key.
    if len(context.partition_keys) == 1:
        tagged = context.has_partition_key
        for partition, one in made.items():
            tags = provenance[asset_key, partition]
            yield publish(asset_key, one, partition=partition, tags=tags, with_checks=tagged)
        if not tagged:
            yield from _publish_checks(context, asset_key, made)
        return
    if set(made) == set(context.partition_keys):  # it would register partitions that failed as made
        yield dg.MaterializeResult(asset_key=asset_key)
    for partition, one in made.items():
        _tell(asset_key, one, partition)
        tags = {DATA_VERSION_TAG: one.data_version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}
        tags |= provenance[asset_key, partition]
        yield dg.AssetMaterialization(asset_key=asset_key, partition=partition, metadata=_with_cost(one), tags=tags)
    yield from _publish_checks(context, asset_key, made)


def _publish_checks(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, made: Mapping[str, Made]
) -> Iterator[dg.AssetCheckResult]:
    cached = {partition for partition, one in made.items() if one.cached}
    findings = {partition: one.findings for partition, one in made.items()}
    yield from publish_checks(context, asset_key, findings, cached=cached)


def read_provenance(context: dg.AssetExecutionContext) -> Provenance:
    """What the selected assets are made from, for each partition of the run."""
    places = [(key, partition) for key in context.selected_asset_keys for partition in context.partition_keys]
    return {place: _provenance(context, *place) for place in places}


def _provenance(context: dg.AssetExecutionContext, asset_key: dg.AssetKey, partition: str) -> dict[str, str]:
    """The code's version and each input's, as Dagster tags a single partition itself, but this process's settings."""
    code_version = context.assets_def.code_versions_by_key[asset_key]
    tags = {} if code_version is None else {CODE_VERSION_TAG: code_version}
    for parent in context.assets_def.asset_deps[asset_key]:
        record = _newest(context, parent, partition)
        version = None if record is None else extract_data_version_from_entry(record.event_log_entry)
        if record is not None and version is not None:
            # a table may have been edited, and that observed, since this process read it
            is_settings = parent.path[-1] == NAME
            seen = loaded_version(parent.path[0], partition) if is_settings else version.value
            tags[get_input_data_version_tag(parent)] = seen
            # Dagster compares versions where something happened after this event
            tags[get_input_event_pointer_tag(parent)] = str(record.storage_id - (seen != version.value))
    return tags


def _newest(context: dg.AssetExecutionContext, asset_key: dg.AssetKey, partition: str) -> dg.EventLogRecord | None:
    """The last materialization, or observation of a source, of the partition where it has partitions."""
    is_partitioned = context.job_def.asset_layer.get(asset_key).is_partitioned
    record: dg.EventLogRecord | None = context.instance.get_latest_data_version_record(
        asset_key, partition_key=partition if is_partitioned else None
    )
    return record


def _with_cost(made: Made) -> dict[str, Any]:
    """The memory is that of the run so far, whose assets share one process; Dagster itself keeps the time of each."""
    return {**made.metadata, "cached": made.cached, "run_peak_memory_mib": peak_memory_mib()}


def drawn_before(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, partition: str, data_version: str, name: str
) -> dg.MetadataValue | None:
    """A picture of the newest materialization, where that is of the same data version: drawing it takes longer."""
    record = _newest(context, asset_key, partition)
    if record is None or record.asset_materialization is None:
        return None
    version = extract_data_version_from_entry(record.event_log_entry)
    same = version is not None and version.value == data_version
    return record.asset_materialization.metadata.get(name) if same else None


def publish_each(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, make: Callable[[str], Made]
) -> Iterator[Published]:
    """Make and publish each partition of the run by itself: one that fails is named after the others are published."""
    provenance = read_provenance(context)  # of what is read from here on
    made: dict[str, Made] = {}
    failed: dict[str, Exception] = {}
    for partition in context.partition_keys:
        try:
            made[partition] = make(partition)
        except (OSError, ValueError) as error:
            log.error("%s %s: %s", asset_key.to_user_string(), partition, error)
            failed[partition] = error
    yield from publish_partitions(context, asset_key, made, provenance)
    if failed:
        raise dg.Failure("; ".join(f"{partition}: {error}" for partition, error in failed.items()), allow_retries=False)


def shown(value: float | None) -> str:
    """A score in a table."""
    from pipeline.comparison.ranking import number

    return "not defined" if value is None else number(value)


def _tell(asset_key: dg.AssetKey, made: Made, partition: str) -> None:
    name = f"{asset_key.to_user_string()} {partition}".rstrip()
    log.info("%s: %s", name, "unchanged" if made.cached else "made")


@contextmanager
def logged(context: dg.AssetExecutionContext) -> Iterator[None]:
    """While an asset runs, what `pipeline` and `assets` log also reaches the run's log in Dagster."""
    handler = _ToDagster(context)
    loggers = [logging.getLogger(name) for name in OWN_LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


class _ToDagster(logging.Handler):
    def __init__(self, context: dg.AssetExecutionContext) -> None:
        super().__init__(logging.INFO)
        self.context = context

    def emit(self, record: logging.LogRecord) -> None:
        self.context.log.log(record.levelno, record.getMessage())
