"""`<data set>/tensors`: memory-mapped pixels and labels, with the checks that say they are sound."""

import dagster as dg

from assets.graph.run_config import MakeConfig
from assets.publishing.checks import check_specs
from assets.publishing.publishing import Made, logged, publish
from pipeline.raw.contents import preview_indices
from pipeline.raw.dataset import Dataset
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import inline_strip
from pipeline.tensors import BLOCKING, CHECKS, CODE_VERSION

MOST_NAMES = 20  # of images left out


def build_tensors(dataset: Dataset) -> dg.AssetsDefinition:
    """The asset of one data set."""
    key = dg.AssetKey([dataset.key, "tensors"])

    @dg.asset(
        key=key,
        deps=[[dataset.raw_key, "raw"]],
        group_name="tensors",
        description=f"{dataset.description}: uint8 pixels and labels in Arrow files, memory-mapped.",
        code_version=CODE_VERSION,
        kinds={"arrow"},
        check_specs=[
            *check_specs(key, {name: CHECKS[name] for name in BLOCKING}, blocking=True),
            *check_specs(key, {name: text for name, text in CHECKS.items() if name not in BLOCKING}),
        ],
    )
    def tensors(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.tensors.build import build
        from pipeline.tensors.check import stored_findings

        with logged(context):
            artefact = build(dataset, Paths.default(), force=config.force)
            made = Made(artefact.fingerprint, _metadata(artefact), artefact.cached, stored_findings(artefact))
            return publish(key, made)

    return tensors


def _metadata(artefact: Artefact) -> dict[str, object]:
    from pipeline.tensors.load import load_split

    details, train = artefact.details, load_split(artefact, "train")
    shown = train.pixels[preview_indices(train.columns.get("label"), len(train))]
    unreadable = details["unreadable"]
    return {
        "preview": dg.MetadataValue.md(inline_strip(shown)),
        "train_images": details["images"]["train"],
        "test_images": details["images"]["test"],
        "image_shape": dg.MetadataValue.json(details["image_shape"]),
        "value_range": dg.MetadataValue.json(details["value_range"]),
        "preparation": dg.MetadataValue.json(details["preparation"]),
        "labels": details["labels"],
        **(
            {"unreadable": len(unreadable), "unreadable_names": ", ".join(unreadable[:MOST_NAMES])}
            if unreadable
            else {}
        ),
        "size_bytes": artefact.size_bytes,
        "note": details["source"]["note"] or "the whole published data set",
        "path": dg.MetadataValue.path(artefact.folder),
    }
