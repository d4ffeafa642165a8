"""The sources' own runs by name, from the command line. `test_ui.py` has a job of the UI."""

import pytest

from assets import cli
from pipeline.reports import store
from pipeline.storage.paths import Paths

BUDGET = ["--steps", "2", "--members", "1", "--samples", "60"]

pytestmark = pytest.mark.usefixtures("no_page")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["ganforge", *arguments])
    return cli.main()


@pytest.mark.usefixtures("prepared")
def test_a_preset_is_reproduced_by_its_name(monkeypatch: pytest.MonkeyPatch, paths: Paths) -> None:
    assert run(monkeypatch, "reproduce", "notebook", *BUDGET) == 0
    report = store.latest(paths.reports(), "mnist_mlp", "adam_ttur")
    assert report is not None
    assert report.steps == 2


def test_without_a_name_the_presets_are_listed_with_both_budgets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "reproduce") == 0
    listed = capsys.readouterr().out
    assert "notebook        mnist_mlp adam_ttur, 4,500 steps (93,700 steps with --steps full)\n" in listed
    assert "blog_adam       celeba_dense adam, 5,000 steps (5,000 steps with --steps full)\n" in listed


def test_an_unknown_preset_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "reproduce", "notebok") == 1
    assert "preset 'notebok' does not exist; expected one of: notebook, bulten_base" in capsys.readouterr().err
