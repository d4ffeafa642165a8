"""`<data set>/raw`: the files as published, from the first source that has them."""

import dagster as dg

from assets.graph.run_config import MakeConfig
from assets.publishing.publishing import Made, logged, publish
from pipeline.raw import CODE_VERSION
from pipeline.raw.acquire import acquire
from pipeline.raw.dataset import Dataset
from pipeline.raw.read import open_raw
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import inline_strip

MOST_ROWS = 100  # of the table of classes
MOST_NAMES = 20  # of images left out


def build_raw(dataset: Dataset) -> dg.AssetsDefinition:
    """The asset of one data set that has raw files of its own."""

    @dg.asset(
        key=[dataset.raw_key, "raw"],
        group_name="raw",
        description=f"{dataset.description}: the files as published, with their source and checksums.",
        code_version=CODE_VERSION,
        kinds={"file"},
    )
    def raw(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        with logged(context):
            artefact = acquire(dataset, Paths.default(), force=config.force)
            return publish(context.asset_key, Made(artefact.fingerprint, _metadata(artefact), artefact.cached))

    return raw


def _metadata(artefact: Artefact) -> dict[str, object]:
    details = artefact.details
    left_out = {name: details[name] for name in ("unreadable", "unlisted") if details[name]}
    return {
        **_preview(artefact),
        "images": sum(details["images"].values()),
        "train_images": details["images"]["train"],
        "test_images": details["images"]["test"],
        "test_split": details["test_split"],
        "unused_images": dg.MetadataValue.json(details["unused"]),
        "labels": details["labels"],
        **{name: len(names) for name, names in left_out.items()},
        **{f"{name}_names": ", ".join(names[:MOST_NAMES]) for name, names in left_out.items()},
        "source": details["source"],
        "origin": details["origin"],
        "official": details["official"],
        "note": details["note"] or "the whole published data set",
        "licence": details["licence"],
        "size_bytes": artefact.size_bytes,
        "content_sha256": dg.MetadataValue.json(details["content_sha256"]),
        **_histogram(artefact),
        "path": dg.MetadataValue.path(artefact.folder),
    }


def _preview(artefact: Artefact) -> dict[str, object]:
    shown = open_raw(artefact)["test"].preview()
    return {"preview": dg.MetadataValue.md(inline_strip(shown))} if shown else {}


def _histogram(artefact: Artefact) -> dict[str, object]:
    """How many images there are of each class or with each attribute, where there are labels."""
    names, counts = artefact.details["class_names"], artefact.details["class_histogram"]
    rows = [
        dg.TableRecord({"class": name, "train": train, "test": test})
        for name, train, test in zip(names[:MOST_ROWS], counts["train"], counts["test"], strict=False)
    ]
    return {"classes": len(names), "class_histogram": dg.MetadataValue.table(rows)} if rows else {}
