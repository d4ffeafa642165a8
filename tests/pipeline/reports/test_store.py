import errno
import itertools
import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.reports import report as reports
from pipeline.reports import store
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from tests.pipeline.manifests import samples_details
from tests.pipeline.reports.example_reports import rows


def test_a_report_comes_back_as_stored(tmp_path: Path) -> None:
    stored = store.append(tmp_path, rows())
    report = store.latest(tmp_path, "mnist_mlp", "adam")
    assert report is not None
    assert report.rows.equals(stored.rows)
    assert report.scores("fid") == [2.0, 1.0]
    assert report.metrics() == ["fid", "inception_score"]
    assert (report.anchors("fid"), report.better("fid")) == ((0.5, 9.0), "lower")


def test_nothing_is_overwritten_and_the_newest_is_the_latest(tmp_path: Path) -> None:
    for fingerprint in ("one", "two", "three"):
        store.append(tmp_path, rows(fingerprint=fingerprint))
    everything = store.read_all(tmp_path)
    assert everything["fingerprint"].to_pylist()[::4] == ["one", "two", "three"]
    newest = store.latest(tmp_path, "mnist_mlp", "adam")
    assert newest is not None
    assert newest.fingerprint == "three"


def test_each_report_is_one_file_in_its_partitions_folder(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    assert path.parent == tmp_path / "recipe=mnist_mlp" / "optimizer=adam"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_times_are_utc_and_now(tmp_path: Path) -> None:
    created = store.append(tmp_path, rows()).created_at
    assert abs(datetime.now(UTC) - created) < timedelta(seconds=30)


def test_the_newest_of_all_partitions_are_listed_by_recipe_and_optimizer(tmp_path: Path) -> None:
    for optimizer in ("sgd", "adam", "adam"):
        store.append(tmp_path, rows(optimizer))
    assert [report.optimizer for report in store.latest_of_all(tmp_path)] == ["adam", "sgd"]
    assert store.latest_of_all(tmp_path, "celeba_dense") == []


def test_an_empty_store_reads_as_an_empty_table(tmp_path: Path) -> None:
    assert store.read_all(tmp_path / "nowhere").num_rows == 0
    assert store.latest(tmp_path, "mnist_mlp", "adam") is None


def test_an_unfinished_file_is_not_read(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    path.with_name(".later.parquet.partial").write_bytes(b"half")
    assert store.read_all(tmp_path).num_rows == 4
    assert store.latest(tmp_path, "mnist_mlp", "adam") is not None


def test_a_report_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        store.append(tmp_path, [])


def test_every_row_comes_oldest_report_first_and_by_member_with_the_metrics_in_their_order(tmp_path: Path) -> None:
    for optimizer in ("sgd", "adam", "sgd"):
        store.append(tmp_path, rows(optimizer))
    store.compact(tmp_path)
    store.append(tmp_path, rows("adam"))
    everything = store.read_all(tmp_path)
    assert everything.schema.equals(store.SCHEMA)
    assert everything["optimizer"].to_pylist()[::4] == ["sgd", "adam", "sgd", "adam"]
    assert everything["member"].to_pylist()[:4] == [0, 0, 1, 1]
    assert everything["metric"].to_pylist()[:4] == ["fid", "inception_score"] * 2


def test_without_a_root_the_store_is_that_of_the_data_folder(paths: Paths) -> None:
    store.append(paths.reports(), rows())
    assert len(store.read_all()) == 4
    assert store.query("SELECT count(*) AS rows FROM reports")["rows"].to_pylist() == [4]


def test_one_recipe_is_read_alone(tmp_path: Path) -> None:
    store.append(tmp_path, rows())
    store.append(tmp_path, rows(recipe="mnist_dcgan"))
    assert set(store.read_all(tmp_path, "mnist_dcgan")["recipe"].to_pylist()) == {"mnist_dcgan"}


def test_the_history_holds_every_report_oldest_first(tmp_path: Path) -> None:
    for fingerprint in ("one", "two", "three"):
        store.append(tmp_path, rows(fingerprint=fingerprint))
        store.append(tmp_path, rows("sgd", fingerprint=fingerprint))
    store.compact(tmp_path)
    of_one = store.history_of(tmp_path, "mnist_mlp", "adam")
    assert [report.fingerprint for report in of_one] == ["one", "two", "three"]
    assert {report.path.parent.name for report in of_one} == {"optimizer=adam"}
    assert ["-merged-" in report.path.name for report in of_one] == [True, True, False]
    assert len(store.history_of(tmp_path, "mnist_mlp")) == 6
    assert store.history_of(tmp_path, "celeba_dense") == []


def test_a_report_is_found_by_the_start_of_its_id(tmp_path: Path) -> None:
    ids = [store.append(tmp_path, rows()).report_id for _ in range(3)]
    store.compact(tmp_path)
    for report_id in ids:
        assert store.find_report(tmp_path, report_id[:7]).report_id == report_id
        assert store.find_report(tmp_path, report_id.upper()).report_id == report_id


def test_an_id_that_no_report_or_several_have_is_one_sentence(tmp_path: Path) -> None:
    report_id = store.append(tmp_path, rows()).report_id
    other = "0" if report_id[8] != "0" else "1"
    with pytest.raises(ValueError, match=f"no report starts with '{report_id[:8]}{other}'"):
        store.find_report(tmp_path, report_id[:8] + other)
    store.append(tmp_path, rows("sgd"))
    with pytest.raises(ValueError, match=r"2 reports start with '': \w{32} \(mnist_mlp adam\)"):
        store.find_report(tmp_path, "")
    for _ in range(4):
        store.append(tmp_path, rows())
    with pytest.raises(ValueError, match="6 reports start with ''; give more"):
        store.find_report(tmp_path, "")


def test_a_file_that_starts_with_an_underscore_is_no_report(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    path.with_name("_pairs.parquet").write_bytes(b"no report")
    path.with_name("_nearest_training_images.png").write_bytes(b"picture")
    assert len(store.latest_of_all(tmp_path)) == 1
    assert store.query("FROM history", tmp_path).num_rows == 4


NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def set_clock(monkeypatch: pytest.MonkeyPatch, times: Iterable[datetime]) -> None:
    """Appending sees these times, one after another."""
    shown = iter(times)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return next(shown)

    monkeypatch.setattr(store, "datetime", Clock)


@pytest.mark.parametrize("step", [timedelta(0), timedelta(hours=-1)], ids=["that stands", "that goes backwards"])
def test_the_last_stored_is_the_newest_by_a_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: timedelta
) -> None:
    set_clock(monkeypatch, (NOON + step * n for n in itertools.count()))
    stored = [store.append(tmp_path, rows(seed=seed)) for seed in range(6)]
    newest = store.latest(tmp_path, "mnist_mlp", "adam")
    assert newest is not None
    assert newest.seed == 5
    assert [report.seed for report in store.history_of(tmp_path)] == list(range(6))
    times = [report.created_at for report in stored]
    assert times == [NOON + timedelta(microseconds=n) for n in range(6)]
    assert [f"{time:%Y%m%dT%H%M%S%f}" for time in times] == [report.path.name.split("-")[0] for report in stored]
    assert store.append(tmp_path, rows("sgd")).created_at == NOON + 6 * step  # of its own partition alone


def test_the_last_stored_is_newer_than_reports_that_a_merged_file_alone_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, [NOON, NOON, NOON - timedelta(days=1)])
    stored = [store.append(tmp_path, rows(seed=seed)) for seed in range(2)]
    store.compact(tmp_path)
    stored[1].path.unlink()  # by hand
    assert store.append(tmp_path, rows(seed=2)).created_at == NOON + timedelta(microseconds=1)
    assert [report.seed for report in store.latest_of_all(tmp_path)] == [2]


def test_two_writers_of_one_moment_are_both_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_time_of_next", lambda *_: NOON)  # both looked before one wrote
    ids = {store.append(tmp_path, rows()).report_id for _ in range(2)}
    assert {report.report_id for report in store.history_of(tmp_path)} == ids
    assert store.append(tmp_path, rows("sgd")).created_at == NOON


@pytest.mark.parametrize("name", ["copy of one", "20260102T030405678901-merged-1f0c9a7e"])
def test_a_file_that_is_no_report_does_not_prevent_storing_a_new_one(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    stray = store.partition_folder(tmp_path, "mnist_mlp", "adam") / f"{name}.parquet"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"mine")
    assert store.append(tmp_path, rows()).path.is_file()
    assert f"{stray}: not " in caplog.text
    with pytest.raises(ValueError, match=f"{stray}: not "):
        store.latest_of_all(tmp_path)


def test_a_full_disk_leaves_no_file_of_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr("os.fsync", full)
        store.append(tmp_path, rows())
    assert list(store.partition_folder(tmp_path, "mnist_mlp", "adam").iterdir()) == []


def test_a_report_in_a_file_of_many_equals_the_report_alone(tmp_path: Path) -> None:
    randomness = random.Random(0)
    stored = []
    for seed in range(12):
        values = tuple(randomness.choice([None, randomness.random()]) for _ in range(3))
        made = rows(randomness.choice(["adam", "sgd"]), values, seed=seed, settings=f"{seed}", note=f"note {seed % 2}")
        stored.append(store.append(tmp_path, randomness.sample(made, len(made))))
    store.compact(tmp_path)
    reports = store.history_of(tmp_path)
    assert ["-merged-" in report.path.name for report in reports].count(True) == 10
    for one, other in zip(reports, stored, strict=True):
        assert one.rows.equals(other.rows)
        assert one.metrics() == other.metrics()
        assert [one.scores(metric) for metric in one.metrics()] == [other.scores(metric) for metric in one.metrics()]
        assert list(one.facts(store.SCHEMA.names).values()) == [
            other.rows[name][0].as_py() for name in one.rows.column_names
        ]
        assert (one.anchors("fid"), one.better("fid"), one.notes()) == (other.anchors("fid"), "lower", other.notes())
        rows_of_fid = sorted(
            (row["member"], row["value"])
            for row in one.rows.to_pylist()
            if row["metric"] == "fid" and row["value"] is not None
        )
        assert one.scores("fid") == [value for _, value in rows_of_fid]


def test_a_score_that_a_report_lacks_is_none_and_its_anchors_are_an_error(tmp_path: Path) -> None:
    report = store.append(tmp_path, rows())
    assert report.scores("kid") == []
    with pytest.raises(KeyError, match="no metric 'kid'; there are fid, inception_score"):
        report.anchors("kid")


def test_a_column_is_unpacked_once_a_file_however_many_reports_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(9):
        store.append(tmp_path, rows())
    store.compact(tmp_path)
    original, unpacked = reports._plain, []

    def counted(values: pa.ChunkedArray) -> list[Any]:
        unpacked.append(len(values))
        return original(values)

    monkeypatch.setattr(reports, "_plain", counted)
    assert [report.scores("fid") for report in store.history_of(tmp_path)] == [[2.0, 1.0]] * 9
    assert sorted(unpacked) == [4] * 3 + [8 * 4] * 3  # metric, member and value of both files


def test_texts_too_long_for_a_dictionary_are_read_whole(tmp_path: Path) -> None:
    """Parquet stores the texts of a column once each up to 1 MiB of them, and then plain."""
    for seed in range(12):
        store.append(tmp_path, rows(seed=seed, settings=json.dumps({"seed": f"{seed}" * 200_000})))
    store.compact(tmp_path)
    for report in store.history_of(tmp_path):
        assert report.settings == {"seed": f"{report.seed}" * 200_000}
        assert set(report.rows["settings"].to_pylist()) == {json.dumps(report.settings)}


def test_a_value_that_is_infinite_is_stored_as_it_is(tmp_path: Path) -> None:
    report = store.append(tmp_path, rows(values=(float("inf"), None, 1.0)))
    store.append(tmp_path, rows())
    store.compact(tmp_path)
    assert store.find_report(tmp_path, report.report_id).scores("fid") == [float("inf"), 1.0]


def test_a_report_that_names_no_samples_is_about_those_of_its_training_and_kind_of_weights(tmp_path: Path) -> None:
    report = store.append(tmp_path, rows(training_fingerprint="t", protocol='{"weights": "average"}'))
    names = {
        (training, weights): report.is_about(
            Artefact(
                tmp_path, "s", {}, samples_details(training=training, **{"weights": weights} if weights else {}), ""
            )
        )
        for training in ("t", "u")
        for weights in ("average", "raw", "")
    }
    assert [which for which, is_about in names.items() if is_about] == [("t", "average")]
