"""Results: how the result of an asset reaches Dagster, for one partition or for several made in one run.

A `MaterializeResult` carries one data version for all partitions of a run. A run of several partitions therefore also
logs one materialization per partition, with its own metadata, data version and provenance (docs/decisions/0004).
Without provenance Dagster compares times. It would then call a partition out of date as soon as an upstream asset is
registered again unchanged.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

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
from assets.publishing.evidence import Metadata, to_metadata
from assets.publishing.settings_versions import NAME, loaded_version
from pipeline.evidence import Drawing, Evidence
from pipeline.findings import Finding
from pipeline.memory import peak_memory_mib
from pipeline.storage.artefact import Artefact

log = logging.getLogger(__name__)

OWN_LOGGERS = ("pipeline", "assets")

Published = dg.MaterializeResult | dg.AssetMaterialization | dg.AssetCheckResult
Provenance = Mapping[tuple[dg.AssetKey, str], dict[str, str]]  # tags by asset and partition


@dataclass(frozen=True)
class Result:
    """The result of making one asset, or one of its partitions."""

    data_version: str
    evidence: Evidence
    cached: bool  # True if it existed unchanged and was only registered again
    findings: Sequence[Finding] = ()  # of the asset's checks


def result_of(artefact: Artefact, evidence: Evidence, findings: Sequence[Finding] = ()) -> Result:
    """Return the result of an asset that is one artefact."""
    return Result(artefact.fingerprint, evidence, artefact.cached, findings)


def publish(
    context: dg.AssetExecutionContext,
    asset_key: dg.AssetKey,
    result: Result,
    *,
    partition: str = "",
    tags: Mapping[str, str] | None = None,
    with_checks: bool = True,
) -> dg.MaterializeResult:
    """Return the materialization of an asset without partitions, or of a run's only partition.

    `tags` replace the provenance that Dagster would write itself.
    """
    _log_result(asset_key, result, partition)
    return dg.MaterializeResult(
        asset_key=asset_key,
        metadata=_metadata(context, asset_key, result, partition),
        data_version=dg.DataVersion(result.data_version),
        check_results=check_results(asset_key, result.findings, cached=result.cached) if with_checks else None,
        tags=tags,
    )


def publish_partitions(
    context: dg.AssetExecutionContext,
    asset_key: dg.AssetKey,
    results: Mapping[str, Result],
    provenance: Provenance,
) -> Iterator[Published]:
    """Yield the materializations and checks of a partitioned asset; `results` by partition of the run.

    `provenance` is the one that was read before the partitions were made.
    """
    # A backfill names the only partition of a run as a range of equal ends. Dagster takes materializations of it for
    # that partition's, but files check results under a partition only where the run is tagged with its key.
    if len(context.partition_keys) == 1:
        is_tagged = context.has_partition_key
        for partition, result in results.items():
            tags = provenance[asset_key, partition]
            yield publish(context, asset_key, result, partition=partition, tags=tags, with_checks=is_tagged)
        if not is_tagged:
            yield from _publish_checks(context, asset_key, results)
        return
    # Only where no partition failed: Dagster takes this result for all partitions of the run.
    if set(results) == set(context.partition_keys):
        yield dg.MaterializeResult(asset_key=asset_key)
    for partition, result in results.items():
        _log_result(asset_key, result, partition)
        tags = {DATA_VERSION_TAG: result.data_version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}
        tags |= provenance[asset_key, partition]
        metadata = _metadata(context, asset_key, result, partition)
        yield dg.AssetMaterialization(asset_key=asset_key, partition=partition, metadata=metadata, tags=tags)
    yield from _publish_checks(context, asset_key, results)


def _publish_checks(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, results: Mapping[str, Result]
) -> Iterator[dg.AssetCheckResult]:
    cached = {partition for partition, result in results.items() if result.cached}
    findings = {partition: result.findings for partition, result in results.items()}
    yield from publish_checks(context, asset_key, findings, cached=cached)


def read_provenance(context: dg.AssetExecutionContext) -> Provenance:
    """Return the code and input versions of the selected assets now, per partition of the run."""
    partitions = [(key, partition) for key in context.selected_asset_keys for partition in context.partition_keys]
    return {(key, partition): _provenance(context, key, partition) for key, partition in partitions}


def _provenance(context: dg.AssetExecutionContext, asset_key: dg.AssetKey, partition: str) -> dict[str, str]:
    """Return tags with the versions of the code and of each input, as Dagster writes them for a single partition.

    The version of the settings is the one that this process loaded.
    """
    code_version = context.assets_def.code_versions_by_key[asset_key]
    tags = {} if code_version is None else {CODE_VERSION_TAG: code_version}
    for parent in context.assets_def.asset_deps[asset_key]:
        record = _newest(context, parent, partition)
        version = None if record is None else extract_data_version_from_entry(record.event_log_entry)
        if record is not None and version is not None:
            # A table may have been edited and observed since this process read it.
            is_settings = parent.path[-1] == NAME
            used = loaded_version(parent.path[0], partition) if is_settings else version.value
            tags[get_input_data_version_tag(parent)] = used
            # Dagster compares versions only if the input has an event after this one.
            tags[get_input_event_pointer_tag(parent)] = str(record.storage_id - (used != version.value))
    return tags


def _newest(context: dg.AssetExecutionContext, asset_key: dg.AssetKey, partition: str) -> dg.EventLogRecord | None:
    """Return the newest materialization, or observation of a source; of `partition` if the asset is partitioned."""
    is_partitioned = context.job_def.asset_layer.get(asset_key).is_partitioned
    record: dg.EventLogRecord | None = context.instance.get_latest_data_version_record(
        asset_key, partition_key=partition if is_partitioned else None
    )
    return record


def _metadata(context: dg.AssetExecutionContext, asset_key: dg.AssetKey, result: Result, partition: str) -> Metadata:
    """Return a result's metadata. The memory is the run's so far: its assets share one process."""
    has_drawings = any(isinstance(value, Drawing) for value in result.evidence.values())
    former = _former_metadata(context, asset_key, partition, result.data_version) if has_drawings else {}
    return {
        **to_metadata(result.evidence, former if result.cached else None),
        "cached": result.cached,
        "run_peak_memory_mib": peak_memory_mib(),
    }


def _former_metadata(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, partition: str, data_version: str
) -> Mapping[str, dg.MetadataValue]:
    """Return the metadata of the newest materialization if it has this data version, else none."""
    record = _newest(context, asset_key, partition)
    if record is None or record.asset_materialization is None:
        return {}
    version = extract_data_version_from_entry(record.event_log_entry)
    is_same = version is not None and version.value == data_version
    return record.asset_materialization.metadata if is_same else {}


def publish_each(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, make: Callable[[str], Result]
) -> Iterator[Published]:
    """Make and publish each partition of the run by itself.

    A partition that fails does not stop the rest: `dg.Failure` names it after the others are published.
    """
    provenance = read_provenance(context)  # before the inputs are read: they may change while partitions are made
    results: dict[str, Result] = {}
    failures: dict[str, Exception] = {}
    for partition in context.partition_keys:
        try:
            results[partition] = make(partition)
        except (OSError, ValueError) as error:
            log.error("%s %s: %s", asset_key.to_user_string(), partition, error)
            failures[partition] = error
    yield from publish_partitions(context, asset_key, results, provenance)
    if failures:
        sentences = (f"{partition}: {error}" for partition, error in failures.items())
        raise dg.Failure("; ".join(sentences), allow_retries=False)


def _log_result(asset_key: dg.AssetKey, result: Result, partition: str) -> None:
    name = f"{asset_key.to_user_string()} {partition}".rstrip()
    log.info("%s: %s", name, "unchanged" if result.cached else "made")


@contextmanager
def logged(context: dg.AssetExecutionContext) -> Iterator[None]:
    """While an asset runs, copy the log lines of `pipeline` and `assets` to the run's log in Dagster."""
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
