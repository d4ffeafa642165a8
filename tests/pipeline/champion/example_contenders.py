"""Made-up contenders: drawn weights, samples and a report that belong together, without any training."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.champion.promote import PromotionOutcome, promote
from pipeline.findings import Finding
from pipeline.reports import store
from pipeline.storage.artefact import Artefact, make_artefact, read_artefact, write_json
from pipeline.storage.paths import MANIFEST, Paths
from pipeline.storage.pictures import write_grid
from pipeline.storage.verification import sha256_of_file
from pipeline.storage.weights import save_weights
from pipeline.training.trained import trained_network
from tests.identities import Named
from tests.pipeline.manifests import samples_details
from tests.pipeline.samples.example_training import random_generator, untrained_training

RECIPE = "mnist_mlp"
OPTIMIZERS = ("adam", "sgd", "rmsprop")
GOOD, BAD = (100.0, 104.0, 101.0), (300.0, 310.0, 295.0)
SOURCE = {"source": "directory", "origin": "/home/someone/mnist", "official": True, "note": "", "licence": "CC BY 4.0"}


def contender(
    paths: Paths,
    optimizer: str,
    fids: Sequence[float | None],
    *,
    seed: int = 0,
    steps: int = 4500,
    average: bool = False,
    pool: str = "",
    **protocol: Any,
) -> store.Report:
    """Write a training of one member per FID, its samples, and the newest report about it."""
    diverged = tuple(member for member, fid in enumerate(fids) if fid is None)
    training = trained(paths, optimizer, len(fids), seed, average=average, diverged=diverged)
    samples = drawn(paths, training, "average" if average else "raw")
    return report(paths, training, samples, fids, seed=seed, steps=steps, pool=pool, **protocol)


def trained(
    paths: Paths,
    optimizer: str,
    members: int = 3,
    seed: int = 0,
    *,
    average: bool = False,
    diverged: tuple[int, ...] = (),
) -> Artefact:
    """Weights drawn by a seed, with the details that a training leaves."""
    training = untrained_training(paths, RECIPE, optimizer, members=members, average=average, diverged=diverged)
    generator = random_generator(trained_network(training), members, seed)
    save_weights(training.path("generator.safetensors"), generator.state_dict())
    manifest = json.loads(training.path(MANIFEST).read_text())
    manifest["files"]["generator.safetensors"]["sha256"] = sha256_of_file(training.path("generator.safetensors"))
    manifest["fingerprint"] = f"{RECIPE} {optimizer} seed {seed}"
    manifest["details"] |= {"source": SOURCE, "steps": 1, "seed": seed, "device": "CPU", "seconds": 2.5}
    write_json(training.path(MANIFEST), manifest)
    artefact = read_artefact(training.folder)
    assert artefact is not None
    return artefact


def drawn(paths: Paths, training: Artefact, weights: str = "raw") -> Artefact:
    """Samples with nothing but a picture: grey images."""
    recipe, optimizer = training.details["recipe"], training.details["optimizer"]

    def fill(folder: Path) -> dict[str, Any]:
        write_grid(folder / "grid.png", np.full((4, 1, 28, 28), 128, np.uint8), 4)
        return samples_details(recipe, optimizer, training=training.fingerprint, weights=weights)

    name = f"drawn by {training.fingerprint}" if weights == "raw" else f"drawn by the average of {training.fingerprint}"
    return make_artefact(paths.samples(recipe, optimizer), Named(name), fill)


def report(
    paths: Paths,
    training: Artefact,
    samples: Artefact,
    fids: Sequence[float | None],
    *,
    seed: int = 0,
    steps: int = 4500,
    pool: str = "",
    **protocol: Any,
) -> store.Report:
    """A report about weights and samples, of one metric."""
    versions = {"training": training.fingerprint, "samples": samples.fingerprint, "tensors": "t"}
    shared = {
        "recipe": training.details["recipe"],
        "optimizer": training.details["optimizer"],
        "fingerprint": "f",
        "training_fingerprint": training.fingerprint,
        "data_versions": json.dumps(versions),
        "protocol": json.dumps({"n_generated": 10, "weights": samples.details["weights"], **protocol}),
        "seed": seed,
        "steps": steps,
        "pool": pool,
        "members": len(fids),
        "diverged_members": list(fids).count(None),
        "git_commit": "abc1234",
        "ganforge_version": "0.1.0",
    }
    numbers = {"metric": "fid", "floor": 1.0, "ceiling": 900.0, "better": "lower", "note": "lower is better"}
    rows = [{**shared, **numbers, "member": member, "value": value} for member, value in enumerate(fids)]
    return store.append(paths.reports(), rows)


def passed(_: str) -> list[Finding]:
    """Every check of every configuration."""
    return [Finding("mode_drop", True, "error", "all classes are there", {}, "")]


def failed(optimizer: str, severity: Any = "error") -> Callable[[str], list[Finding]]:
    """A check that one configuration alone failed."""
    bad = Finding("mode_drop", False, severity, "3 of 10 classes are missing", {"missing": 3}, "train longer")
    return lambda key: [bad] if key == optimizer else []


def decide(paths: Paths, **given: Any) -> PromotionOutcome:
    """Decide on the champion from the newest reports; checks pass by default."""
    return promote(RECIPE, OPTIMIZERS, paths, **{"run_checks": passed, **given})
