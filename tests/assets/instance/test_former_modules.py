"""An instance's `dagster.yaml` of an older version names this project's present modules afterwards."""

from pathlib import Path

from assets.instance.former_modules import replace_former_modules


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
