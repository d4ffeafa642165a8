"""`<data set>/classifier`, `reference` and `inception_reference`: every score on a data set is taken with these.

`<data set>/ladder` shows which corruption each score notices.
"""

from collections.abc import Callable

import dagster as dg

from assets.graph.run_config import MakeConfig
from assets.publishing.results import Result, logged, publish, result_of
from pipeline.metrics import CODE_VERSION, EXTRACTOR_VERSION
from pipeline.raw.dataset import Dataset
from pipeline.storage.paths import Paths

Make = Callable[[str, bool], Result]  # the data set's key and `force` → the artefact with its evidence


def build_metrics(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """Return the assets of one data set."""
    classifier = _build_asset(
        dg.AssetKey([dataset.key, "classifier"]),
        _make_classifier,
        upstream=("tensors",),
        description="A small convolutional network trained on the data set's own labels: the extractor of its scores.",
        pool="gpu",
    )
    reference = _build_asset(
        dg.AssetKey([dataset.key, "reference"]),
        _make_reference,
        upstream=("tensors", "classifier"),
        description="The classifier's features of real test images, real training images (floor) and noise (ceiling).",
    )
    inception_reference = _build_asset(
        dg.AssetKey([dataset.key, "inception_reference"]),
        _make_inception_reference,
        upstream=("tensors",),
        description="Inception-v3's features of the same images, for scores beside published ones. Needs its weights: "
        "a download, or GANFORGE_INCEPTION. Slow without a GPU: a tenth of a second per image.",
        pool="gpu",
    )
    ladder = _build_asset(
        dg.AssetKey([dataset.key, "ladder"]),
        _make_ladder,
        upstream=("tensors", "classifier", "reference"),
        description="Every score on graded corruptions of real images: which score notices which corruption.",
        code_version=CODE_VERSION,
        kind="parquet",
    )
    return [classifier, reference, inception_reference, ladder]


def _build_asset(
    key: dg.AssetKey,
    make: Make,
    *,
    upstream: tuple[str, ...],
    description: str,
    code_version: str = EXTRACTOR_VERSION,
    kind: str = "pytorch",
    pool: str | None = None,
) -> dg.AssetsDefinition:
    """Return an asset that depends on the `upstream` assets of the same data set."""
    dataset = key.path[0]

    @dg.asset(
        key=key,
        deps=[[dataset, name] for name in upstream],
        group_name="metrics",
        description=description,
        code_version=code_version,
        kinds={kind},
        pool=pool,
    )
    def metric(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        with logged(context):
            return publish(context, context.asset_key, make(dataset, config.force))

    return metric


# The imports below are inside the functions because they import torch, which Dagster's side must not wait for.


def _make_classifier(dataset: str, force: bool) -> Result:
    from pipeline.metrics.evidence import classifier_evidence
    from pipeline.metrics.extractors.classifier import train_classifier

    artefact = train_classifier(dataset, Paths.default(), force=force)
    return result_of(artefact, classifier_evidence(artefact))


def _make_reference(dataset: str, force: bool) -> Result:
    from pipeline.metrics.evidence import reference_evidence
    from pipeline.metrics.reference import make_reference

    artefact = make_reference(dataset, Paths.default(), force=force)
    return result_of(artefact, reference_evidence(artefact))


def _make_inception_reference(dataset: str, force: bool) -> Result:
    from pipeline.metrics.evidence import reference_evidence
    from pipeline.metrics.reference import make_reference

    artefact = make_reference(dataset, Paths.default(), extractor="inception", force=force)
    return result_of(artefact, reference_evidence(artefact))


def _make_ladder(dataset: str, force: bool) -> Result:
    from pipeline.metrics.evidence import ladder_evidence
    from pipeline.metrics.ladder import make_ladder

    artefact = make_ladder(dataset, Paths.default(), force=force)
    return result_of(artefact, ladder_evidence(artefact))
