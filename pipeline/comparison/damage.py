"""Damage: find the files of a comparison's page that do not match their manifests.

In: a ranking and the data folder. Out: the damage by file. A damaged file removes only the parts that depend on it, and
the page names them. The comparison's identity contains the damage, so that the page is made again after the repair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.comparison.ranking import RankedConfiguration, Ranking
from pipeline.settings import load_recipes
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import Paths
from pipeline.storage.verification import ArtefactFileError, fault
from pipeline.training.kinds_of_weights import FILE_OF_WEIGHTS

TRAINING_FILES = ("settings.json", "history.parquet")  # besides snapshots and the scored weights
SAMPLES_FILES = ("samples.arrow",)
TENSORS_FILES = ("test.arrow",)


def damage(ranking: Ranking, paths: Paths) -> dict[str, str]:
    """Return the damage of each file that the page reads, by the file's path in the data folder.

    Trainings and samples that no report is about are not shown, so their files do not count.
    """
    damaged = {}
    for artefact, names in _files_read(ranking, paths):
        for name in names:
            problem = _fault(artefact, name)
            if problem:
                damaged[str(artefact.path(name).relative_to(paths.root))] = problem
    return damaged


def _fault(artefact: Artefact, name: str) -> str:
    try:
        return fault(artefact.path(name), artefact.files[name])
    except ArtefactFileError:
        return "permission denied"


def _files_read(ranking: Ranking, paths: Paths) -> Iterator[tuple[Artefact, Sequence[str]]]:
    """Yield each artefact that the page reads, with the names of the files it reads."""
    for configuration in ranking.configurations:
        yield from _files_of_configuration(ranking.recipe, configuration, paths)
    dataset = load_recipes()[ranking.recipe].dataset
    for folder, names in (
        (paths.classifier(dataset), None),
        (paths.reference(dataset), None),
        (paths.tensors(dataset), TENSORS_FILES),
    ):
        artefact = read_artefact(folder)
        if artefact is not None:
            yield artefact, [name for name in artefact.files if names is None or name in names]


def _files_of_configuration(
    recipe: str, configuration: RankedConfiguration, paths: Paths
) -> Iterator[tuple[Artefact, Sequence[str]]]:
    report, optimizer = configuration.report, configuration.optimizer
    training, samples = (
        read_artefact(paths.training(recipe, optimizer)),
        read_artefact(paths.samples(recipe, optimizer)),
    )
    if training is not None and training.fingerprint == report.training_fingerprint:
        names = (*TRAINING_FILES, FILE_OF_WEIGHTS.get(report.weights))
        yield training, [name for name in training.files if name in names or name.startswith("snapshots/")]
    if samples is not None and report.is_about(samples):
        yield samples, [name for name in samples.files if name in SAMPLES_FILES]
