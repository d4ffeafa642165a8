import json
from pathlib import Path

import pytest

from pipeline.checks.catalogue import CATALOGUE
from pipeline.checks.zoo.kinds import CURVES_A_KIND
from pipeline.checks.zoo.table import KINDS, Flagged, judge_zoo, summary_rows, wilson
from pipeline.cli import detectors
from pipeline.storage.paths import PROJECT

CURVES = [name for name in CATALOGUE if name != "trained_on_gpu"]  # a device has no curve
PAGE = PROJECT / "docs" / "checks.md"


@pytest.fixture(scope="module")
def flagged() -> list[Flagged]:
    return judge_zoo()


@pytest.fixture
def judged(flagged: list[Flagged], monkeypatch: pytest.MonkeyPatch) -> list[Flagged]:
    """The whole zoo takes seconds, and is judged once."""
    monkeypatch.setattr("pipeline.checks.zoo.table.judge_zoo", lambda: flagged)
    return flagged


def test_the_tables_in_the_docs_are_those_of_today(judged: list[Flagged]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert detectors.with_tables(text, PAGE) == text, "run `ganforge detectors --write docs/checks.md`"


@pytest.mark.parametrize("name", CURVES)
def test_each_check_finds_sick_curves_and_lets_healthy_ones_pass(flagged: list[Flagged], name: str) -> None:
    sick = [each for each in flagged if each.check == name and each.kind.sick_for == name]
    healthy = [each for each in flagged if each.check == name and each.kind.sick_for is None]
    assert sum(each.flagged for each in sick) > 0
    assert any(each.flagged == 0 for each in healthy)
    assert min(sum(each.curves for each in group) for group in (sick, healthy)) >= CURVES_A_KIND


def test_every_kind_has_a_name_of_its_own_and_is_judged_by_checks_that_exist() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert all(set(kind.judged_by) <= set(CATALOGUE) for kind in KINDS)
    assert all(kind.sick_for is None or kind.sick_for in kind.judged_by for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_curve_is_the_same_whenever_it_is_drawn_and_its_evidence_is_plain_json(kind: object) -> None:
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
    def called(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["detectors", *arguments])
        return detectors.main()

    assert called() == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == summary_rows(judged)[0]
    assert [line.split()[0] for line in printed[1:]] == CURVES
    page = tmp_path / "page.md"
    page.write_text(f"before\n{detectors.BEGIN}\nold\n{detectors.END}\nafter\n")
    assert called("--write", str(page)) == 0
    text = page.read_text()
    assert "old" not in text
    assert text.startswith(f"before\n{detectors.BEGIN}\n| check | sick |")
    assert text.endswith(f"{detectors.END}\nafter\n")
    page.write_text("no markers")
    capsys.readouterr()
    assert called("--write", str(page)) == 1
    assert "expected a line <!-- detectors: begin -->" in capsys.readouterr().err
