"""Event files read back by TensorBoard's own reader."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.training.records.history import HistoryRow, Measured, history_row
from pipeline.training.records.tensorboard_events import SCALARS, EventFiles
from tests.pipeline.training.conftest import settings

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator, ScalarEvent

from pipeline.training.engine.member import Member

STARTED_AT = 1_700_000_000.0


def row(step: int, member: int = 0, generator_loss: float = 1.25) -> HistoryRow:
    measured = Measured(0.5, 0.25, generator_loss, 0.75, 0.125, 0.625, 0.375, 0.0, 2.0, 3.0)
    return history_row(Member(settings("adam"), member), measured, (1.5, 0.875), step, step / 10, diverged=False)


def write(folder: Path, rows: Sequence[HistoryRow], from_step: int = 0) -> None:
    events = EventFiles(folder, from_step=from_step, started_at=STARTED_AT)
    events.add(rows)
    events.close()


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def scalars(folder: Path, tag: str) -> list[ScalarEvent]:
    return list(read(folder).Scalars(tag))


def test_tensorboard_finds_every_measured_number_under_a_tag_grouped_by_network(tmp_path: Path) -> None:
    write(tmp_path, [row(100)])
    events = read(tmp_path / "member_0")
    values = {tag: events.Scalars(tag)[0].value for tag in events.Tags()["scalars"]}
    assert len(values) == len(SCALARS) == 12
    expected = {
        "discriminator/loss_real": 0.5,
        "generator/loss": 1.25,
        "adversarial/accuracy": 0.125,
        "discriminator/gradient_norm": 2.0,
        "evaluation/generator_loss": 0.875,
    }
    assert {tag: values[tag] for tag in expected} == expected


def test_every_member_is_a_run_of_its_own_with_steps_and_times(tmp_path: Path) -> None:
    write(tmp_path, [row(step, member, 1.0 + member) for step in (100, 200) for member in (0, 2)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["member_0", "member_2"]
    for member in (0, 2):
        values = scalars(tmp_path / f"member_{member}", "generator/loss")
        assert [(event.step, event.value) for event in values] == [(100, 1.0 + member), (200, 1.0 + member)]
        assert [event.wall_time for event in values] == [STARTED_AT + 10, STARTED_AT + 20]


def test_rows_can_be_read_while_the_file_is_still_open(tmp_path: Path) -> None:
    events = EventFiles(tmp_path, from_step=0, started_at=STARTED_AT)
    events.add([row(100)])
    assert [event.step for event in scalars(tmp_path / "member_0", "generator/loss")] == [100]
    events.add([row(200)])
    assert [event.step for event in scalars(tmp_path / "member_0", "generator/loss")] == [100, 200]
    events.close()


@pytest.mark.parametrize("from_step", [0, 150, 200])
def test_a_continued_run_hides_events_after_its_checkpoint(tmp_path: Path, from_step: int) -> None:
    write(tmp_path, [row(step) for step in (100, 200, 300)])
    (first,) = (tmp_path / "member_0").iterdir()
    first.rename(first.with_name("events.out.tfevents.1"))  # names tell seconds only, and these would be the same
    again = [step for step in (100, 200, 300) if step > from_step]
    write(tmp_path, [row(step, generator_loss=9.0) for step in again], from_step)
    values = scalars(tmp_path / "member_0", "generator/loss")
    assert [(event.step, event.value) for event in values] == [
        (step, 9.0 if step > from_step else 1.25) for step in (100, 200, 300)
    ]


def test_nan_is_written_as_nan(tmp_path: Path) -> None:
    write(tmp_path, [row(100, generator_loss=math.nan)])
    assert [math.isnan(event.value) for event in scalars(tmp_path / "member_0", "generator/loss")] == [True]
