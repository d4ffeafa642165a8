import errno
import fcntl
import json
import math
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.clean.files import DAY_SECONDS, Tables, find_removals
from pipeline.clean.removal import Removal, latest_change, make_remover, size_of
from pipeline.settings import load_optimizers, load_recipes, resolve
from pipeline.storage.artefact import publish_artefact, staging_folder
from pipeline.storage.identity import Identity
from pipeline.storage.paths import Paths
from pipeline.training.identity import checkpoint_identity, training_identity
from tests.pipeline.manifests import training_details

RECIPE, OPTIMIZER = "mnist_mlp", "adam"
TABLES = Tables({RECIPE}, {OPTIMIZER})
SETTINGS = resolve(load_recipes()[RECIPE], load_optimizers()[OPTIMIZER], steps=100)

HOUR = 3600.0


class Tensors:
    fingerprint = "of the tensors"


WAY = checkpoint_identity(SETTINGS, Tensors()).fingerprint[:16]  # type: ignore[arg-type]
OTHER_WAY = "0123456789abcdef"


def put(path: Path, age_seconds: float, size: int = 10) -> Path:
    """A file, last written so long ago, and the folders above it as old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - age_seconds
    for part in (path, *path.parents[:4]):
        os.utime(part, (then, then))
    return path


def grow_old(folder: Path, age_seconds: float) -> None:
    then = time.time() - age_seconds
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (then, then))


def published(paths: Paths, steps: int = 100, ema_decay: float | None = None) -> Path:
    """Publish a finished training and return its folder."""
    settings = replace(SETTINGS, steps=steps, ema_decay=ema_decay)
    folder = paths.training(RECIPE, OPTIMIZER)
    with staging_folder(folder) as staged:
        (staged / "generator.safetensors").write_bytes(b"weights")
        identity = training_identity(settings, Tensors())  # type: ignore[arg-type]
        publish_artefact(staged, folder, identity, training_details(steps=steps), keep=("checkpoints",))
    return folder


def checkpoint(paths: Paths, way: str = WAY, step: int = 100, days: float = 40.0) -> Path:
    """A run that was last written so many days ago."""
    run = paths.training(RECIPE, OPTIMIZER) / "checkpoints" / way
    put(run / f"step_{step:08d}" / "state.safetensors", 0)
    (run.parent / f"{way}.lock").touch()
    grow_old(run, days * DAY_SECONDS)
    return run


def list_removals(paths: Paths, *, days: float = 30.0, orphans: bool = False, later: float = 0.0) -> list[Removal]:
    return find_removals(paths, TABLES, checkpoint_days=days, now=time.time() + later, with_orphans=orphans)


def names(removals: list[Removal]) -> set[str]:
    return {removal.name for removal in removals}


def remove(removals: list[Removal]) -> None:
    assert all(removal.remove() for removal in removals)


def test_a_staging_folder_goes_an_hour_after_it_was_last_written(paths: Paths) -> None:
    put(paths.root / "tensors" / ".mnist.abc.partial" / "train.pixels", 0.9 * HOUR)
    assert list_removals(paths) == []
    (left,) = list_removals(paths, later=0.2 * HOUR)
    assert (left.name, left.size_bytes) == ("tensors/.mnist.abc.partial", 10)
    assert left.age_seconds == pytest.approx(1.1 * HOUR, abs=60)
    assert left.remove()
    assert list((paths.root / "tensors").iterdir()) == []


def test_a_staging_folder_that_somebody_fills_stays_however_old_it_is(paths: Paths) -> None:
    with staging_folder(paths.samples(RECIPE, OPTIMIZER)) as staged:
        put(staged / "samples.arrow", 9 * HOUR)
        grow_old(staged.parent, 9 * HOUR)
        assert list_removals(paths) == []
        lock = staged.with_name(f"{staged.name}.lock")
        assert lock.exists()
        assert not make_remover(staged, (lock,))()
        assert staged.exists()


def test_files_of_a_killed_process_go_with_its_lock(paths: Paths) -> None:
    folder = put(paths.root / "samples" / RECIPE / ".adam.abc.partial" / "samples.arrow", 9 * HOUR).parent
    lock = put(folder.with_name(f"{folder.name}.lock"), 9 * HOUR)
    before = list_removals(paths)
    with lock.open("a") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        assert list_removals(paths) == []
        assert [removal.remove() for removal in before] == [False, False]
    remove(list_removals(paths))
    assert list(folder.parent.iterdir()) == []


@pytest.mark.parametrize("name", [".adam.abc.partial", ".adam.abc.partial.lock"])
def test_a_lock_or_a_folder_left_alone_goes(paths: Paths, name: str) -> None:
    put(paths.root / "training" / RECIPE / name, 2 * HOUR)
    assert names(list_removals(paths)) == {f"training/{RECIPE}/{name}"}


def test_a_file_that_disappears_during_the_search_is_skipped(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a training may be renamed or removed between their listing and their measuring."""
    folder = put(paths.root / "samples" / RECIPE / ".adam.abc.partial" / "kept", 2 * HOUR).parent
    put(folder / "gone", 2 * HOUR, size=1000)
    put(paths.root / "samples" / RECIPE / ".gone.abc.partial" / "x", 2 * HOUR)
    stat = Path.stat

    def some_gone(path: Path, **given: bool) -> os.stat_result:
        if "gone" in path.name or ".gone.abc.partial" in path.parts:
            raise FileNotFoundError(errno.ENOENT, str(path))
        return stat(path, **given)

    monkeypatch.setattr(Path, "stat", some_gone)
    (left,) = list_removals(paths)
    assert (left.name, left.size_bytes) == (f"samples/{RECIPE}/.adam.abc.partial", 10)
    assert (size_of(folder / "gone"), latest_change(folder / "gone")) == (0, -math.inf)


