"""`<recipe>/generator`, `/discriminator`, `/history` and `/snapshots`: made together, a partition an optimizer
configuration. A run that holds several partitions trains them as one sweep.
"""

from collections.abc import Iterator

import dagster as dg

from assets.orchestration.partitions import OPTIMIZERS, PARTITIONS
from assets.orchestration.publishing import Made, Published, logged, publish_partitions
from assets.orchestration.run_config import TrainingConfig
from pipeline.settings import Recipe, resolve
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import markdown_file
from pipeline.training import CODE_VERSION

OUTPUTS = {
    "generator": "The trained generators: latents to images, all members stacked.",
    "discriminator": "The trained discriminators: images to logits, all members stacked.",
    "history": "Losses and accuracies at a fixed interval, one row a member.",
    "snapshots": "The same latents drawn every few hundred steps, from step 0 on.",
}


def build_training(recipe: Recipe) -> dg.AssetsDefinition:
    """The assets of one recipe."""
    specs = [
        dg.AssetSpec(
            [recipe.key, name],
            deps=[[recipe.dataset, "tensors"]],
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
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="gpu",
    )
    def training(context: dg.AssetExecutionContext, config: TrainingConfig) -> Iterator[Published]:
        from pipeline.tensors.load import require_tensors
        from pipeline.training.train import train

        steps = config.step_budget(recipe)
        partitions = [
            resolve(recipe, OPTIMIZERS[key], steps=steps, members=config.members, seed=config.seed)
            for key in context.partition_keys
        ]
        paths = Paths.default()
        with logged(context):
            trained = train(partitions, require_tensors(paths, recipe.dataset), paths, force=config.force)
            for name in OUTPUTS:
                made = {key: _made(name, trained[key]) for key in context.partition_keys}
                yield from publish_partitions(context, dg.AssetKey([recipe.key, name]), made)

    return training


def _made(name: str, artefact: Artefact) -> Made:
    details = artefact.details
    facts = {key: details[key] for key in ("steps", "members", "seed", "device", "seconds", "trained_together")}
    facts["diverged_members"] = len(details["diverged_members"])
    facts["note"] = details["source"]["note"] or "the whole published data set"
    return Made(artefact.fingerprint, {**facts, **_evidence(name, artefact)}, artefact.cached)


def _evidence(name: str, artefact: Artefact) -> dict[str, object]:
    """What one of the four outputs shows of itself."""
    if name == "snapshots":
        last = max(file for file in artefact.files if file.startswith("snapshots/"))
        return {
            "last_snapshot": dg.MetadataValue.md(markdown_file(artefact.path(last), "one row a member")),
            "path": dg.MetadataValue.path(artefact.path("snapshots")),
        }
    if name == "history":
        return {**_last_losses(artefact), "path": dg.MetadataValue.path(artefact.path("history.parquet"))}
    file = f"{name}.safetensors"
    return {"sha256": artefact.files[file].sha256, "path": dg.MetadataValue.path(artefact.path(file))}


def _last_losses(artefact: Artefact) -> dict[str, object]:
    from pipeline.training.history import last_interval

    return dict(last_interval(artefact.path("history.parquet")))
