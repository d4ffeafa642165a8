"""Reports: the status of a partition's newest report, by the protocol that is stored in it.

In: the newest report, and the samples, extractor and reference as stored now. Out: a `Status`. The extractor and the
thorough scores were a person's choice and are read from the report. The samples and the code that scores are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.metrics import CODE_VERSION as METRICS_VERSION
from pipeline.metrics.details import ClassifierDetails, ReferenceDetails
from pipeline.reports import report_identity, store
from pipeline.reports.report import Report
from pipeline.samples import fingerprint_of_first_samples
from pipeline.samples.details import SamplesDetails
from pipeline.settings import Recipe
from pipeline.status.state import FAILED, FRESH, STALE, AssetFolder, Status, describe_differences, input_reasons
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.identity import Identity, differences
from pipeline.storage.paths import Paths

WORDS = {
    "samples": "the samples were generated again",
    "protocol.extractor_sha256": "the extractor's weights changed",
    "protocol.real_images": "the reference was made again",
    "protocol.metrics_version": "the metrics' code changed",
}
THOROUGH = "thorough"


def report_status(
    recipe: Recipe, optimizer: str, samples: Status, dataset: Mapping[str, Status], paths: Paths
) -> Status:
    """Return the status of a partition's newest report."""
    asset, folder = f"{recipe.key}/report", store.partition_folder(paths.reports(), recipe.key, optimizer)
    stored = AssetFolder(asset, optimizer, folder, None, (samples,))
    try:
        report = store.latest(paths.reports(), recipe.key, optimizer)
        if report is None:
            return stored.missing()
        protocol = report.protocol
    except (OSError, ValueError) as error:  # not a Parquet file, or columns are missing
        return stored.status(FAILED, (f"damaged: {error}",), out_of_date=True)
    names = ("classifier", "reference") if protocol["extractor"] == "classifier" else ("inception_reference",)
    inputs = [samples, *(dataset[name] for name in names if name in dataset)]
    reasons = [*input_reasons(inputs), *_changes(report, protocol, recipe, optimizer, paths)]
    return Status(
        asset,
        optimizer,
        STALE if reasons else FRESH,
        tuple(reasons),
        (*_describe_choices(report, protocol), *_describe_members(report, paths)),
        report.created_at.isoformat(timespec="seconds"),
        report.fingerprint,
        folder,
        out_of_date=bool(reasons),
    )


def _changes(report: Report, protocol: Mapping[str, Any], recipe: Recipe, optimizer: str, paths: Paths) -> list[str]:
    from pipeline.metrics.catalogue import score_names  # half a second to import

    samples = read_artefact(paths.samples(recipe.key, optimizer))
    if samples is None:
        return []
    now = _protocol_now(protocol, samples, recipe, paths)
    thorough = _is_thorough(report)
    names = score_names(now["extractor_labels"], thorough=thorough)
    scored = report.data_versions.get("samples")
    wanted = _fingerprint_of_scored(report, samples, paths) if scored == samples.fingerprint else samples.fingerprint
    identity_now = report_identity(wanted, now, names, thorough=thorough)
    if report.fingerprint == identity_now.fingerprint:
        return []
    before = {**identity_now.decided_by, "protocol": dict(protocol)}
    if scored != samples.fingerprint:
        before["samples"] = scored
    changes = describe_differences(
        differences(Identity(identity_now.stage, identity_now.code_version, before), identity_now), WORDS
    )
    reasons = [*(change.removeprefix("protocol.") for change in changes), *_other_scores(report.metrics(), names)]
    return reasons or ["the code that scores changed"]


def _fingerprint_of_scored(report: Report, samples: Artefact, paths: Paths) -> str:
    """Return the fingerprint that the samples of the report's members alone would have.

    A person may have limited the report to the first members of the samples.
    """
    training = read_artefact(paths.training(report.recipe, report.optimizer))
    if training is None:
        return samples.fingerprint
    return fingerprint_of_first_samples(samples, training, report.members)


def _other_scores(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return which scores the catalogue has and the report lacks, and the reverse."""
    new = [name for name in now if name not in before]
    gone = [name for name in before if name not in now]
    return [f"{title}: {', '.join(names)}" for title, names in (("new scores", new), ("scores removed", gone)) if names]


def _protocol_now(protocol: Mapping[str, Any], samples: Artefact, recipe: Recipe, paths: Paths) -> dict[str, Any]:
    """Return the report's protocol with the values that today's files and code would give it."""
    extractor = protocol["extractor"]
    reference = read_artefact(paths.reference(recipe.dataset, extractor))
    classifier = read_artefact(paths.classifier(recipe.dataset)) if extractor == "classifier" else None
    details = samples.details_as(SamplesDetails)
    now = {
        **protocol,
        "n_generated": details.images_per_member,
        "samples_seed": details.seed,
        "weights": details.weights,
        "metrics_version": METRICS_VERSION,
    }
    if classifier is not None:
        now["extractor_sha256"] = classifier.details_as(ClassifierDetails).weights_sha256
    if reference is not None:
        images = reference.details_as(ReferenceDetails).images
        now |= {"n_real": images["test"], "n_train": images["train"], "real_images": reference.fingerprint}
    return now


def _describe_choices(report: Report, protocol: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the choices of a person that differ from plain scoring."""
    extractor = () if protocol["extractor"] == "classifier" else (f"extractor {protocol['extractor']}",)
    return (*extractor, THOROUGH) if _is_thorough(report) else extractor


def _describe_members(report: Report, paths: Paths) -> tuple[str, ...]:
    """Return a note if the report is limited to the first members of the samples that it names."""
    samples = read_artefact(paths.samples(report.recipe, report.optimizer))
    if samples is None or samples.fingerprint != report.data_versions.get("samples"):
        return ()
    covered = samples.details_as(SamplesDetails).members_covered
    return (f"{report.members} of {covered} members",) if report.members < covered else ()


def _is_thorough(report: Report) -> bool:
    from pipeline.metrics.catalogue import thorough_names

    return not set(thorough_names()).isdisjoint(report.metrics())
