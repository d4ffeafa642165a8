"""`<data set>/raw`: the files as published, from the first source that has them."""

import dagster as dg

from assets.graph.run_config import MakeConfig
from assets.publishing.results import logged, publish, result_of
from pipeline.raw import CODE_VERSION
from pipeline.raw.acquire import acquire
from pipeline.raw.dataset import Dataset
from pipeline.raw.evidence import raw_evidence
from pipeline.storage.paths import Paths


def build_raw(dataset: Dataset) -> dg.AssetsDefinition:
    """Return the asset of one data set that has its own raw files."""

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
            return publish(context, context.asset_key, result_of(artefact, raw_evidence(artefact)))

    return raw
