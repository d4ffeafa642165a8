"""Reports: the status of a partition's newest report, by the protocol that is stored in it.

In: the newest report, and the samples, extractor and reference there now. Out: a `Status`. How it was scored (with
which extractor, with or without the thorough scores) was a person's choice; what was scored, and by which code, counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.metrics import CODE_VERSION as METRICS_VERSION
from pipeline.reports import store
from pipeline.reports.identity import report_identity
from pipeline.reports.report import Report
from pipeline.samples.details import SamplesDetails
from pipeline.settings import Recipe
from pipeline.status.state import FAILED, FRESH, STALE, Status, Subject, in_words, inherited
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.identity import Identity, differences
from pipeline.storage.paths import Paths

WORDS = {
    "samples": "the samples were drawn again",
    "protocol.extractor_sha256": "the extractor's weights are others now",
    "protocol.real_images": "the reference was made again",
    "protocol.metrics_version": "the metrics' code has another version",
}
THOROUGH = "thorough"


def report_status(
    recipe: Recipe, optimizer: str, samples: Status, dataset: Mapping[str, Status], paths: Paths
) -> Status:
    """Of the newest report of a partition."""
    asset, folder = f"{recipe.key}/report", store.partition_folder(paths.reports(), recipe.key, optimizer)
    subject = Subject(asset, optimizer, folder, None, (samples,))
    try:
        report = store.latest(paths.reports(), recipe.key, optimizer)
        if report is None:
            return subject.missing()
        protocol = report.protocol
    except (OSError, ValueError) as error:  # not a Parquet file, or one without what a report must have
        return subject.status(FAILED, (f"damaged: {error}",), out_of_date=True)
    names = ("classifier", "reference") if protocol["extractor"] == "classifier" else ("inception_reference",)
    inputs = [samples, *(dataset[name] for name in names if name in dataset)]
    reasons = [*inherited(inputs), *_changes(report, protocol, recipe, optimizer, paths)]
    return Status(
        asset,
        optimizer,
        STALE if reasons else FRESH,
        tuple(reasons),
        _chosen(report, protocol),
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
    wanted = report_identity(samples, now, names, thorough=thorough)
    if report.fingerprint == wanted.fingerprint:
        return []
    made_from = report.data_versions.get("samples")
    before = {**wanted.decided_by, "samples": made_from, "protocol": dict(protocol)}
    found = in_words(differences(Identity(wanted.stage, wanted.code_version, before), wanted), WORDS)
    reasons = [*(each.removeprefix("protocol.") for each in found), *_other_scores(report.metrics(), names)]
    return reasons or ["the code that scores has another version"]


def _other_scores(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return which scores the catalogue has and the report lacks, and the reverse."""
    new = [name for name in now if name not in before]
    gone = [name for name in before if name not in now]
    return [f"{what}: {', '.join(names)}" for what, names in (("new scores", new), ("scores removed", gone)) if names]


def _protocol_now(protocol: Mapping[str, Any], samples: Artefact, recipe: Recipe, paths: Paths) -> dict[str, Any]:
    """The protocol that the same judge would score by now: what it takes from files and code, as they are."""
    extractor = protocol["extractor"]
    reference = read_artefact(paths.reference(recipe.dataset, extractor))
    classifier = read_artefact(paths.classifier(recipe.dataset)) if extractor == "classifier" else None
    now = {
        **protocol,
        "n_generated": samples.details["images_a_member"],
        "samples_seed": samples.details["seed"],
        "weights": samples.details_as(SamplesDetails).weights,
        "metrics_version": METRICS_VERSION,
    }
    if classifier is not None:
        now["extractor_sha256"] = classifier.details["weights_sha256"]
    if reference is not None:
        images = reference.details["images"]
        now |= {"n_real": images["test"], "n_train": images["train"], "real_images": reference.fingerprint}
    return now


def _chosen(report: Report, protocol: Mapping[str, Any]) -> tuple[str, ...]:
    """How a person chose to score, where that is not the plain way."""
    extractor = () if protocol["extractor"] == "classifier" else (f"extractor {protocol['extractor']}",)
    return (*extractor, THOROUGH) if _is_thorough(report) else extractor


def _is_thorough(report: Report) -> bool:
    from pipeline.metrics.catalogue import thorough_names

    return not set(thorough_names()).isdisjoint(report.metrics())
