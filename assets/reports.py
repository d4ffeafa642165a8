"""`<recipe>/report`: every score of a partition, member by member, appended to the store."""

import math
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from statistics import fmean

import dagster as dg
import pyarrow.compute as pc

from assets.graph.automation import REPORT_CONDITION
from assets.graph.partitions import PARTITIONS, backfill_policy
from assets.graph.run_config import ReportConfig
from assets.publishing.checks import check_specs
from assets.publishing.publishing import Made, Published, drawn_before, logged, publish_each, shown
from assets.publishing.settings_versions import settings_key
from pipeline.checks.catalogue import REPORT_CHECKS
from pipeline.reports import CODE_VERSION
from pipeline.reports.store import Report
from pipeline.settings import Recipe
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import markdown_file, markdown_image
from pipeline.training.kinds_of_weights import AVERAGE

ALONG = "fid_by_step"  # metadata


def build_reports(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of one recipe."""

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
        from pipeline.reports.judge import Judge
        from pipeline.reports.score import score_partition

        paths = Paths.default()
        with logged(context):
            judge = Judge.load(recipe.dataset, paths, config.extractor.value, thorough=config.thorough)

            def make(optimizer: str) -> Made:
                run_id = context.run.run_id
                scored = score_partition(recipe.key, optimizer, judge, paths, run_id=run_id, force=config.force)
                found = scored.report
                along = drawn_before(context, context.asset_key, optimizer, found.fingerprint, ALONG)
                pictures = {ALONG: along} if scored.cached and along is not None else _along(found, paths)
                metadata = {**_metadata(found), **pictures, **_classes(found, recipe.dataset, paths)}
                return Made(found.fingerprint, metadata, scored.cached, report_findings(found, paths))

            yield from publish_each(context, context.asset_key, make)

    return report


def _metadata(report: Report) -> dict[str, object]:
    from pipeline.comparison.ranking import estimate
    from pipeline.reports.score import PAIRS_PICTURE

    rows: list[dg.TableRecord] = []
    numbers: dict[str, float] = {}
    for metric in report.metrics():
        found, (floor, ceiling) = estimate(report.scores(metric)), report.anchors(metric)
        anchors: dict[str, str] = {
            "real images": shown(floor),
            "noise": shown(ceiling),
            "better": report.better(metric),
            "note": report.notes().get(metric, ""),
        }
        rows.append(dg.TableRecord({"score": metric, "mean ± 95 %": str(found), **anchors}))
        if not math.isnan(found.mean):
            numbers[metric] = found.mean
    return {
        **_picture(report.path.with_name(PAIRS_PICTURE)),
        "scores": dg.MetadataValue.table(rows),
        **numbers,
        "members": report.members,
        "diverged_members": report.diverged_members,
        "n_generated": report.n_generated,
        "weights": report.weights,
        "n_real": report.n_real,
        "extractor": f"{report.extractor} {report.extractor_sha256[:12]}",
        "scoring_seconds": report.scoring_seconds,
        "data": report.source,
        "path": dg.MetadataValue.path(report.path),
    }


def _along(report: Report, paths: Paths) -> dict[str, object]:
    """FID by training step, a line a member; nothing where the training kept no images on its way."""
    from pipeline.reports.by_step import draw_by_step, images_per_member, scores_along, weights_scored

    scores = scores_along(report, paths)
    if scores is None:
        return {}
    kind = weights_scored(scores)
    of_weights = f"{kind} weights, " if AVERAGE in (kind, report.weights) else ""
    label = f"FID of {images_per_member(scores):,} images\n({of_weights}comparable with itself only)"
    picture = draw_by_step(scores, "fid", label)
    return {ALONG: dg.MetadataValue.md(markdown_image(picture, "FID by training step, a line a member"))}


def _classes(report: Report, dataset: str, paths: Paths) -> dict[str, object]:
    """A row a class, means over members: how many images show it, and its distance; nothing where none was counted."""
    from pipeline.tensors.load import require_tensors

    counts, distances = (_means_by_class(report, metric) for metric in ("missing_classes", "per_class_fid"))
    if not counts and not distances:
        return {}
    names = require_tensors(paths, dataset).details["class_names"]
    rows = [
        dg.TableRecord({"class": str(name), "generated images": _or_dash(count), "FID": _or_dash(distance)})
        for name, count, distance in zip_longest(names, counts, distances)
    ]
    return {"classes": dg.MetadataValue.table(rows)}


def _means_by_class(report: Report, metric: str) -> list[float | None]:
    """The mean over members of each class; None for a class of which no member has a value, [] without classes."""
    chosen = report.rows.filter(pc.field("metric") == metric)["by_class"].drop_null().to_pylist()
    classes = zip(*chosen, strict=True)
    known = ([value for value in of_class if value is not None] for of_class in classes)
    return [fmean(values) if values else None for values in known]


def _or_dash(value: float | None) -> str:
    from pipeline.comparison.ranking import number

    return number(value)


def _picture(path: Path) -> dict[str, object]:
    """Nothing where every member diverged."""
    if not path.exists():
        return {}
    caption = "generated images closest to training images, each above the one it resembles, two rows a member"
    return {"nearest_training_images": dg.MetadataValue.md(markdown_file(path, caption))}
