"""A quick trial of one configuration: it is announced as not comparable before it trains, and the ranking stays."""

from pathlib import Path

import pytest

from assets import cli
from pipeline.comparison.ranking import compare
from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import Paths

KEYS = ["sgd", "sgd_adam", "adam"]
BUDGET = ["--members", "1", "--samples", "60"]


def materialize(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr("sys.argv", ["ganforge", "materialize", "mnist_mlp", *words])
    assert cli.main() == 0


@pytest.mark.usefixtures("prepared")
def test_a_quick_trial_takes_no_ranking_away_and_is_announced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], paths: Paths
) -> None:
    materialize(monkeypatch, "--optimizer", "sgd", "sgd_adam", "--steps", "3", *BUDGET)
    page = paths.comparison("mnist_mlp") / "comparison.html"
    assert "not be comparable" not in capsys.readouterr().out
    materialize(monkeypatch, "--optimizer", "adam", "--steps", "2", *BUDGET)
    printed = capsys.readouterr().out
    warning = "mnist_mlp adam: the new scores will not be comparable with those of"
    assert printed.index(warning) < printed.index("training adam")
    assert "(steps 3 there, 2 here)" in printed
    ranking = compare("mnist_mlp", KEYS, paths)
    assert {configuration.optimizer for configuration in ranking.configurations} == {"sgd", "sgd_adam"}
    assert ranking.incomparable == {"adam": "steps 3 and 2"}
    assert "is not ranked: it cannot be compared with the ranked configurations (steps 3 and 2)" in _text(page)


@pytest.mark.usefixtures("prepared")
def test_a_file_that_is_no_report_does_not_prevent_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], paths: Paths
) -> None:
    broken = paths.reports() / "recipe=mnist_mlp" / "optimizer=sgd" / "20260101T000000000000-00000000.parquet"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"??")
    monkeypatch.setattr(
        "sys.argv", ["ganforge", "materialize", "mnist_mlp", "--optimizer", "adam", "--steps", "2", *BUDGET]
    )
    assert cli.main() == 1  # the comparison names the file
    printed = capsys.readouterr()
    assert f"it is not known whether the new scores will be comparable: {broken}" in printed.out
    assert str(broken) in printed.err
    assert read_artefact(paths.training("mnist_mlp", "adam")) is not None


def _text(page: Path) -> str:
    return " ".join(page.read_text(encoding="utf-8").replace("<strong>adam</strong> ", "").split())
