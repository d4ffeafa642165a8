"""`<data set>/classifier`, `reference` and `inception_reference`: every score on a data set is taken with these.

`<data set>/ladder` shows which corruption each score notices.
"""

import dagster as dg

from assets.graph.run_config import MakeConfig
from assets.publishing.results import logged, publish, result_of
from pipeline.metrics import CODE_VERSION, EXTRACTOR_VERSION
from pipeline.raw.dataset import Dataset
from pipeline.storage.paths import Paths


def build_metrics(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """Return the assets of one data set."""

    @dg.asset(
        key=[dataset.key, "classifier"],
        deps=[[dataset.key, "tensors"]],
        group_name="metrics",
        description="A small convolutional network trained on the data set's own labels: the extractor of its scores.",
        code_version=EXTRACTOR_VERSION,
        kinds={"pytorch"},
        pool="gpu",
    )
    def classifier(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.metrics.evidence import classifier_evidence
        from pipeline.metrics.extractors.classifier import train_classifier

        with logged(context):
            artefact = train_classifier(dataset.key, Paths.default(), force=config.force)
            return publish(context, context.asset_key, result_of(artefact, classifier_evidence(artefact)))

    @dg.asset(
        key=[dataset.key, "reference"],
        deps=[[dataset.key, "tensors"], [dataset.key, "classifier"]],
        group_name="metrics",
        description="The classifier's features of real test images, real training images (floor) and noise (ceiling).",
        code_version=EXTRACTOR_VERSION,
        kinds={"pytorch"},
    )
    def reference(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.metrics.evidence import reference_evidence
        from pipeline.metrics.reference import make_reference

        with logged(context):
            artefact = make_reference(dataset.key, Paths.default(), force=config.force)
            return publish(context, context.asset_key, result_of(artefact, reference_evidence(artefact)))

    @dg.asset(
        key=[dataset.key, "inception_reference"],
        deps=[[dataset.key, "tensors"]],
        group_name="metrics",
        description="Inception-v3's features of the same images, for scores beside published ones. Needs its weights: "
        "a download, or GANFORGE_INCEPTION. Slow without a GPU: a tenth of a second per image.",
        code_version=EXTRACTOR_VERSION,
        kinds={"pytorch"},
        pool="gpu",
    )
    def inception_reference(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.metrics.evidence import reference_evidence
        from pipeline.metrics.reference import make_reference

        with logged(context):
            artefact = make_reference(dataset.key, Paths.default(), extractor="inception", force=config.force)
            return publish(context, context.asset_key, result_of(artefact, reference_evidence(artefact)))

    return [classifier, reference, inception_reference, _build_ladder(dataset)]


def _build_ladder(dataset: Dataset) -> dg.AssetsDefinition:
    @dg.asset(
        key=[dataset.key, "ladder"],
        deps=[[dataset.key, name] for name in ("tensors", "classifier", "reference")],
        group_name="metrics",
        description="Every score on graded corruptions of real images: which score notices which corruption.",
        code_version=CODE_VERSION,
        kinds={"parquet"},
    )
    def ladder(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.metrics.evidence import ladder_evidence
        from pipeline.metrics.ladder import make_ladder

        with logged(context):
            artefact = make_ladder(dataset.key, Paths.default(), force=config.force)
            return publish(context, context.asset_key, result_of(artefact, ladder_evidence(artefact)))

    return ladder
