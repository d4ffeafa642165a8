"""The whole tiny chain in data folders with names that are special to SQLite, DuckDB, globs, addresses or a shell."""

import shutil
import time
from pathlib import Path

import pytest

from assets import cli
from pipeline.storage.paths import Paths
from tests.end_to_end.conftest import BUDGET, FEW_ANCHORS
from tests.end_to_end.graphql import launch
from tests.end_to_end.restartable_ui import RestartableUi

pytestmark = pytest.mark.slow


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["ganforge", *arguments])
    return cli.main()


@pytest.mark.parametrize("name", ["a%20b", "what?", "[b]* x", "it's#ä"])
def test_every_command_works_and_nothing_appears_beside_the_folder(
    prepared_once: Paths,
    named_small_mnist: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    data, out = tmp_path / "beside" / name, tmp_path / "out"
    monkeypatch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", FEW_ANCHORS)
    monkeypatch.setenv("GANFORGE_DATA", str(data))
    monkeypatch.delenv("DAGSTER_HOME")
    shutil.copytree(prepared_once.root, data)
    chain = ("materialize", "mnist_mlp", "--optimizer", "adam", "sgd", *BUDGET)
    assert run(monkeypatch, *chain) == 0
    capsys.readouterr()
    assert run(monkeypatch, *chain) == 0
    assert ": made\n" not in capsys.readouterr().out
    monkeypatch.setenv("DAGSTER_HOME", str(data / "dagster"))
    for words in (
        f"sample mnist_mlp --optimizer adam -n 4 -o {out}/grid.png",
        f"export mnist_mlp --optimizer adam -o {out}/generator.onnx",
        f"export mnist_mlp --optimizer adam -o {out}/digits.npz",
        "reports",
        "reports show mnist_mlp adam",
        "reports compare adam sgd --recipe mnist_mlp",
        f"reports page mnist_mlp -o {out}/page.html",
        "champion promote mnist_mlp --optimizer adam --force",
        "champion history mnist_mlp",
        "status mnist_mlp --verify --exit-code --dagster",
        "clean",
    ):
        assert run(monkeypatch, *words.split()) == 0, words
    assert run(monkeypatch, "reports", "query", "select count(*) as n from reports") == 0
    assert [path.name for path in data.parent.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a%20b", "what?"])
def test_the_ui_and_its_daemon_make_runs_there(
    prepared_once: Paths, named_small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    data = tmp_path / "beside" / name
    monkeypatch.setenv("GANFORGE_DATA", str(data))
    monkeypatch.setenv("DAGSTER_HOME", str(data / "dagster"))
    shutil.copytree(prepared_once.root, data)
    with RestartableUi(Paths(data)) as ui:
        run_id, deadline = launch(ui.served, "adam", steps=2), time.monotonic() + 120
        while ui.statuses()[run_id] not in ("SUCCESS", "FAILURE", "CANCELED") and time.monotonic() < deadline:
            time.sleep(0.5)
        assert ui.statuses()[run_id] == "SUCCESS"
    assert (data / "training" / "mnist_mlp" / "adam" / "manifest.json").exists()
    assert [path.name for path in data.parent.iterdir()] == [name]
