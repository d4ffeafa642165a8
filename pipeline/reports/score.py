"""Score: from a partition's samples to its report: every metric, member by member, beside floor and ceiling.

In: the samples artefact, the data set's classifier and reference. Out: one stored report. Features are computed once a
member, every score from them.
"""

from __future__ import annotations

import json
import logging
import subprocess
from dataclasses import dataclass
from typing import Any

from pipeline.metrics import CODE_VERSION as METRICS_VERSION
from pipeline.metrics.catalogue import BETTER, score, score_names, score_notes
from pipeline.metrics.classifier import Classifier, expect_labels, extract, load_classifier, require_classifier
from pipeline.metrics.inception_score import SPLITS
from pipeline.metrics.reference import Reference, load_reference, require_reference
from pipeline.reports import CODE_VERSION, store
from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact, fingerprint, require_artefact
from pipeline.storage.images import ImageFile, Pixels, read_images
from pipeline.storage.paths import PROJECT, Paths
from pipeline.tensors.load import require_tensors
from pipeline.training.trained import read_settings, require_training

log = logging.getLogger(__name__)


class StaleInputError(ValueError):
    """Inputs that do not belong together; the message says which to materialize again."""


@dataclass(frozen=True)
class Scored:
    """A partition's report, and whether it was there already."""

    report: store.Report
    cached: bool


@dataclass(frozen=True)
class Judge:
    """What every partition of a data set is judged with, loaded once."""

    classifier: Artefact
    reference_artefact: Artefact
    network: Classifier
    reference: Reference

    @classmethod
    def load(cls, dataset: str, paths: Paths) -> Judge:
        """The data set's classifier and reference features, which must belong together."""
        expect_labels(require_tensors(paths, dataset))  # without any, the advice to train a classifier would be none
        classifier, reference = require_classifier(paths, dataset), require_reference(paths, dataset)
        if reference.details["extractor_sha256"] != classifier.details["weights_sha256"]:
            raise StaleInputError(
                f"{reference.folder}: features of classifier {reference.details['extractor_sha256'][:12]}, "
                f"but {classifier.folder} holds {classifier.details['weights_sha256'][:12]}; "
                f"materialize {dataset}/reference again"
            )
        return cls(classifier, reference, load_classifier(classifier), load_reference(reference))

    def protocol(self, samples: Artefact) -> dict[str, Any]:
        """Everything that must agree before two scores may be compared."""
        n_generated = samples.details["images_a_member"]
        return {
            "extractor": "classifier",
            "extractor_labels": self.reference.labels,
            "extractor_sha256": self.classifier.details["weights_sha256"],
            "n_generated": n_generated,
            "n_real": len(self.reference.test),
            "samples_seed": samples.details["seed"],
            "inception_score_splits": SPLITS,
            "real_split": "test",
            "real_images": self.reference_artefact.fingerprint,
            "value_range": "uint8, rounded half up",
            "resize": "none",
            "weights": samples.details["weights"],
            "batch_normalisation": "evaluation",
            "metrics_version": METRICS_VERSION,
        }


def score_partition(
    recipe: str, optimizer: str, judge: Judge, paths: Paths, *, run_id: str = "", force: bool = False
) -> Scored:
    """The partition's report, computed and stored unless the newest one was made from the same samples and judge."""
    samples = require_artefact(paths.samples(recipe, optimizer), "samples", f"{recipe}/samples, partition {optimizer},")
    training = require_training(paths, recipe, optimizer)
    _expect_belonging(samples, training, judge)
    protocol = judge.protocol(samples)
    wanted = fingerprint("reports", CODE_VERSION, samples=samples.fingerprint, protocol=protocol)
    newest = store.latest(paths.reports(), recipe, optimizer)
    if newest is not None and newest.fingerprint == wanted and not force:
        return Scored(newest, cached=True)
    scores = _score_members(samples, judge)
    floor, ceiling = judge.reference.anchors(protocol["n_generated"])
    labels = judge.reference.labels
    notes = score_notes(labels)
    shared = _shared_columns(read_settings(training), training, judge, protocol) | {
        "fingerprint": wanted,
        "run_id": run_id,
    }
    rows = [
        {
            **shared,
            "member": member,
            "metric": metric,
            "value": of_member.get(metric),
            "floor": floor[metric],
            "ceiling": ceiling[metric],
            "better": BETTER[metric],
            "note": notes.get(metric, ""),
        }
        for member, of_member in scores.items()
        for metric in score_names(labels)
    ]
    return Scored(store.append(paths.reports(), rows), cached=False)


def _expect_belonging(samples: Artefact, training: Artefact, judge: Judge) -> None:
    recipe, optimizer = training.details["recipe"], training.details["optimizer"]
    dataset = judge.classifier.details["dataset"]
    if samples.details["training"] != training.fingerprint:
        raise StaleInputError(
            f"{samples.folder}: drawn by other weights than {training.folder} holds now; "
            f"materialize {recipe}/samples, partition {optimizer}, again"
        )
    if judge.classifier.details["tensors"] != training.details["tensors"]:
        raise StaleInputError(
            f"{recipe} {optimizer} and {dataset}/classifier were trained on different data; "
            f"materialize {dataset}/classifier and {dataset}/reference again, or {recipe}/generator"
        )


def _score_members(samples: Artefact, judge: Judge) -> dict[int, dict[str, float]]:
    """The scores of every trained member; a diverged one has none."""
    images = read_images(samples.path("samples.arrow"))
    scores: dict[int, dict[str, float]] = {member: {} for member in samples.details["diverged_members"]}
    for member in samples.details["members"]:
        scores[member] = score(
            extract(judge.network, _of_member(images, member)), judge.reference.test, judge.reference.labels
        )
        name = f"{samples.details['recipe']} {samples.details['optimizer']}"
        log.info(
            "%s member %d: %s", name, member, ", ".join(f"{key} {value:.4g}" for key, value in scores[member].items())
        )
    return dict(sorted(scores.items()))


def _of_member(images: ImageFile, member: int) -> Pixels:
    pixels: Pixels = images.pixels[images.columns["member"] == member]
    return pixels


def _shared_columns(
    settings: TrainingSettings, training: Artefact, judge: Judge, protocol: dict[str, Any]
) -> dict[str, Any]:
    source = training.details["source"]
    return {
        "recipe": settings.recipe,
        "optimizer": settings.optimizer,
        "n_generated": protocol["n_generated"],
        "n_real": protocol["n_real"],
        "n_floor": min(protocol["n_generated"], len(judge.reference.train)),
        "extractor": protocol["extractor"],
        "extractor_sha256": protocol["extractor_sha256"],
        "extractor_accuracy": judge.classifier.details["test_accuracy"],
        "protocol": json.dumps(protocol, sort_keys=True),
        "training_fingerprint": training.fingerprint,
        "steps": settings.steps,
        "width": training.details["width"],
        "seed": settings.seed,
        "members": settings.members,
        "diverged_members": len(training.details["diverged_members"]),
        "settings": json.dumps(settings.to_json(), sort_keys=True),
        "source": source["note"] or f"official, from {source['origin']}",
        "device": training.details["device"],
        "training_seconds": training.details["seconds"],
        "git_commit": git_commit(),
    }


def git_commit() -> str:
    """The commit of this code, with "+" where files differ from it, or "unknown" outside a checkout."""
    try:
        command = ["git", "-C", str(PROJECT), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
