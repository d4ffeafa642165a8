"""`<recipe>/generator`, `/discriminator`, `/history` and `/snapshots`: made together, a partition an optimizer
configuration. A run that holds several partitions trains them as one sweep.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.orchestration.partitions import OPTIMIZERS, PARTITIONS, backfill_policy
from assets.orchestration.publishing import Made, Published, logged, publish_partitions
from assets.orchestration.run_config import TrainingConfig
from pipeline.settings import Recipe, TrainingSettings, resolve
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import inline_strip, markdown_file, markdown_image
from pipeline.training import CODE_VERSION

if TYPE_CHECKING:
    from pipeline.training.progress import Observation

Told = Published | dg.AssetObservation | dg.AssetCheckResult

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
        backfill_policy=backfill_policy(recipe),
        pool="gpu",
        check_specs=[
            dg.AssetCheckSpec(
                "trained_on_gpu",
                asset=dg.AssetKey([recipe.key, "generator"]),
                description="Warns where the networks were trained on a CPU.",
            )
        ],
    )
    def training(context: dg.AssetExecutionContext, config: TrainingConfig) -> Iterator[Told]:
        from pipeline.tensors.load import require_tensors

        budget = config.budget(recipe, context.run.tags)
        partitions = [
            resolve(
                recipe,
                OPTIMIZERS[key],
                steps=budget.steps,
                width=budget.width,
                members=config.members,
                seed=config.seed,
            )
            for key in context.partition_keys
        ]
        paths = Paths.default()
        tensors = require_tensors(paths, recipe.dataset)
        with logged(context):
            trained = yield from _train(partitions, tensors, paths, config)
            for name in OUTPUTS:
                made = {key: _made(name, trained[key]) for key in context.partition_keys}
                yield from publish_partitions(context, dg.AssetKey([recipe.key, name]), made)
            yield _trained_on_gpu(recipe, trained)

    return training


def _train(
    partitions: list[TrainingSettings], tensors: Artefact, paths: Paths, config: TrainingConfig
) -> Generator[dg.AssetObservation, None, dict[str, Artefact]]:
    """Train here or in processes of their own, with an observation of each partition from time to time."""
    from pipeline.training.launch import train_in_processes
    from pipeline.training.train import train_watched

    if config.processes > 1:
        watched = train_in_processes(partitions, tensors, paths, config.processes, force=config.force)
    else:
        watched = train_watched(partitions, tensors, paths, force=config.force)
    with closing(watched):
        while True:
            try:
                observation = next(watched)
            except StopIteration as end:
                artefacts: dict[str, Artefact] = end.value
                return artefacts
            for key in observation.partitions:
                metadata = _observed(observation, key)
                yield dg.AssetObservation([observation.recipe, "generator"], partition=key, metadata=metadata)


def _observed(observation: "Observation", key: str) -> dict[str, Any]:
    """What a partition shows while it trains."""
    partition = observation.partitions[key]
    minutes, seconds = divmod(round(observation.seconds_left), 60)
    metadata: dict[str, Any] = {
        "step": observation.step,
        "steps": observation.steps,
        "images_per_second": round(observation.images_per_second),
        "time_left": f"{minutes}:{seconds:02d}",
        "members_training": partition.members,
        "diverged": "; ".join(partition.diverged) or "none",
        **observation.system.facts(),
    }
    if partition.measured is not None:
        metadata |= vars(partition.measured)
    if partition.pictures is not None:
        metadata["thumbnail"] = dg.MetadataValue.md(inline_strip(partition.pictures))
    return metadata


def _trained_on_gpu(recipe: Recipe, trained: Mapping[str, Artefact]) -> dg.AssetCheckResult:
    devices = sorted({artefact.details["device"] for artefact in trained.values()})
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey([recipe.key, "generator"]),
        check_name="trained_on_gpu",
        passed=not any(device.startswith("CPU") for device in devices),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"devices": ", ".join(devices)},
        description="A GPU trains these networks many times faster; on a CPU keep the budget small.",
    )


def _made(name: str, artefact: Artefact) -> Made:
    details = artefact.details
    facts = {key: details[key] for key in ("steps", "members", "seed", "device", "seconds", "trained_together")}
    facts["diverged_members"] = len(details["diverged_members"])
    if details["divergences"]:
        facts["divergences"] = "; ".join(
            f"member {each['member']} at step {each['step']:,}: {each['reason']}" for each in details["divergences"]
        )
    facts |= {"images_per_second": details["images_per_second"], "resumed_at_step": details["resumed_at_step"]}
    facts |= {f"system_{name}": value for name, value in details["system"].items() if name != "device"}
    facts["note"] = details["source"]["note"] or "the whole published data set"
    return Made(artefact.fingerprint, {**_evidence(name, artefact), **facts}, artefact.cached)


def _evidence(name: str, artefact: Artefact) -> dict[str, object]:
    """What one of the four outputs shows of itself."""
    if name == "snapshots":
        from pipeline.training.snapshots import snapshot_step

        snapshots = [artefact.path(file) for file in artefact.files if file.startswith("snapshots/")]
        return {
            "last_snapshot": dg.MetadataValue.md(markdown_file(max(snapshots, key=snapshot_step), "one row a member")),
            "movie": dg.MetadataValue.path(artefact.path("movie.gif")),
            "path": dg.MetadataValue.path(artefact.path("snapshots")),
        }
    if name == "history":
        path = dg.MetadataValue.path(artefact.path("history.parquet"))
        return {"curves": _curves(artefact), **_last_losses(artefact), "path": path}
    file = f"{name}.safetensors"
    return {"sha256": artefact.files[file].sha256, "path": dg.MetadataValue.path(artefact.path(file))}


def _curves(artefact: Artefact) -> dg.MarkdownMetadataValue:
    from pipeline.training.curves import draw_curves
    from pipeline.training.history import read_history

    picture = draw_curves(read_history(artefact.path("history.parquet")))
    return dg.MetadataValue.md(markdown_image(picture, "losses and accuracies by training step"))


def _last_losses(artefact: Artefact) -> dict[str, object]:
    from pipeline.training.history import last_interval

    return dict(last_interval(artefact.path("history.parquet")))
