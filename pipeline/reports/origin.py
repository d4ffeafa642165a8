"""Origin: the provenance columns of a report: data, training, extractor, protocol, code and machine.

In: the samples, the training, the judge and its protocol. Out: the columns with one value per report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.reports import CODE_VERSION
from pipeline.reports.commit import git_commit
from pipeline.samples import CODE_VERSION as SAMPLES_VERSION
from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity
from pipeline.training import CODE_VERSION as TRAINING_VERSION
from pipeline.training.details import TrainingDetails
from pipeline.training.trained import read_settings

if TYPE_CHECKING:
    from pipeline.reports.judge import Judge

ADDRESS = ("seed", "members")  # settings that name the replicates of a configuration


def shared_columns(judge: Judge, protocol: Mapping[str, Any], samples: Artefact, training: Artefact) -> dict[str, Any]:
    """Return the columns with one value per report, except its fingerprint, its run and its scoring time."""
    settings, details = read_settings(training), training.details_as(TrainingDetails)
    return {
        "recipe": settings.recipe,
        "optimizer": settings.optimizer,
        "n_generated": protocol["n_generated"],
        "n_real": protocol["n_real"],
        "n_floor": min(protocol["n_generated"], len(judge.reference.train)),
        "extractor": protocol["extractor"],
        "extractor_sha256": protocol["extractor_sha256"],
        "extractor_accuracy": judge.extractor.accuracy,
        "protocol": json.dumps(protocol, sort_keys=True),
        "training_fingerprint": training.fingerprint,
        "steps": settings.steps,
        "width": details.width,
        "seed": settings.seed,
        "members": settings.members,
        "diverged_members": len(details.diverged_members),
        "settings": json.dumps({**settings.to_json(), "width": details.width}, sort_keys=True),
        "source": details.source.note or f"official, from {details.source.origin}",
        "device": details.device,
        "training_seconds": details.seconds,
        "git_commit": git_commit(),
        "ganforge_version": __version__,
        "data_versions": json.dumps(_data_versions(samples, training, judge), sort_keys=True),
        "pool": pool_identity(settings, details.width, judge.tensors, protocol).fingerprint,
    }


def pool_identity(settings: TrainingSettings, width: int, tensors: Artefact, protocol: Mapping[str, Any]) -> Identity:
    """Return everything that two reports must share before their members count as replicates of one configuration.

    Seed and number of members are left out, as they address the replicates. `width` is the one that was trained.
    """
    shared = {name: value for name, value in settings.to_json().items() if name not in ADDRESS} | {"width": width}
    versions = {"training": TRAINING_VERSION, "samples": SAMPLES_VERSION}
    decided_by = {"settings": shared, "tensors": tensors.fingerprint, "protocol": dict(protocol), "code": versions}
    return Identity("pool", CODE_VERSION, decided_by)


def _data_versions(samples: Artefact, training: Artefact, judge: Judge) -> dict[str, str]:
    """Return the fingerprints of the inputs; that of an extractor is the SHA-256 of its weights."""
    return {
        "tensors": judge.tensors.fingerprint,
        "training": training.fingerprint,
        "samples": samples.fingerprint,
        "extractor": judge.extractor.sha256,
        "reference": judge.reference_artefact.fingerprint,
    }
