"""`<data set>/tensors`: memory-mapped pixels and labels, with checks of their content."""

import dagster as dg

from assets.graph.run_config import MakeConfig
from assets.publishing.checks import check_specs
from assets.publishing.results import logged, publish, result_of
from pipeline.raw.dataset import Dataset
from pipeline.storage.paths import Paths
from pipeline.tensors import BLOCKING, CHECKS, CODE_VERSION


def build_tensors(dataset: Dataset) -> dg.AssetsDefinition:
    """Return the asset of one data set."""
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
        from pipeline.tensors.check import tensor_findings
        from pipeline.tensors.evidence import tensors_evidence

        with logged(context):
            artefact = build(dataset, Paths.default(), force=config.force)
            return publish(context, key, result_of(artefact, tensors_evidence(artefact), tensor_findings(artefact)))

    return tensors
