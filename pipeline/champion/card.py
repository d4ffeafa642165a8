"""Card: everything known about a champion, for programs (`card.json`) and for readers (`card.md`).

In: a `Promotion`. Out: two files beside its weights, which contain no path of this machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.champion.decisions import now
from pipeline.champion.promotion import Exported, Promotion
from pipeline.champion.versions import CARD, CARD_TEXT, GRID, ONNX, Champion
from pipeline.comparison.page.entries import without_folders
from pipeline.comparison.ranking import estimate
from pipeline.evidence import number
from pipeline.raw.details import DataSource
from pipeline.reports.store import Report
from pipeline.settings import load_recipes
from pipeline.storage.artefact import write_json
from pipeline.storage.plain_json import plain_json
from pipeline.training.details import TrainingDetails
from pipeline.training.kinds_of_weights import FILE_OF_WEIGHTS
from pipeline.training.trained import read_settings, trained_network

LINEAGE = (
    *("report_id", "created_at", "fingerprint", "training_fingerprint", "git_commit", "ganforge_version", "run_id"),
    *("extractor", "extractor_sha256", "extractor_accuracy", "n_generated", "n_real"),
)


def write_card(folder: Path, promotion: Promotion, exported: Exported) -> None:
    """Write the card in both forms to a folder."""
    facts = card(promotion, exported)
    write_json(folder / CARD, facts)
    (folder / CARD_TEXT).write_text(as_markdown(facts), encoding="utf-8")


def card(promotion: Promotion, exported: Exported) -> dict[str, Any]:
    """Return the facts of the card as plain JSON values; an undefined number is null."""
    report, training = promotion.sources.report, promotion.sources.training
    details = training.details_as(TrainingDetails)
    recipe = load_recipes()[details.recipe]
    facts = {
        "recipe": recipe.key,
        "optimizer": details.optimizer,
        "version": promotion.version,
        "promoted_at": now(),
        "description": recipe.description,
        "recipe_source": recipe.source,
        "decision": _decision(promotion),
        "scores": {metric: _score(report, metric) for metric in report.metrics()},
        "checks": [asdict(finding) for finding in promotion.findings],
        "member": promotion.member,
        "weights": promotion.sources.weights,
        "network": _network(promotion),
        "training": _training(details),
        "settings": {**read_settings(training).to_json(), "width": trained_network(training).width},
        "protocol": promotion.sources.protocol,
        "lineage": _lineage(report),
        "data": _data(details.source),
        "onnx": {"file": None if exported.refusal else ONNX, **asdict(exported)},
    }
    plain: dict[str, Any] = plain_json(facts)
    return plain


def _decision(promotion: Promotion) -> dict[str, Any]:
    replaced = promotion.replaced
    return {
        "reason": promotion.reason,
        "forced": promotion.forced,
        "verdict": None if promotion.verdict is None else asdict(promotion.verdict),
        "replaced_version": promotion.replaced_version,
        "replaced": None if replaced is None else _replaced(replaced),
        "considered": [
            {**asdict(decision), "verdict": None if decision.verdict is None else str(decision.verdict)}
            for decision in promotion.decisions
        ],
    }


def _replaced(champion: Champion) -> dict[str, Any]:
    return {
        "version": champion.version,
        "optimizer": champion.optimizer,
        "report_id": champion.report_id,
        "training_fingerprint": champion.training_fingerprint,
    }


def _score(report: Report, metric: str) -> dict[str, Any]:
    """Return mean and half-width of the 95 % interval over members, with the scores of real images and of noise."""
    over_members, (floor, ceiling) = estimate(report.scores(metric)), report.anchors(metric)
    return {
        "mean": over_members.mean,
        "half_width": over_members.half_width,
        "shown": str(over_members),
        "by_member": report.scores(metric),
        "floor": floor,
        "ceiling": ceiling,
        "better": report.better(metric),
        "note": report.notes().get(metric, ""),
    }


def _network(promotion: Promotion) -> dict[str, Any]:
    network = trained_network(promotion.sources.training)
    return {
        "name": network.name,
        "width": network.width,
        "latent_size": network.latent_size,
        "latent_distribution": network.latent_distribution,
        "image_shape": list(network.image_shape),
        "value_range": list(network.value_range),
    }


def _training(details: TrainingDetails) -> dict[str, Any]:
    return {
        "steps": details.steps,
        "members": details.members,
        "diverged_members": details.diverged_members,
        "seed": details.seed,
        "device": details.device,
        "seconds": details.seconds,
        "trained_together": details.trained_together,
        "processes": details.processes,
    }


def _lineage(report: Report) -> dict[str, Any]:
    return {**report.facts(LINEAGE), "data_versions": report.data_versions}


def _data(source: DataSource) -> dict[str, Any]:
    return {
        "source": without_folders(source.note or f"official, from {source.origin}"),
        "official": source.official,
        "licence": source.licence,
    }


# ---------------------------------------------------------------------------------------------------------------------
# For readers


def as_markdown(facts: Mapping[str, Any]) -> str:
    """Return the card as Markdown: scores, checks, reason of the promotion, how to load it, and provenance."""
    parts = [
        f"# {facts['recipe']}, champion {facts['version']}: {facts['optimizer']}",
        f"{facts['description']}. Promoted {facts['promoted_at']}: {facts['decision']['reason']}.",
        f"![generated images]({GRID})",
        "## Scores",
        f"Mean and 95 % interval over {len(facts['scores']['fid']['by_member'])} members, of their {facts['weights']} "
        "weights, beside the same scores of real images and of noise.",
        _table(["score", "value", "real images", "noise", "better"], _score_rows(facts["scores"])),
        *_notes(facts["scores"]),
        "## Checks",
        _checks(facts["checks"]),
        "## How to load it",
        _how_to_load(facts),
        "## Training",
        _table(["setting", "value"], _setting_rows(facts)),
        "## Where it comes from",
        _table(["fact", "value"], _origin_rows(facts)),
        f"The data: {facts['data']['source']}. Licence of the data: {facts['data']['licence']}. "
        f"The recipe: {facts['recipe_source']}.",
    ]
    return "\n\n".join(parts) + "\n"


def _score_rows(scores: Mapping[str, Any]) -> list[list[str]]:
    return [
        [metric, score["shown"], number(score["floor"]), number(score["ceiling"]), score["better"]]
        for metric, score in scores.items()
    ]


def _notes(scores: Mapping[str, Any]) -> list[str]:
    notes = dict.fromkeys(score["note"] for score in scores.values() if score["note"])
    return ["\n".join(f"- {note}" for note in notes)] if notes else []


def _checks(findings: list[dict[str, Any]]) -> str:
    if not findings:
        return "No check was run."
    return "\n".join(f"- {finding['check']}: {_result(finding)}; {finding['summary']}" for finding in findings)


def _result(finding: Mapping[str, Any]) -> str:
    return "passed" if finding["passed"] else f"failed ({finding['severity']})"


def _how_to_load(facts: Mapping[str, Any]) -> str:
    member, weights, onnx = facts["member"], facts["weights"], facts["onnx"]
    network = facts["network"]
    images = f"(N, {', '.join(map(str, network['image_shape']))}) float32 in {network['value_range']}"
    lines = [
        f"- `ganforge sample {facts['recipe']}` generates images with member {member}, the best by FID "
        f"({weights} weights).",
        f"- `pipeline.training.trained.load_generator(read_artefact(folder), device, {weights!r})`, with "
        "`read_artefact` of `pipeline.storage.artefact`, returns the generators of all members, stacked, from "
        f"`{FILE_OF_WEIGHTS[weights]}` and `settings.json`.",
    ]
    if onnx["file"] is None:
        lines.append(f"- There is no ONNX file: {onnx['refusal']}.")
    else:
        lines.append(
            f"- `{onnx['file']}`, member {member} for any ONNX runtime: `latent` (N, {network['latent_size']}) "
            f"float32, {network['latent_distribution']} → `images` {images}; onnxruntime and PyTorch differ by at most "
            f"{onnx['largest_difference']:.1e} on {onnx['latents']} latents."
        )
    return "\n".join(lines)


def _setting_rows(facts: Mapping[str, Any]) -> list[list[str]]:
    from pipeline.comparison.differences import flat

    return [[name, _cell(value)] for name, value in flat({**facts["settings"], **facts["training"]}).items()]


def _origin_rows(facts: Mapping[str, Any]) -> list[list[str]]:
    from pipeline.comparison.differences import flat

    return [[name, _cell(value)] for name, value in flat({**facts["lineage"], "protocol": facts["protocol"]}).items()]


def _table(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    text = "none" if value is None or value == "" else value if isinstance(value, str) else json.dumps(value)
    return text.replace("|", "\\|")
