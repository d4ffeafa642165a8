import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.champion import champion_identity
from pipeline.champion.decisions import NOT_PROMOTED, PROMOTED, ROLLED_BACK, Kind, LogEntry, record
from pipeline.champion.versions import Pointer, add_version, write_pointer
from pipeline.reports import store
from pipeline.reports.judge import Judge
from pipeline.reports.score import score_partition
from pipeline.status.state import FAILED, FRESH, MISSING, STALE, Status
from pipeline.status.survey import survey
from pipeline.storage.paths import Paths
from tests.pipeline.manifests import training_details

RECIPE = "tiny"


def told(paths: Paths, *, verify: bool = False) -> Status:
    (status,) = [entry for entry in survey(paths, verify=verify).statuses() if entry.asset == f"{RECIPE}/champion"]
    return status


def decide(paths: Paths, decision: str, reports: dict[str, str], days_ago: int = 0) -> None:
    time = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat(timespec="seconds")
    kind: Kind = PROMOTED if decision == PROMOTED else NOT_PROMOTED
    record(RECIPE, LogEntry(kind, 1, "one", "the reason", reports, time), paths)


def crown(paths: Paths) -> None:
    def fill(folder: Path) -> dict[str, Any]:
        (folder / "generator.safetensors").write_bytes(b"weights")
        return training_details(RECIPE, "one")

    add_version(RECIPE, 1, champion_identity("t", known(paths, "one")), fill, paths)
    write_pointer(RECIPE, Pointer(1, "2026-01-02T03:04:05+00:00", "first", None, ()), paths)
    decide(paths, PROMOTED, {key: known(paths, key) for key in ("one", "two")})


def known(paths: Paths, optimizer: str) -> str:
    report = store.latest(paths.reports(), RECIPE, optimizer)
    assert report is not None
    return report.report_id


def test_there_is_no_champion_before_anybody_decided(chain: Paths) -> None:
    assert told(chain).state == MISSING


def test_a_champion_decided_on_after_the_newest_reports_is_fresh(chain: Paths) -> None:
    crown(chain)
    assert told(chain).state == FRESH
    assert told(chain).notes == ("version 1: one",)


def test_a_newer_report_makes_the_decision_stale_until_it_is_taken_again(
    chain: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    crown(chain)
    later = datetime.now(UTC) + timedelta(seconds=2)
    monkeypatch.setattr("pipeline.reports.store._time_of_next", lambda *_: later)
    scored = score_partition(RECIPE, "two", Judge.load("mnist", chain), chain, force=True)
    assert told(chain).state == STALE
    assert "decided before the newest report of two" in told(chain).reasons
    decide(chain, NOT_PROMOTED, {"one": known(chain, "one"), "two": scored.report.report_id})
    assert told(chain).state == FRESH


def test_a_report_stored_during_a_promotion_makes_it_stale_also_after_a_rollback(
    chain: Paths,
) -> None:
    crown(chain)
    record(RECIPE, LogEntry(PROMOTED, 1, "one", "without the newest", {"one": known(chain, "one")}), chain)
    assert told(chain).reasons == ("decided before the newest report of two",)
    record(RECIPE, LogEntry(ROLLED_BACK, 1, "one", "rolled back from version 2"), chain)
    assert told(chain).state == STALE
    decide(chain, NOT_PROMOTED, {key: known(chain, key) for key in ("one", "two")})
    assert told(chain).state == FRESH


def test_a_stale_report_makes_the_champion_stale(chain: Paths, tables: Path) -> None:
    crown(chain)
    table = tables / "optimizers.toml"
    table.write_text(table.read_text().replace("0.0001", "0.01"))
    assert told(chain).reasons == (f"because {RECIPE}/report two is stale",)


def test_a_decision_without_a_promotion_is_kept_too(chain: Paths) -> None:
    decide(chain, NOT_PROMOTED, {})
    assert told(chain).state == FRESH
    assert told(chain).notes == ("the reason",)


def test_a_damaged_champion_is_failed(chain: Paths) -> None:
    crown(chain)
    path = chain.champion(RECIPE) / "0001" / "generator.safetensors"
    path.write_bytes(b"weightz")
    assert told(chain).state == FRESH
    assert told(chain, verify=True).state == FAILED
    path.unlink()
    assert told(chain).reasons == ("damaged: generator.safetensors is gone",)
    (chain.champion(RECIPE) / "current.json").write_text(json.dumps({"version": 1}))
    assert told(chain).reasons[0].startswith("damaged: ")
