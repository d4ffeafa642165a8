"""Evidence of a training: facts of its run, and a picture, losses or a checksum for each of its four outputs.

In: a training artefact, or an observation of a training that is still running. Out: `Evidence`.
"""

from __future__ import annotations

from pipeline.evidence import Drawing, Evidence, Markdown
from pipeline.storage.artefact import Artefact
from pipeline.storage.pictures import inline_strip, markdown_file, markdown_image
from pipeline.training.details import TrainingDetails
from pipeline.training.kinds_of_weights import default_weights, weights_along
from pipeline.training.records.history import last_interval, read_history
from pipeline.training.records.loss_curves import draw_curves
from pipeline.training.records.progress import Observation
from pipeline.training.records.snapshots import snapshot_step


def observation_evidence(observation: Observation, optimizer: str) -> Evidence:
    """Return the progress, losses and newest pictures of one partition while it trains."""
    partition = observation.partitions[optimizer]
    minutes, seconds = divmod(round(observation.seconds_left), 60)
    pictures = partition.pictures
    return {
        "step": observation.step,
        "steps": observation.steps,
        "images_per_second": round(observation.images_per_second),
        "time_left": f"{minutes}:{seconds:02d}",
        "members_training": partition.members,
        "diverged": "; ".join(partition.diverged) or "none",
        **observation.system.facts(),
        **({} if partition.measured is None else vars(partition.measured)),
        **({} if pictures is None else {"thumbnail": Markdown(inline_strip(pictures))}),
    }


def training_evidence(artefact: Artefact, output: str) -> Evidence:
    """Return evidence of one output: "generator", "discriminator", "history" or "snapshots"."""
    if output == "snapshots":
        own = _snapshots_evidence(artefact)
    elif output == "history":
        own = _history_evidence(artefact)
    else:
        own = _weights_evidence(artefact, output)
    return {**own, **_run_evidence(artefact)}


def _snapshots_evidence(artefact: Artefact) -> Evidence:
    snapshots = [artefact.path(file) for file in artefact.files if file.startswith("snapshots/")]
    last = artefact.verified_path(f"snapshots/{max(snapshots, key=snapshot_step).name}")
    return {
        "last_snapshot": Markdown(markdown_file(last, "one row per member")),
        "weights": weights_along(artefact),
        "movie": artefact.path("movie.gif"),
        "path": artefact.path("snapshots"),
    }


def _history_evidence(artefact: Artefact) -> Evidence:
    path = artefact.verified_path("history.parquet")

    def draw() -> str:
        return markdown_image(draw_curves(read_history(path)), "losses and accuracies by training step")

    return {"curves": Drawing(draw), **last_interval(path), "path": path}


def _weights_evidence(artefact: Artefact, network: str) -> Evidence:
    file = f"{network}.safetensors"
    scored: Evidence = {"scored_weights": default_weights(artefact)} if network == "generator" else {}
    return {**scored, "sha256": artefact.files[file].sha256, "path": artefact.path(file)}


def _run_evidence(artefact: Artefact) -> Evidence:
    """Return the facts that all four outputs show."""
    details = artefact.details_as(TrainingDetails)
    divergences = (
        f"member {divergence.member} at step {divergence.step:,}: {divergence.reason}"
        for divergence in details.divergences
    )
    return {
        "steps": details.steps,
        "members": details.members,
        "seed": details.seed,
        "device": details.device,
        "seconds": details.seconds,
        "trained_together": details.trained_together,
        "diverged_members": len(details.diverged_members),
        **({"divergences": "; ".join(divergences)} if details.divergences else {}),
        "images_per_second": details.images_per_second,
        "resumed_at_step": details.resumed_at_step,
        **{f"system_{name}": value for name, value in details.system.items() if name != "device"},
        "note": details.source.note or "the whole published data set",
    }
