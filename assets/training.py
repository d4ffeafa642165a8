"""`<recipe>/generator`, `/discriminator`, `/history` and `/snapshots`: made together, one partition per optimizer
configuration. A run of several partitions trains them as one sweep.
"""

from collections.abc import Iterator
from contextlib import closing

import dagster as dg

from assets.graph.partitions import OPTIMIZERS, PARTITIONS, backfill_policy
from assets.graph.run_config import TrainingConfig
from assets.graph.run_tags import tag_training
from assets.publishing.checks import check_specs
from assets.publishing.evidence import to_metadata
from assets.publishing.results import Published, logged, publish_partitions, read_provenance, result_of
from assets.publishing.settings_versions import settings_key
from assets.triggers.operations import load_operations
from pipeline.checks.catalogue import TRAINING_CHECKS
from pipeline.settings import Recipe, TrainingSettings, resolve
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.training import CODE_VERSION

CHECKED_OUTPUT = "history"  # the output that carries the checks of the training

OUTPUTS = {
    "generator": "The trained generators: latents to images, all members stacked.",
    "discriminator": "The trained discriminators: images to logits, all members stacked.",
    "history": "Losses and accuracies at a fixed interval, one row per member.",
    "snapshots": "Images of the same latents every few hundred steps, from step 0.",
}


def build_training(recipe: Recipe) -> dg.AssetsDefinition:
    """Return the four assets of one recipe."""
    specs = [
        dg.AssetSpec(
            [recipe.key, name],
            deps=[[recipe.dataset, "tensors"], settings_key(recipe.key)],
            group_name="training",
            description=f"{recipe.description}. {text} Source: {recipe.source}",
            code_version=CODE_VERSION,
            kinds={"pytorch"},
        )
        for name, text in OUTPUTS.items()
    ]

    @dg.multi_asset(
        name=f"{recipe.key}__training",
        specs=specs,
        partitions_def=PARTITIONS,
        backfill_policy=backfill_policy(recipe),
        pool="gpu",
        check_specs=check_specs(
            dg.AssetKey([recipe.key, CHECKED_OUTPUT]),
            {check.name: check.description for check in TRAINING_CHECKS},
            partitioned=True,
        ),
    )
    def training(context: dg.AssetExecutionContext, config: TrainingConfig) -> Iterator[Published]:
        from pipeline.checks.stored import training_findings
        from pipeline.tensors.load import require_tensors
        from pipeline.training.evidence import training_evidence
        from pipeline.training.identity import training_identity
        from pipeline.training.kept_members import planned_fingerprint

        paths, partitions = Paths.default(), _resolve(context, config, recipe)
        tensors = require_tensors(paths, recipe.dataset)
        fingerprints = {
            partition.optimizer: planned_fingerprint(
                paths.training(partition.recipe, partition.optimizer),
                training_identity(partition, tensors),
                partition.members,
            )
            for partition in partitions
        }
        tag_training(context, recipe.key, config.seed, fingerprints)
        provenance = read_provenance(context)
        with logged(context):
            trained = _train(context, partitions, tensors, paths, config)
            for output in OUTPUTS:
                results = {}
                for key in context.partition_keys:
                    findings = training_findings(trained[key]) if output == CHECKED_OUTPUT else ()
                    results[key] = result_of(trained[key], training_evidence(trained[key], output), findings)
                yield from publish_partitions(context, dg.AssetKey([recipe.key, output]), results, provenance)

    return training


def _resolve(context: dg.AssetExecutionContext, config: TrainingConfig, recipe: Recipe) -> list[TrainingSettings]:
    """Return the settings of every partition of the run."""
    budget = config.budget(recipe, context.run.tags)
    return [
        resolve(
            recipe, OPTIMIZERS[key], steps=budget.steps, width=budget.width, members=config.members, seed=config.seed
        )
        for key in context.partition_keys
    ]


def _train(
    context: dg.AssetExecutionContext,
    partitions: list[TrainingSettings],
    tensors: Artefact,
    paths: Paths,
    config: TrainingConfig,
) -> dict[str, Artefact]:
    """Train in this process or in several, and log an observation of each partition from time to time.

    Observations are logged, not yielded. Dagster takes back the signal handlers at every yield, and a signal that it
    receives there ends the run without a checkpoint.
    """
    from pipeline.training.evidence import observation_evidence
    from pipeline.training.launch import train_in_processes
    from pipeline.training.train import train_watched

    kept = load_operations().retention.earlier_trainings
    if config.processes > 1:
        watched = train_in_processes(
            partitions, tensors, paths, config.processes, force=config.force, earlier_trainings=kept
        )
    else:
        watched = train_watched(partitions, tensors, paths, force=config.force, earlier_trainings=kept)
    with closing(watched):
        while True:
            try:
                observation = next(watched)
            except StopIteration as end:
                artefacts: dict[str, Artefact] = end.value
                return artefacts
            for key in observation.partitions:
                metadata = to_metadata(observation_evidence(observation, key))
                context.log_event(
                    dg.AssetObservation([observation.recipe, "generator"], partition=key, metadata=metadata)
                )
