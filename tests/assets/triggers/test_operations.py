"""The settings of schedules, sensors and alerts."""

from pathlib import Path

import pytest

from assets.graph.partitions import OPTIMIZERS, RECIPES
from assets.triggers.operations import BUILT_IN, VARIABLE, load_operations
from pipeline.tables import SettingsError


def written(folder: Path, text: str) -> Path:
    path = folder / "operations.toml"
    path.write_text(text)
    return path


def test_built_in_settings_name_all_recipes_and_no_sink() -> None:
    operations = load_operations(())
    assert operations.retraining.recipes == tuple(RECIPES)
    assert operations.retraining.optimizers == tuple(OPTIMIZERS)
    assert operations.retraining.steps is None
    assert operations.alerts.sink == "none"
    assert (operations.retention.run_days, operations.retention.tick_days) == (90, 7)


def test_a_field_of_the_users_file_replaces_that_field_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, '[retraining]\ncron = "*/5 * * * *"\noptimizers = ["sgd", "adam"]\nsteps = 2\n')
    monkeypatch.setenv(VARIABLE, str(path))
    operations, built_in = load_operations(), load_operations(())
    assert operations.retraining.cron == "*/5 * * * *"
    assert operations.retraining.optimizers == ("sgd", "adam")  # in the order of the table
    assert operations.retraining.steps == 2
    assert operations.retraining.timezone == built_in.retraining.timezone
    assert (operations.alerts, operations.retention) == (built_in.alerts, built_in.retention)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[retraining]\ncron = "at night"\n', "cron is 'at night', expected five fields: minute hour day month"),
        ('[retraining]\ncron = "0 0 3 * * *"\n', "cron is '0 0 3 * * *', expected five fields"),
        ('[retraining]\ntimezone = "Mars"\n', "timezone is 'Mars', expected the IANA name of a time zone"),
        ('[retraining]\ntimezone = "Europe"\n', "timezone is 'Europe', expected the IANA name of a time zone"),
        ('[retraining]\nrecipes = ["mnist"]\n', "recipes is ['mnist'], expected only: mnist_mlp"),
        ('[retraining]\noptimizers = ["adamm"]\n', "did you mean adam?"),
        ('[retraining]\noptimizers = "adam"\n', "optimizers is 'adam', expected a list of texts"),
        ("[retraining]\nsteps = 0\n", "steps is 0, expected a whole number of at least 1"),
        ("[retraining]\nsamples = 9\n", "samples is 9, expected a whole number of at least 10"),
        ("[retraining]\nseed = 1\n", "unknown field 'seed'; expected one of: cron"),
        ("[retrain]\n", "section 'retrain' does not exist; expected one of: retraining"),
        ("[raw_data]\ninterval_seconds = 0\n", "interval_seconds is 0, expected a whole number of at least 1"),
        ('[alerts]\nsink = "pager"\n', "sink is 'pager', expected one of: none, log, webhook, email"),
        ('[alerts]\nsink = "webhook"\n', "sink is 'webhook', but url is empty; expected a value, or sink = 'none'"),
        ('[alerts]\nsink = "email"\nsmtp_host = "here"\nsender = "me"\n', "sink is 'email', but recipients is empty"),
        (
            "[alerts]\nsmtp_port = 70000\n",
            "smtp_port is 70000, expected a whole number of at least 1 and at most 65535",
        ),
        ('[alerts]\nsink = "email"\nsender = "me"\n', "sink is 'email', but smtp_host, recipients are empty"),
        ("[retention]\nrun_days = 0.5\n", "run_days is 0.5, expected a whole number of at least 1"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_file(tmp_path: Path, text: str, expected: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SettingsError) as raised:
        load_operations((path,))
    assert expected in str(raised.value)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_all_mistakes_of_a_file_are_shown_together(tmp_path: Path) -> None:
    path = written(tmp_path, "[retraining]\nsteps = 0\nsed = 1\n[retension]\n[raw_data]\ninterval_seconds = 0\n")
    with pytest.raises(SettingsError) as raised:
        load_operations((path,))
    assert [line.removeprefix(f"{path}: ").partition(";")[0] for line in str(raised.value).splitlines()] == [
        "[retraining]: unknown field 'sed'",
        "section 'retension' does not exist",
        "[retraining]: steps is 0, expected a whole number of at least 1",
        "[raw_data]: interval_seconds is 0, expected a whole number of at least 1",
    ]


def test_a_file_that_names_an_empty_list_again_means_all(tmp_path: Path) -> None:
    assert load_operations((written(tmp_path, "[retraining]\nrecipes = []\n"),)).retraining.recipes == tuple(RECIPES)
    assert BUILT_IN.is_file()
