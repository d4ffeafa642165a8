"""Evidence of a champion: the decision on every configuration, and the champion's card and images."""

from __future__ import annotations

from pipeline.champion.promote import PromotionOutcome
from pipeline.champion.promotion import ConfigurationDecision
from pipeline.champion.versions import CARD_TEXT, GRID, Champion
from pipeline.evidence import Evidence, Markdown, Table
from pipeline.storage.pictures import markdown_file


def champion_evidence(outcome: PromotionOutcome) -> Evidence:
    """Return the reason for the outcome, the decision per configuration, and the present champion if there is one."""
    rows = [_decision_row(decision) for decision in outcome.decisions]
    return {
        "promoted": outcome.promoted,
        "reason": outcome.reason,
        "decisions": Table(rows) if rows else "no report yet",
        **({} if outcome.champion is None else _champion(outcome.champion)),
    }


def _champion(champion: Champion) -> Evidence:
    artefact, fid = champion.artefact, champion.card()["scores"]["fid"]
    return {
        "version": champion.version,
        "optimizer": champion.optimizer,
        "weights": champion.weights,
        "fid": fid["mean"],
        "fid_interval": fid["shown"],
        "since": champion.pointer.since,
        "card": Markdown(artefact.verified_path(CARD_TEXT).read_text(encoding="utf-8")),
        "grid": Markdown(markdown_file(artefact.verified_path(GRID), "generated images of every member")),
        "path": artefact.folder,
    }


def _decision_row(decision: ConfigurationDecision) -> dict[str, str | int]:
    return {
        "decision": decision.decision,
        "optimizer": decision.optimizer,
        "rank": decision.rank or "-",
        "FID": decision.fid or "-",
        "against the champion": "-" if decision.verdict is None else str(decision.verdict),
    }
