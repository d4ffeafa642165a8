"""The instance's databases while a command works."""

from pathlib import Path

import dagster as dg

from assets.instance.databases import databases_stay_open


@dg.asset
def made() -> None:
    """An asset without inputs or a value."""


def logs(folder: Path) -> set[str]:
    """Return the write-ahead logs: one per database that a process has open."""
    return {path.name for path in folder.rglob("*.db-wal")}


def test_a_database_that_was_opened_stays_open_and_is_closed_in_the_end(tmp_path: Path) -> None:
    job = dg.Definitions(assets=[made]).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        with databases_stay_open():
            run = job.execute_in_process(instance=instance)
            assert {"runs.db-wal", "index.db-wal", f"{run.run_id}.db-wal"} <= logs(tmp_path)
        assert not logs(tmp_path)
        again = job.execute_in_process(instance=instance)
        assert not logs(tmp_path), "Dagster itself closes them: what `databases_stay_open` is for"
        assert instance.get_runs_count() == 2
        assert {run.run_id, again.run_id} == {run.run_id for run in instance.get_runs()}
