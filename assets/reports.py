"""`<recipe>/report`: every score of a partition, member by member, appended to the store."""

from collections.abc import Iterator

import dagster as dg

from assets.graph.automation import REPORT_CONDITION
from assets.graph.partitions import PARTITIONS, backfill_policy
from assets.graph.run_config import ReportConfig
from assets.publishing.checks import check_specs
from assets.publishing.results import Published, Result, logged, publish_each
from assets.publishing.settings_versions import settings_key
from pipeline.checks.catalogue import REPORT_CHECKS
from pipeline.reports import CODE_VERSION
from pipeline.settings import Recipe
from pipeline.storage.paths import Paths


def build_reports(recipe: Recipe) -> dg.AssetsDefinition:
    """Return the asset of one recipe."""

    @dg.asset(
        key=[recipe.key, "report"],
        deps=[
            *([recipe.key, "samples"], [recipe.dataset, "classifier"], [recipe.dataset, "reference"]),
            settings_key(recipe.key),
        ],
        group_name="reports",
        description="Every score of every member with its standard error, between real images and noise.",
        code_version=CODE_VERSION,
        kinds={"parquet"},
        partitions_def=PARTITIONS,
        backfill_policy=backfill_policy(recipe),
        check_specs=check_specs(
            dg.AssetKey([recipe.key, "report"]),
            {check.name: check.description for check in REPORT_CHECKS},
            partitioned=True,
        ),
        automation_condition=REPORT_CONDITION,
    )
    def report(context: dg.AssetExecutionContext, config: ReportConfig) -> Iterator[Published]:
        from pipeline.checks.stored import report_findings
        from pipeline.comparison.report_evidence import report_evidence
        from pipeline.reports.judge import Judge
        from pipeline.reports.score import score_partition

        paths = Paths.default()
        with logged(context):
            judge = Judge.load(recipe.dataset, paths, config.extractor.value, thorough=config.thorough)

            def make(optimizer: str) -> Result:
                scored = score_partition(
                    recipe.key,
                    optimizer,
                    judge,
                    paths,
                    run_id=context.run.run_id,
                    members=config.members,
                    force=config.force,
                )
                report = scored.report
                evidence = report_evidence(report, recipe.dataset, paths)
                return Result(report.fingerprint, evidence, scored.cached, report_findings(report, paths))

            yield from publish_each(context, context.asset_key, make)

    return report
