"""Damage: the files that a comparison's page is drawn from, and which of them do not match their manifests.

In: a ranking and the data folder. Out: what is wrong, by file. A damaged file costs the parts drawn from it, which the
page names, and nothing else. The comparison's identity holds it, so that the page is made again after the repair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.comparison.ranking import RankedConfiguration, Ranking
from pipeline.settings import load_recipes
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import Paths
from pipeline.storage.verification import ArtefactFileError, fault
from pipeline.training.kinds_of_weights import FILE_OF_WEIGHTS

READ_OF_TRAINING = ("settings.json", "history.parquet")  # beside snapshots and the weights that were scored
READ_OF_SAMPLES = ("samples.arrow",)
READ_OF_TENSORS = ("test.arrow",)


def damage(ranking: Ranking, paths: Paths) -> dict[str, str]:
    """Return what is wrong with each damaged file that the page reads, by its path in the data folder.

    A training or samples that a report is not about are not shown, so their files do not count.
    """
    found = {}
    for artefact, names in _read(ranking, paths):
        for name in names:
            wrong = _wrong(artefact, name)
            if wrong:
                found[str(artefact.path(name).relative_to(paths.root))] = wrong
    return found


def _wrong(artefact: Artefact, name: str) -> str:
    try:
        return fault(artefact.path(name), artefact.files[name])
    except ArtefactFileError:
        return "permission denied"


def _read(ranking: Ranking, paths: Paths) -> Iterator[tuple[Artefact, Sequence[str]]]:
    """Each artefact that the page reads, with the files it reads of those that the artefact has."""
    for configuration in ranking.configurations:
        yield from _read_of_configuration(ranking.recipe, configuration, paths)
    dataset = load_recipes()[ranking.recipe].dataset
    for folder, names in (
        (paths.classifier(dataset), None),
        (paths.reference(dataset), None),
        (paths.tensors(dataset), READ_OF_TENSORS),
    ):
        artefact = read_artefact(folder)
        if artefact is not None:
            yield artefact, [name for name in artefact.files if names is None or name in names]


def _read_of_configuration(
    recipe: str, configuration: RankedConfiguration, paths: Paths
) -> Iterator[tuple[Artefact, Sequence[str]]]:
    report, optimizer = configuration.report, configuration.optimizer
    training, samples = (
        read_artefact(paths.training(recipe, optimizer)),
        read_artefact(paths.samples(recipe, optimizer)),
    )
    if training is not None and training.fingerprint == report.training_fingerprint:
        names = (*READ_OF_TRAINING, FILE_OF_WEIGHTS.get(report.weights))
        yield training, [name for name in training.files if name in names or name.startswith("snapshots/")]
    if samples is not None and report.is_about(samples):
        yield samples, [name for name in samples.files if name in READ_OF_SAMPLES]
