"""Checks: how findings reach Dagster as asset check results, partition by partition.

In: findings of `pipeline` (an observation, its severity, the change to try). Out: specs for the definitions, and
results. Dagster takes one result per check from a run. A run of several partitions therefore also logs one evaluation
per partition (docs/decisions/0017), and its one result lists the partitions that failed.
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
CACHED = "cached"  # metadata: the asset existed and is registered again unchanged
BY_PARTITION = "partitions"  # metadata of a run's one result: a table with the result of each partition
Findings = Mapping[str, Sequence[Finding]]  # by partition


def check_specs(
    asset_key: dg.AssetKey, described: Mapping[str, str], *, partitioned: bool = False, blocking: bool = False
) -> list[dg.AssetCheckSpec]:
    """Return one spec per check, with its name and description."""
    with warnings.catch_warnings():
        # Checks of partitions are a preview feature, and Dagster warns of it each time the definitions load.
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
    """Return the check results of an asset without partitions, or of the only partition of a run."""
    return [_result(asset_key, finding, cached=cached) for finding in findings]


def publish_checks(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, findings: Findings, *, cached: Collection[str] = ()
) -> Iterator[dg.AssetCheckResult]:
    """Log one evaluation per partition and check, and yield one result per check for the whole run.

    `cached` names the partitions that existed unchanged.
    """
    checks = dict.fromkeys(finding.check for partition_findings in findings.values() for finding in partition_findings)
    targets = {
        partition: _materialization(context, asset_key, partition)
        for partition, partition_findings in findings.items()
        if partition_findings
    }
    for check in checks:
        by_partition = {
            partition: finding
            for partition, partition_findings in findings.items()
            for finding in partition_findings
            if finding.check == check
        }
        for partition, finding in by_partition.items():
            result = _result(asset_key, finding, cached=partition in cached)
            _log_evaluation(context, result, partition, targets[partition])
        yield _run_result(asset_key, check, by_partition)


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
    """Return summary and advice, which alerts repeat, and then the evidence."""
    sentences = {"summary": finding.summary, "advice": finding.advice}
    return {
        **{name: dg.MetadataValue.text(text) for name, text in sentences.items() if text},
        "evidence": dg.MetadataValue.json(finding.evidence),
    }


def _materialization(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, partition: str
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """Return the newest materialization of a partition. Dagster drops check results that name another one or none."""
    newest = dg.AssetRecordsFilter(asset_key, asset_partitions=[partition])
    records = context.instance.fetch_materializations(newest, limit=1).records
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
    """Log one partition's result in the form that Dagster records for a run of one partition."""
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


def _run_result(asset_key: dg.AssetKey, check: str, findings: Mapping[str, Finding]) -> dg.AssetCheckResult:
    """Return one result for a run of several partitions.

    It fails if the check of any partition failed, with the worst severity among those.
    """
    failed = {partition: finding for partition, finding in findings.items() if not finding.passed}
    worst = "error" if any(finding.severity == "error" for finding in (failed or findings).values()) else "warn"
    rows = [
        dg.TableRecord(
            {
                "partition": partition,
                "passed": finding.passed,
                "summary": finding.summary,
                "advice": finding.advice,
            }
        )
        for partition, finding in findings.items()
    ]
    return dg.AssetCheckResult(
        asset_key=asset_key,
        check_name=check,
        passed=not failed,
        severity=SEVERITIES[worst],
        description=f"failed for {', '.join(failed)}" if failed else f"passed for {', '.join(findings)}",
        metadata={BY_PARTITION: dg.MetadataValue.table(rows)},
    )
