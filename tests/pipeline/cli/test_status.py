import json
import re
from collections.abc import Callable

import pytest

from pipeline.cli import status
from pipeline.cli.status import BY_SIZE
from pipeline.status import survey as surveying
from pipeline.status.state import FAILED, FRESH, MISSING, ORPHAN, STALE, State, Status
from pipeline.status.survey import RecipeStatus, Survey
from pipeline.storage.paths import data_root
from tests.pipeline.cli.command import run


def row(name: str, state: State = FRESH, *reasons: str, notes: tuple[str, ...] = ()) -> Status:
    asset, _, partition = name.partition(" ")
    return Status(asset, partition or None, state, reasons, notes)


FOUND = Survey(
    {"mnist": (row("mnist/raw"), row("mnist/tensors", FAILED, "damaged: test.arrow is gone"))},
    (
        RecipeStatus(
            "mnist_mlp",
            (
                row(
                    "mnist_mlp/generator adam", STALE, "generator.learning_rate 1 -> 2", notes=("2 steps (recipe: 9)",)
                ),
                row("mnist_mlp/comparison", MISSING),
            ),
            ("sgd",),
        ),
        RecipeStatus("mnist_conv", (), ("sgd", "adam")),
    ),
    (row("old/generator adam", ORPHAN, "recipe old is in no table"),),
)
DONE = Survey({"mnist": (row("mnist/raw"),)}, (), (row("old/samples adam", ORPHAN),))


Command = Callable[..., int]  # a survey, then the arguments


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `ganforge status` over made-up statuses."""

    def command_line(survey: Survey, *arguments: str) -> int:
        monkeypatch.setattr(surveying, "survey", lambda *_, **__: survey)
        return run("status", *arguments)

    return command_line


def test_one_table_per_recipe_shows_states_reasons_and_choices(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(FOUND) == 0
    assert capsys.readouterr().out.splitlines() == [
        "mnist",
        "  raw        fresh",
        "  tensors    failed  damaged: test.arrow is gone",
        "",
        "mnist_mlp",
        "  generator   adam  stale    generator.learning_rate 1 -> 2 | 2 steps (recipe: 9)",
        "  comparison        missing",
        "  not begun: sgd",
        "",
        "orphans",
        "  old/generator  adam  orphan  recipe old is in no table",
        "  ganforge clean --orphans removes them, unless a table of yours is not named at the moment",
        "",
        "not begun: mnist_conv",
        "",
        "1 fresh, 1 stale, 1 missing, 1 failed, 1 orphan",
        BY_SIZE,
    ]


def test_colours_change_no_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, coloured = (status.render(FOUND, coloured=coloured) for coloured in (False, True))
    assert [[re.sub("\x1b\\[[0-9]+m", "", line) for line in lines] for lines in coloured] == plain
    assert "\x1b[31mfailed\x1b[0m" in coloured[0][2]


def test_json_has_an_object_for_each_asset_partition(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    command(FOUND, "--json")
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 5
    assert rows[2] == {
        "asset": "mnist_mlp/generator",
        "partition": "adam",
        "state": "stale",
        "reasons": ["generator.learning_rate 1 -> 2"],
        "notes": ["2 steps (recipe: 9)"],
        "made_at": None,
        "fingerprint": None,
        "folder": None,
    }


def test_the_exit_code_is_1_where_requested_and_something_is_not_fresh(command: Command) -> None:
    assert [command(FOUND, "--exit-code"), command(DONE, "--exit-code"), command(FOUND)] == [1, 0, 0]


def test_an_empty_data_folder_is_one_line(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    command(Survey({}, (), ()))
    assert capsys.readouterr().out == f"nothing was made yet in {data_root()}\n"
