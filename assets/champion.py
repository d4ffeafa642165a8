"""`<recipe>/champion`: the configuration that is significantly better than the one before and passed its checks."""

import logging
from typing import TYPE_CHECKING

import dagster as dg

from assets.graph.automation import COMPARISON_CONDITION
from assets.graph.partitions import OPTIMIZERS
from assets.publishing.publishing import Made, logged, publish
from assets.publishing.settings_versions import settings_key
from pipeline.champion import CODE_VERSION
from pipeline.settings import Recipe
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import markdown_file

if TYPE_CHECKING:
    from pipeline.champion.promote import Outcome
    from pipeline.champion.promotion import Considered
    from pipeline.champion.versions import Champion

log = logging.getLogger(__name__)

NONE = "none"  # data version where nobody could be promoted yet


def build_champion(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of one recipe."""

    @dg.asset(
        key=[recipe.key, "champion"],
        deps=[[recipe.key, "comparison"], settings_key(recipe.key)],
        group_name="champion",
        description="The generator to use: kept with its weights, its card and an ONNX file until another "
        "configuration is significantly better by Fréchet distance and has passed its checks.",
        code_version=CODE_VERSION,
        automation_condition=COMPARISON_CONDITION,
        kinds={"onnx"},
    )
    def champion(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from pipeline.champion.promote import promote
        from pipeline.checks.stored import stored_findings

        with logged(context):
            paths = Paths.default()
            outcome = promote(recipe.key, list(OPTIMIZERS), paths, findings=stored_findings(recipe.key, paths))
            log.info("%s: %s", recipe.key, outcome.reason)
            version = NONE if outcome.champion is None else outcome.champion.artefact.fingerprint
            return publish(context.asset_key, Made(version, _metadata(outcome), cached=not outcome.promoted))

    return champion


def _metadata(outcome: "Outcome") -> dict[str, object]:
    rows = [_row(each) for each in outcome.considered]
    return {
        "promoted": outcome.promoted,
        "reason": outcome.reason,
        "decisions": dg.MetadataValue.table(rows) if rows else "no report yet",
        **({} if outcome.champion is None else _of_champion(outcome.champion)),
    }


def _of_champion(champion: "Champion") -> dict[str, object]:
    from pipeline.champion.versions import CARD_TEXT, GRID

    artefact, fid = champion.artefact, champion.card()["scores"]["fid"]
    return {
        "version": champion.version,
        "optimizer": champion.optimizer,
        "weights": champion.weights,
        "fid": fid["mean"],
        "fid_interval": fid["shown"],
        "since": champion.pointer.since,
        "card": dg.MetadataValue.md(artefact.verified_path(CARD_TEXT).read_text(encoding="utf-8")),
        "grid": dg.MetadataValue.md(markdown_file(artefact.verified_path(GRID), "generated images of every member")),
        "path": dg.MetadataValue.path(artefact.folder),
    }


def _row(considered: "Considered") -> dg.TableRecord:
    """The decision first: the UI cuts wide tables off."""
    return dg.TableRecord(
        {
            "decision": considered.decision,
            "optimizer": considered.optimizer,
            "rank": considered.rank or "-",
            "FID": considered.fid or "-",
            "against the champion": "-" if considered.verdict is None else str(considered.verdict),
        }
    )
