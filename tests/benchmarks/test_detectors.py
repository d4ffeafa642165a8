import json
from pathlib import Path

import pytest

from benchmarks.detectors import __main__ as command
from benchmarks.detectors.kinds import CURVES_A_KIND, Kind
from benchmarks.detectors.table import KINDS, Flagged, count_flagged, summary_rows, wilson
from pipeline.checks.catalogue import CATALOGUE
from pipeline.storage.paths import PROJECT

CURVES = [name for name in CATALOGUE if name != "trained_on_gpu"]  # a device has no curve
PAGE = PROJECT / "docs" / "checks.md"


@pytest.fixture(scope="module")
def flagged() -> list[Flagged]:
    return count_flagged()


@pytest.fixture
def judged(flagged: list[Flagged], monkeypatch: pytest.MonkeyPatch) -> list[Flagged]:
    """Counts made once: running all checks on all curves takes seconds."""
    monkeypatch.setattr("benchmarks.detectors.__main__.count_flagged", lambda: flagged)
    return flagged


def test_the_tables_in_the_docs_are_those_of_today(judged: list[Flagged]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert command.with_tables(text, PAGE) == text, "run `python -m benchmarks.detectors --write docs/checks.md`"


@pytest.mark.parametrize("name", CURVES)
def test_each_check_finds_sick_curves_and_lets_healthy_ones_pass(flagged: list[Flagged], name: str) -> None:
    sick = [counts for counts in flagged if counts.check == name and counts.kind.sick_for == name]
    healthy = [counts for counts in flagged if counts.check == name and counts.kind.sick_for is None]
    assert sum(counts.flagged for counts in sick) > 0
    assert any(counts.flagged == 0 for counts in healthy)
    assert min(sum(counts.curves for counts in group) for group in (sick, healthy)) >= CURVES_A_KIND


def test_every_kind_has_a_name_of_its_own_and_is_judged_by_checks_that_exist() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert all(set(kind.judged_by) <= set(CATALOGUE) for kind in KINDS)
    assert all(kind.sick_for is None or kind.sick_for in kind.judged_by for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_curve_is_the_same_each_time_it_is_made_and_its_evidence_is_plain_json(kind: Kind) -> None:
    checks = [CATALOGUE[name] for name in kind.judged_by]
    first, second = ([check(facts) for facts in kind.curves(2) for check in checks] for _ in range(2))
    assert first == second
    json.dumps([finding.evidence for finding in first], allow_nan=False)


def test_intervals_of_shares_are_wilsons() -> None:
    # Brown, Cai and DasGupta 2001; 0 of 10 has the closed form z² / (10 + z²)
    assert wilson(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)
    assert wilson(15, 20) == pytest.approx((0.53130, 0.88814), abs=1e-5)
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_command_prints_the_summary_and_writes_between_the_markers(
    judged: list[Flagged], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_command(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["detectors", *arguments])
        return command.main()

    assert run_command() == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == summary_rows(judged)[0]
    assert [line.split()[0] for line in printed[1:]] == CURVES
    page = tmp_path / "page.md"
    page.write_text(f"before\n{command.BEGIN}\nold\n{command.END}\nafter\n")
    assert run_command("--write", str(page)) == 0
    text = page.read_text()
    assert "old" not in text
    assert text.startswith(f"before\n{command.BEGIN}\n| check | sick |")
    assert text.endswith(f"{command.END}\nafter\n")
    page.write_text("no markers")
    capsys.readouterr()
    assert run_command("--write", str(page)) == 1
    assert "expected a line <!-- detectors: begin -->" in capsys.readouterr().err
