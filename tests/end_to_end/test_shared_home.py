"""`ganforge ui` with the Dagster instance of another project, in a folder with that project's files."""

import time
from pathlib import Path

import pytest

from pipeline.storage.paths import Paths
from tests.end_to_end.graphql import launch
from tests.end_to_end.restartable_ui import RestartableUi

pytestmark = pytest.mark.slow

TRAP = 'raise SystemExit("a file of another project was imported in place of ganforge")\n'


def test_files_of_another_project_in_the_instances_folder_are_neither_imported_nor_changed(
    prepared: None, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "shared"
    (home / "assets").mkdir(parents=True)
    foreign = {"assets/__init__.py": TRAP, "pipeline.py": TRAP, "workspace.yaml": "load_from: []\n"}
    for name, text in foreign.items():
        (home / name).write_text(text)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with RestartableUi(paths) as ui:
        run_id, deadline = launch(ui.served, "adam", steps=2), time.monotonic() + 120
        while ui.statuses()[run_id] not in ("SUCCESS", "FAILURE", "CANCELED") and time.monotonic() < deadline:
            time.sleep(0.5)
        assert ui.statuses()[run_id] == "SUCCESS"
    assert {name: (home / name).read_text() for name in foreign} == foreign
    assert {"workspace.yaml", "webserver.log", "daemon.log"} <= {path.name for path in paths.dagster().iterdir()}
