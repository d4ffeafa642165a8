import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.checks.catalogue import CATALOGUE, REPORT_CHECKS, TRAINING_CHECKS
from pipeline.checks.check import check_report, check_training
from pipeline.storage.details import read_details
from pipeline.training.details import TrainingDetails
from tests.pipeline.checks.check_inputs import fids, history, scores, settings
from tests.pipeline.manifests import training_details


def test_names_are_unique_and_every_check_belongs_to_the_asset_it_is_listed_under() -> None:
    assert len(CATALOGUE) == len(TRAINING_CHECKS) + len(REPORT_CHECKS)
    assert {check.asset for check in TRAINING_CHECKS} == {"history"}
    assert {check.asset for check in REPORT_CHECKS} == {"report"}
    assert all(check.description.endswith(".") for check in CATALOGUE.values())


def test_a_finding_for_every_check_comes_back_where_nothing_is_there() -> None:
    findings = [*check_training(None, None), *check_report(None)]
    assert [finding.check for finding in findings] == list(CATALOGUE)
    for finding in findings:
        assert finding.passed
        assert finding.summary.startswith("not judged: ")
        assert finding.evidence == {"judged": False}
        assert finding.severity == CATALOGUE[finding.check].severity


def test_a_finding_for_every_check_comes_back_where_everything_is_there() -> None:
    of = settings(members=2)
    table = history([[0.5] * 30] * 2, of)
    facts = {"training_fingerprint": "new"}
    details = read_details(training_details(), TrainingDetails, Path("manifest.json"), "")
    findings = [
        *check_training(table, of, details),
        *check_report(fids(1.0, 2.0, **facts), fids(1.0, 2.0), scores([[3, 2, 1]] * 2), table, of),
    ]
    assert [finding.check for finding in findings] == list(CATALOGUE)
    judged = [finding.check for finding in findings if finding.evidence["judged"]]
    assert judged == [name for name in CATALOGUE if name not in ("mode_drop", "memorisation")]
    json.dumps([finding.evidence for finding in findings], allow_nan=False)


@pytest.mark.parametrize("module", ["pipeline.checks.catalogue", "pipeline.checks.check"])
def test_importing_it_brings_in_nothing_heavy(module: str) -> None:
    heavy = ("torch", "pyarrow", "scipy", "duckdb", "dagster", "matplotlib")
    program = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"
