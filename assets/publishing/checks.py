"""Checks: how findings reach Dagster as asset check results, partition by partition.

In: findings of `pipeline` (what was seen, how bad it is, the change to try). Out: specs for the definitions, and
results. Dagster takes one result a check from a run; a run of several partitions also logs an evaluation for each
(docs/decisions/0017), and its one result says which failed.
"""

import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluation,
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.events import DagsterEvent

from assets.graph.partitions import PARTITIONS
from pipeline.findings import Finding

SEVERITIES = {"warn": dg.AssetCheckSeverity.WARN, "error": dg.AssetCheckSeverity.ERROR}
CACHED = "cached"  # metadata: the asset was there already, and is registered again unchanged
BY_PARTITION = "partitions"  # metadata of the result of several partitions, each of which has one of its own
Findings = Mapping[str, Sequence[Finding]]  # by partition


def check_specs(
    asset_key: dg.AssetKey, described: Mapping[str, str], *, partitioned: bool = False, blocking: bool = False
) -> list[dg.AssetCheckSpec]:
    """A spec a check: its name and what it looks at."""
    with warnings.catch_warnings():
        # Checks of partitions are a preview, and say so each time that definitions load.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                name,
                asset=asset_key,
                description=text,
                blocking=blocking,
                partitions_def=PARTITIONS if partitioned else None,
            )
            for name, text in described.items()
        ]


def check_results(
    asset_key: dg.AssetKey, findings: Iterable[Finding], *, cached: bool = False
) -> list[dg.AssetCheckResult]:
    """The results of an asset without partitions, or of the only partition of a run."""
    return [_result(asset_key, finding, cached=cached) for finding in findings]


def publish_checks(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, findings: Findings, *, cached: Collection[str] = ()
) -> Iterator[dg.AssetCheckResult]:
    """The results of a partitioned asset in a run of several partitions, of which some may have been `cached`."""
    names = dict.fromkeys(finding.check for of_partition in findings.values() for finding in of_partition)
    targets = {
        partition: _materialization(context, asset_key, partition) for partition, each in findings.items() if each
    }
    for name in names:
        found = {key: finding for key, each in findings.items() for finding in each if finding.check == name}
        for partition, finding in found.items():
            result = _result(asset_key, finding, cached=partition in cached)
            _log_evaluation(context, result, partition, targets[partition])
        yield _together(asset_key, name, found)


def _result(asset_key: dg.AssetKey, finding: Finding, *, cached: bool) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=asset_key,
        check_name=finding.check,
        passed=finding.passed,
        severity=SEVERITIES[finding.severity],
        description=finding.summary,
        metadata={**_metadata(finding), **({CACHED: dg.MetadataValue.bool(True)} if cached else {})},
    )


def _metadata(finding: Finding) -> dict[str, dg.MetadataValue]:
    """The summary and the advice first, which alerts repeat."""
    told = {"summary": finding.summary, "advice": finding.advice}
    return {
        **{name: dg.MetadataValue.text(text) for name, text in told.items() if text},
        "evidence": dg.MetadataValue.json(finding.evidence),
    }


def _materialization(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, partition: str
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """The newest materialization of a partition: Dagster drops check results that name another one, or none."""
    asked = dg.AssetRecordsFilter(asset_key, asset_partitions=[partition])
    records = context.instance.fetch_materializations(asked, limit=1).records
    return next((_target(record) for record in records), None)


def _target(record: dg.EventLogRecord) -> AssetCheckEvaluationTargetMaterializationData:
    return AssetCheckEvaluationTargetMaterializationData(
        run_id=record.event_log_entry.run_id, storage_id=record.storage_id, timestamp=record.timestamp
    )


def _log_evaluation(
    context: dg.AssetExecutionContext,
    result: dg.AssetCheckResult,
    partition: str,
    target: AssetCheckEvaluationTargetMaterializationData | None,
) -> None:
    """Log one partition's result, as Dagster itself records that of a run of one partition."""
    assert result.asset_key is not None
    assert result.check_name is not None
    evaluation = AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata=result.metadata,
        target_materialization_data=target,
        partition=partition,
    )
    DagsterEvent.asset_check_evaluation(context.get_step_execution_context(), evaluation)


def _together(asset_key: dg.AssetKey, name: str, found: Mapping[str, Finding]) -> dg.AssetCheckResult:
    """The one result of a run of several partitions: failed where one did, as bad as the worst that failed."""
    failed = {partition: finding for partition, finding in found.items() if not finding.passed}
    worst = "error" if any(finding.severity == "error" for finding in (failed or found).values()) else "warn"
    rows = [
        dg.TableRecord(
            {
                "partition": partition,
                "passed": finding.passed,
                "found": finding.summary,
                "advice": finding.advice,
            }
        )
        for partition, finding in found.items()
    ]
    return dg.AssetCheckResult(
        asset_key=asset_key,
        check_name=name,
        passed=not failed,
        severity=SEVERITIES[worst],
        description=f"failed for {', '.join(failed)}" if failed else f"passed for {', '.join(found)}",
        metadata={BY_PARTITION: dg.MetadataValue.table(rows)},
    )
