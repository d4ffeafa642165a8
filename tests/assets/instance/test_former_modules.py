"""An instance's `dagster.yaml` of an older version names this project's present modules afterwards."""

from pathlib import Path

import pytest

from assets import cli
from assets.instance.former_modules import expect_present_modules, replace_former_modules
from assets.instance.home import TEMPLATE, ensure_dagster_home

FORMER_TEMPLATE = TEMPLATE.read_text().replace("assets.instance.launcher", "assets.orchestration.launcher")


def test_former_names_are_replaced_and_every_other_line_stays(tmp_path: Path) -> None:
    settings = tmp_path / "dagster.yaml"
    settings.write_text(
        "# mine: assets.orchestration.launcher\nrun_launcher:\n  module: assets.orchestration.launcher\n"
        "storage:\n  custom:\n    module: assets.orchestration.any_folder_storage\n"
        "other:\n  module: assets.orchestration.launcher_of_mine"
    )
    replace_former_modules(tmp_path)
    assert settings.read_text() == (
        "# mine: assets.orchestration.launcher\nrun_launcher:\n  module: assets.instance.launcher\n"
        "storage:\n  custom:\n    module: assets.instance.any_folder_storage\n"
        "other:\n  module: assets.orchestration.launcher_of_mine"
    )


def test_a_file_without_former_names_is_not_written(tmp_path: Path) -> None:
    settings = tmp_path / "dagster.yaml"
    settings.write_text("run_launcher:\n  module: assets.instance.launcher\n")
    settings.chmod(0o444)
    written = settings.stat()
    replace_former_modules(tmp_path)
    assert settings.stat() == written


@pytest.mark.parametrize("words", ["status --dagster", "clean --dry-run"])
def test_commands_work_at_once_in_a_data_folder_of_an_older_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("GANFORGE_DATA", str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    settings = ensure_dagster_home() / "dagster.yaml"
    monkeypatch.delenv("DAGSTER_HOME")
    settings.write_text(FORMER_TEMPLATE)
    monkeypatch.setattr("sys.argv", ["ganforge", *words.split()])
    assert cli.main() == 0
    assert settings.read_text() == TEMPLATE.read_text()


def test_another_instances_settings_are_not_changed_by_a_command_that_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANFORGE_DATA", str(tmp_path / "data"))
    home = tmp_path / "shared"
    home.mkdir()
    (home / "dagster.yaml").write_text(FORMER_TEMPLATE)
    with pytest.raises(ValueError, match=r"names a module of an older ganforge, .* put the present name in its place"):
        expect_present_modules(home)
    assert (home / "dagster.yaml").read_text() == FORMER_TEMPLATE
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    ensure_dagster_home()
    assert (home / "dagster.yaml").read_text() == TEMPLATE.read_text()
