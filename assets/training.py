"""`<recipe>/generator`, `/discriminator`, `/history` and `/snapshots`: made together, a partition an optimizer
configuration. A run that holds several partitions trains them as one sweep.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.graph.partitions import OPTIMIZERS, PARTITIONS, backfill_policy
from assets.graph.run_config import TrainingConfig
from assets.graph.run_tags import tag_training
from assets.publishing.checks import check_specs
from assets.publishing.publishing import Made, Published, drawn_before, logged, publish_partitions, read_provenance
from assets.publishing.settings_versions import settings_key
from pipeline.checks.catalogue import TRAINING_CHECKS
from pipeline.findings import Finding
from pipeline.settings import Recipe, TrainingSettings, resolve
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import inline_strip, markdown_file, markdown_image
from pipeline.training import CODE_VERSION
from pipeline.training.kinds_of_weights import default_weights, weights_along

if TYPE_CHECKING:
    from pipeline.training.records.progress import Observation

CHECKED = "history"  # the output whose checks judge the training

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
            dg.AssetKey([recipe.key, CHECKED]),
            {check.name: check.description for check in TRAINING_CHECKS},
            partitioned=True,
        ),
    )
    def training(context: dg.AssetExecutionContext, config: TrainingConfig) -> Iterator[Published]:
        from pipeline.tensors.load import require_tensors
        from pipeline.training.identity import training_identity

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
        made_from = {each.optimizer: training_identity(each, tensors).fingerprint for each in partitions}
        tag_training(context, recipe.key, config.seed, made_from)
        provenance = read_provenance(context)
        with logged(context):
            trained = _train(context, partitions, tensors, paths, config)
            for name in OUTPUTS:
                made = {key: _made(context, name, trained[key]) for key in context.partition_keys}
                yield from publish_partitions(context, dg.AssetKey([recipe.key, name]), made, provenance)

    return training


def _train(
    context: dg.AssetExecutionContext,
    partitions: list[TrainingSettings],
    tensors: Artefact,
    paths: Paths,
    config: TrainingConfig,
) -> dict[str, Artefact]:
    """Train here or in processes of their own, and log an observation of each partition from time to time.

    Observations are logged, not yielded: Dagster takes the signals back at every yield, and a signal that it receives
    there ends the run without a checkpoint.
    """
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
                context.log_event(
                    dg.AssetObservation([observation.recipe, "generator"], partition=key, metadata=metadata)
                )


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


def _made(context: dg.AssetExecutionContext, name: str, artefact: Artefact) -> Made:
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
    metadata = {**_evidence(context, name, artefact), **facts}
    return Made(artefact.fingerprint, metadata, artefact.cached, _findings(artefact) if name == CHECKED else ())


def _findings(artefact: Artefact) -> list[Finding]:
    from pipeline.checks.stored import training_findings

    return training_findings(artefact)


def _evidence(context: dg.AssetExecutionContext, name: str, artefact: Artefact) -> dict[str, object]:
    """What one of the four outputs shows of itself."""
    if name == "snapshots":
        from pipeline.training.records.snapshots import snapshot_step

        snapshots = [artefact.path(file) for file in artefact.files if file.startswith("snapshots/")]
        last = artefact.verified_path(f"snapshots/{max(snapshots, key=snapshot_step).name}")
        return {
            "last_snapshot": dg.MetadataValue.md(markdown_file(last, "one row a member")),
            "weights": weights_along(artefact),
            "movie": dg.MetadataValue.path(artefact.path("movie.gif")),
            "path": dg.MetadataValue.path(artefact.path("snapshots")),
        }
    if name == "history":
        path = dg.MetadataValue.path(artefact.path("history.parquet"))
        return {"curves": _curves(context, artefact), **_last_losses(artefact), "path": path}
    file = f"{name}.safetensors"
    scored = {"scored_weights": default_weights(artefact)} if name == "generator" else {}
    return {**scored, "sha256": artefact.files[file].sha256, "path": dg.MetadataValue.path(artefact.path(file))}


def _curves(context: dg.AssetExecutionContext, artefact: Artefact) -> dg.MetadataValue:
    history, partition = dg.AssetKey([artefact.details["recipe"], "history"]), artefact.details["optimizer"]
    if artefact.cached and (kept := drawn_before(context, history, partition, artefact.fingerprint, "curves")):
        return kept
    from pipeline.training.records.history import read_history
    from pipeline.training.records.loss_curves import draw_curves

    picture = draw_curves(read_history(artefact.verified_path("history.parquet")))
    return dg.MetadataValue.md(markdown_image(picture, "losses and accuracies by training step"))


def _last_losses(artefact: Artefact) -> dict[str, object]:
    from pipeline.training.records.history import last_interval

    return dict(last_interval(artefact.verified_path("history.parquet")))
