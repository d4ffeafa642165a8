"""`<data set>/classifier` and `<data set>/reference`: what every score on a data set is taken with."""

import dagster as dg

from assets.orchestration.publishing import Made, logged, publish
from assets.orchestration.run_config import MakeConfig
from pipeline.metrics import CODE_VERSION
from pipeline.raw.dataset import Dataset
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths


def build_metrics(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """The assets of one data set."""

    @dg.asset(
        key=[dataset.key, "classifier"],
        deps=[[dataset.key, "tensors"]],
        group_name="metrics",
        description="A small convolutional network trained on the data set's own labels: the extractor of its scores.",
        code_version=CODE_VERSION,
        kinds={"pytorch"},
        pool="gpu",
    )
    def classifier(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.metrics.classifier import train_classifier

        with logged(context):
            artefact = train_classifier(dataset.key, Paths.default(), force=config.force)
            return publish(context.asset_key, Made(artefact.fingerprint, _classifier(artefact), artefact.cached))

    @dg.asset(
        key=[dataset.key, "reference"],
        deps=[[dataset.key, "tensors"], [dataset.key, "classifier"]],
        group_name="metrics",
        description="What the classifier sees in real test images, real training images (floor) and noise (ceiling).",
        code_version=CODE_VERSION,
        kinds={"pytorch"},
    )
    def reference(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.metrics.reference import make_reference

        with logged(context):
            artefact = make_reference(dataset.key, Paths.default(), force=config.force)
            return publish(context.asset_key, Made(artefact.fingerprint, _reference(artefact), artefact.cached))

    return [classifier, reference]


def _classifier(artefact: Artefact) -> dict[str, object]:
    details = artefact.details
    return {
        "labels": details["labels"],
        "test_accuracy": details["test_accuracy"],
        "test_images": details["test_images"],
        "train_images": details["train_images"],
        "weights_sha256": details["weights_sha256"],
        "seconds": details["seconds"],
        "note": details["source"]["note"] or "the whole published data set",
        "path": dg.MetadataValue.path(artefact.folder),
    }


def _reference(artefact: Artefact) -> dict[str, object]:
    details = artefact.details
    rows = [
        dg.TableRecord({"score": name, "real images": f"{floor:.4g}", "noise": f"{details['ceiling'][name]:.4g}"})
        for name, floor in details["floor"].items()
    ]
    return {
        "anchors": dg.MetadataValue.table(rows),
        "fid_floor": details["floor"]["fid"],
        "fid_ceiling": details["ceiling"]["fid"],
        "images": dg.MetadataValue.json(details["images"]),
        "extractor_sha256": details["extractor_sha256"],
        "path": dg.MetadataValue.path(artefact.folder),
    }