def test_a_download_that_can_be_gone_on_with_stays_as_long_as_checkpoints(paths: Paths) -> None:
    put(paths.root / "raw" / ".mnist.download" / "Mirrors" / "train.part", 29 * DAY_SECONDS)
    assert list_removals(paths) == []
    (left,) = list_removals(paths, later=2 * DAY_SECONDS)
    assert left.reason == "unfinished download, older than 30 days"


def test_a_download_goes_unless_it_is_running(paths: Paths) -> None:
    put(paths.root / "raw" / ".mnist.download" / "Mirrors" / "train.part", 31 * DAY_SECONDS)
    with (paths.root / "raw" / ".mnist.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert list_removals(paths) == []
    assert names(list_removals(paths)) == {"raw/.mnist.download"}


def test_checkpoints_of_a_finished_training_go_after_so_many_days(paths: Paths) -> None:
    folder = published(paths)
    run = checkpoint(paths, days=31)
    assert list_removals(paths, days=32) == []
    remove(list_removals(paths))
    assert not run.exists()
    assert (folder / "generator.safetensors").exists()


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_the_run_of_a_finished_training_is_recognised_by_its_name(paths: Paths, ema_decay: float | None) -> None:
    """File times cannot decide: copying a data folder may renew them."""
    manifest = published(paths, ema_decay=ema_decay) / "manifest.json"
    long_ago = json.loads(manifest.read_text()) | {"created_at": "2020-01-02T03:04:05+00:00"}
    manifest.write_text(json.dumps(long_ago))
    identity = checkpoint_identity(replace(SETTINGS, ema_decay=ema_decay), Tensors())  # type: ignore[arg-type]
    run = checkpoint(paths, identity.fingerprint[:16], days=31)
    assert names(list_removals(paths)) == {str(run.relative_to(paths.root))}


def test_the_run_of_an_unfinished_training_stays_however_old_it_is(paths: Paths) -> None:
    checkpoint(paths, days=1000)
    assert list_removals(paths) == []
    checkpoint(paths, OTHER_WAY, days=900)
    assert names(list_removals(paths)) == {f"training/{RECIPE}/{OPTIMIZER}/checkpoints/{WAY}"}


def test_a_longer_budget_on_its_way_keeps_its_checkpoints_although_a_shorter_one_is_published(paths: Paths) -> None:
    published(paths, steps=100)
    checkpoint(paths, step=150, days=31)
    (manifest := paths.training(RECIPE, OPTIMIZER) / "manifest.json").write_text(
        json.dumps(json.loads(manifest.read_text()) | {"created_at": "2020-01-02T03:04:05+00:00"})
    )
    assert list_removals(paths) == []


def test_a_run_of_other_settings_goes_where_something_was_published_after_it(paths: Paths) -> None:
    published(paths)
    checkpoint(paths, OTHER_WAY, days=31)
    assert names(list_removals(paths)) == {f"training/{RECIPE}/{OPTIMIZER}/checkpoints/{OTHER_WAY}"}


def test_a_run_of_other_settings_begun_after_the_last_publication_stays(paths: Paths) -> None:
    manifest = published(paths) / "manifest.json"
    long_ago = json.loads(manifest.read_text()) | {"created_at": "2020-01-02T03:04:05+00:00"}
    manifest.write_text(json.dumps(long_ago))
    checkpoint(paths, WAY, days=2000)
    checkpoint(paths, OTHER_WAY, days=900)
    assert names(list_removals(paths)) == {f"training/{RECIPE}/{OPTIMIZER}/checkpoints/{WAY}"}


def test_checkpoints_that_a_training_holds_stay(paths: Paths) -> None:
    published(paths)
    run = checkpoint(paths)
    before = list_removals(paths)
    with run.with_name(f"{WAY}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert list_removals(paths) == []
        assert [removal.remove() for removal in before] == [False]
    assert run.exists()


def test_the_lock_of_checkpoints_that_are_gone_goes_the_next_time(paths: Paths) -> None:
    published(paths)
    run = checkpoint(paths)
    remove(list_removals(paths))
    assert names(list_removals(paths, later=2 * HOUR)) == {f"training/{RECIPE}/{OPTIMIZER}/checkpoints/{run.name}.lock"}


def test_orphans_go_only_where_requested(paths: Paths) -> None:
    put(paths.training(RECIPE, "gone") / "manifest.json", 0)
    put(paths.samples("old_recipe", OPTIMIZER) / "manifest.json", 0)
    put(paths.training(RECIPE, OPTIMIZER) / "manifest.json", 0)
    put(paths.training(RECIPE, "my_notes") / "notes.txt", 0)
    assert list_removals(paths) == []
    orphans = list_removals(paths, orphans=True)
    assert {orphan.name: orphan.reason for orphan in orphans} == {
        f"training/{RECIPE}/gone": "configuration gone is in no table",
        f"samples/old_recipe/{OPTIMIZER}": "recipe old_recipe is in no table",
    }
    remove(orphans)
    assert paths.training(RECIPE, OPTIMIZER).exists()


def test_an_orphan_that_is_being_trained_stays(paths: Paths) -> None:
    lock = put(paths.training(RECIPE, "gone") / "checkpoints" / f"{WAY}.lock", 2 * HOUR)
    put(lock.with_suffix("") / "step_00000001" / "state.safetensors", 0)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert list_removals(paths, orphans=True) == []
    assert names(list_removals(paths, orphans=True)) == {f"training/{RECIPE}/gone"}


def test_nothing_is_listed_twice(paths: Paths) -> None:
    put(paths.training(RECIPE, "gone") / ".adam.abc.partial" / "x", 90 * DAY_SECONDS)
    put(paths.training(RECIPE, "gone") / "manifest.json", 90 * DAY_SECONDS)
    put(paths.training(RECIPE, "gone") / "checkpoints" / f"{OTHER_WAY}.lock", 90 * DAY_SECONDS)
    assert names(list_removals(paths, orphans=True)) == {f"training/{RECIPE}/gone"}


def test_no_champion_no_report_and_no_artefact_of_a_table_is_ever_removed(paths: Paths) -> None:
    """Every name that means something elsewhere is put everywhere, a year old."""
    stages = ("raw", "tensors", "metrics", "training", "samples", "comparison", "champion", "reports", "dagster", "x")
    odd = (".adam.abc.partial", ".mnist.download", OTHER_WAY, f"{OTHER_WAY}.lock", "step_00000001", "checkpoints")
    folders = [(stage, *below) for stage in stages for below in ((), (RECIPE,), (RECIPE, OPTIMIZER), ("gone", "gone"))]
    for folder in folders:
        for name in odd:
            put(paths.root.joinpath(*folder, name, "file"), 0)
            put(paths.root.joinpath(*folder, "checkpoints", name, "file"), 0)
        put(paths.root.joinpath(*folder, "manifest.json"), 0)
    published(paths)
    artefact = publish_anything(paths.comparison(RECIPE))
    grow_old(paths.root, 365 * DAY_SECONDS)
    kept = {path: size_of(path) for stage in ("champion", "reports", "dagster", "x") for path in [paths.root / stage]}
    removals = list_removals(paths, orphans=True)
    assert len(removals) > 20
    for removal in removals:
        assert removal.path is not None and removal.path.relative_to(paths.root).parts[0] not in {
            path.name for path in kept
        }
        assert removal.path not in (paths.root, paths.training(RECIPE, OPTIMIZER), artefact)
        assert not (removal.path / "manifest.json").exists() or "gone" in removal.path.parts
    remove(removals)
    assert {path: size_of(path) for path in kept} == kept
    assert (artefact / "manifest.json").exists()
    assert (paths.training(RECIPE, OPTIMIZER) / "generator.safetensors").exists()
    assert all(name.endswith(".lock") for name in names(list_removals(paths, orphans=True)))


def publish_anything(folder: Path) -> Path:
    with staging_folder(folder) as staged:
        (staged / "ranking.parquet").write_bytes(b"table")
        publish_artefact(staged, folder, Identity("comparison", "1", {}), {})
    return folder


def test_a_links_target_is_not_counted_and_not_followed(paths: Paths, tmp_path: Path) -> None:
    target = put(tmp_path / "elsewhere" / "big", 0, size=1000)
    folder = paths.root / "samples" / ".linked.abc.partial"
    folder.mkdir(parents=True)
    (folder / "link").symlink_to(target.parent)
    assert size_of(folder) < 1000
    assert latest_change(folder) > 0
    remove(list_removals(paths, later=2 * HOUR))
    assert target.exists()


def test_the_run_of_further_members_stays_until_they_are_published(paths: Paths) -> None:
    published(paths)  # with 2 members
    checkpoint(paths, f"{WAY}-members-0-1", days=31)
    run = checkpoint(paths, f"{WAY}-members-2-4", days=31)
    (manifest := paths.training(RECIPE, OPTIMIZER) / "manifest.json").write_text(
        json.dumps(json.loads(manifest.read_text()) | {"created_at": "2020-01-02T03:04:05+00:00"})
    )
    os.utime(run, None)
    assert names(list_removals(paths)) == {f"training/{RECIPE}/{OPTIMIZER}/checkpoints/{WAY}-members-0-1"}
