"""`<data set>/raw`: the files as published, from the first source that has them."""

import dagster as dg

from assets.orchestration.publishing import Made, logged, publish
from assets.orchestration.run_config import MakeConfig
from pipeline.raw import CODE_VERSION
from pipeline.raw.acquire import acquire
from pipeline.raw.dataset import Dataset
from pipeline.raw.read import one_of_each_class, read_splits
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import inline_strip


def build_raw(dataset: Dataset) -> dg.AssetsDefinition:
    """The asset of one data set."""

    @dg.asset(
        key=[dataset.key, "raw"],
        group_name="raw",
        description=f"{dataset.description}: the files as published, with their source and checksums.",
        code_version=CODE_VERSION,
        kinds={"file"},
    )
    def raw(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        with logged(context):
            artefact = acquire(dataset, Paths.default(), force=config.force)
            return publish(context.asset_key, Made(artefact.fingerprint, _metadata(dataset, artefact), artefact.cached))

    return raw


def _metadata(dataset: Dataset, artefact: Artefact) -> dict[str, object]:
    details = artefact.details
    splits = read_splits(artefact.folder, details["layout"], len(dataset.class_names))
    rows = [
        dg.TableRecord({"class": name, "train": train, "test": test})
        for name, train, test in zip(
            dataset.class_names, details["class_histogram"]["train"], details["class_histogram"]["test"], strict=True
        )
    ]
    return {
        "preview": dg.MetadataValue.md(inline_strip(one_of_each_class(splits["test"].pixels, splits["test"].labels))),
        "images": sum(details["images"].values()),
        "train_images": details["images"]["train"],
        "test_images": details["images"]["test"],
        "source": details["source"],
        "origin": details["origin"],
        "official": details["official"],
        "note": details["note"] or "the whole published data set",
        "licence": details["licence"],
        "size_bytes": artefact.size_bytes,
        "content_sha256": dg.MetadataValue.json(details["content_sha256"]),
        "class_histogram": dg.MetadataValue.table(rows),
        "path": dg.MetadataValue.path(artefact.folder),
    }
