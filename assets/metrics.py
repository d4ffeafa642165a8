"""`<data set>/classifier`, `reference` and `inception_reference`: what every score on a data set is taken with.

`<data set>/ladder` says what each of those scores notices.
"""

import dagster as dg

from assets.graph.run_config import MakeConfig
from assets.publishing.publishing import Made, logged, publish, shown
from pipeline.metrics import CODE_VERSION, EXTRACTOR_VERSION
from pipeline.raw.dataset import Dataset
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import markdown_file


def build_metrics(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """The assets of one data set."""

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
        from pipeline.metrics.extractors.classifier import train_classifier

        with logged(context):
            artefact = train_classifier(dataset.key, Paths.default(), force=config.force)
            return publish(context.asset_key, Made(artefact.fingerprint, _classifier(artefact), artefact.cached))

    @dg.asset(
        key=[dataset.key, "reference"],
        deps=[[dataset.key, "tensors"], [dataset.key, "classifier"]],
        group_name="metrics",
        description="What the classifier sees in real test images, real training images (floor) and noise (ceiling).",
        code_version=EXTRACTOR_VERSION,
        kinds={"pytorch"},
    )
    def reference(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.metrics.reference import make_reference

        with logged(context):
            artefact = make_reference(dataset.key, Paths.default(), force=config.force)
            return publish(context.asset_key, Made(artefact.fingerprint, _reference(artefact), artefact.cached))

    @dg.asset(
        key=[dataset.key, "inception_reference"],
        deps=[[dataset.key, "tensors"]],
        group_name="metrics",
        description="The same as Inception-v3 sees it, for scores beside published ones. Needs its weights: a "
        "download, or GANFORGE_INCEPTION. Slow without a GPU: a tenth of a second an image.",
        code_version=EXTRACTOR_VERSION,
        kinds={"pytorch"},
        pool="gpu",
    )
    def inception_reference(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.metrics.reference import make_reference

        with logged(context):
            artefact = make_reference(dataset.key, Paths.default(), extractor="inception", force=config.force)
            return publish(context.asset_key, Made(artefact.fingerprint, _reference(artefact), artefact.cached))

    return [classifier, reference, inception_reference, _build_ladder(dataset)]


def _build_ladder(dataset: Dataset) -> dg.AssetsDefinition:
    @dg.asset(
        key=[dataset.key, "ladder"],
        deps=[[dataset.key, name] for name in ("tensors", "classifier", "reference")],
        group_name="metrics",
        description="Every score on graded corruptions of real images: which score notices what.",
        code_version=CODE_VERSION,
        kinds={"parquet"},
    )
    def ladder(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.metrics.ladder import make_ladder

        with logged(context):
            artefact = make_ladder(dataset.key, Paths.default(), force=config.force)
            return publish(context.asset_key, Made(artefact.fingerprint, _ladder(artefact), artefact.cached))

    return ladder


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
        dg.TableRecord({"score": name, "real images": shown(floor), "noise": shown(details["ceiling"].get(name))})
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


def _ladder(artefact: Artefact) -> dict[str, object]:
    details = artefact.details
    verdicts = details["verdicts"]
    matrix = [
        dg.TableRecord({"score": score, **{corruption: found[score] for corruption, found in verdicts.items()}})
        for score in next(iter(verdicts.values()))
    ]
    fids = [
        dg.TableRecord({"corruption": corruption, **{f"level {level}": shown(fid) for level, fid in enumerate(values)}})
        for corruption, values in details["fid"].items()
    ]
    return {
        "verdicts": dg.MetadataValue.table(matrix),
        "fid": dg.MetadataValue.table(fids),
        "corruptions": dg.MetadataValue.md(
            markdown_file(artefact.verified_path("ladder.png"), "a row a corruption, 4 levels")
        ),
        "images": details["images"],
        "extractor_sha256": details["extractor_sha256"],
        "path": dg.MetadataValue.path(artefact.folder),
    }
