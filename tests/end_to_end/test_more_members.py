"""Members accumulate through the whole chain: two members, then four, then two again."""

import logging

import dagster as dg
import numpy as np
import pyarrow.compute as pc
import pytest
from dagster._core.definitions.data_version import StaleStatus
from dagster._utils.test.data_versions import get_stale_status_resolver
from safetensors.numpy import load_file

from assets import cli
from assets.definitions import defs
from assets.graph.run_config import ops_config
from pipeline.reports import store
from pipeline.reports.by_step import scores_along
from pipeline.reports.judge import Judge
from pipeline.reports.reuse import ROW_COLUMNS
from pipeline.reports.score import PAIRS_PICTURE, score_partition
from pipeline.status.survey import survey
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.images import read_images
from pipeline.storage.paths import Paths
from tests.end_to_end.conftest import CHAIN_OPTIMIZERS

RECIPE = "mnist_mlp"

pytestmark = pytest.mark.usefixtures("copied_chain", "no_page")


def materialize(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    command = ["ganforge", "materialize", RECIPE, "--optimizer", *CHAIN_OPTIMIZERS, "--steps", "3", "--samples", "60"]
    monkeypatch.setattr("sys.argv", [*command, *options])
    assert cli.main() == 0


def newest(paths: Paths, optimizer: str) -> store.Report:
    report = store.latest(paths.reports(), RECIPE, optimizer)
    assert report is not None
    return report


def stored(artefact: Artefact | None) -> Artefact:
    assert artefact is not None
    return artefact


def values(paths: Paths, optimizer: str, members: int) -> list[dict[str, object]]:
    """Return the newest report's rows of the first members, without the columns that all rows share."""
    rows: list[dict[str, object]] = newest(paths, optimizer).rows.select(ROW_COLUMNS).to_pylist()
    return [row for row in rows if row["member"] in range(members)]


def along(paths: Paths, optimizer: str, members: int) -> list[dict[str, object]]:
    scores = scores_along(newest(paths, optimizer), paths)
    assert scores is not None
    rows: list[dict[str, object]] = scores.filter(pc.less(scores["member"], members)).to_pylist()
    return rows


def stale(instance: dg.DagsterInstance) -> set[str]:
    resolver = get_stale_status_resolver(instance, list(defs.resolve_asset_graph().assets_defs))
    keys = [dg.AssetKey([RECIPE, name]) for name in ("generator", "samples", "report")]
    return {key.path[-1] for key in keys if resolver.get_status(key, "sgd") == StaleStatus.STALE}


def test_more_members_keep_weights_images_and_scores_of_those_that_are_there(
    monkeypatch: pytest.MonkeyPatch, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    weights = {
        key: load_file(paths.training(RECIPE, key) / "generator.safetensors")["hidden.weight"]
        for key in CHAIN_OPTIMIZERS
    }
    images = {key: read_images(paths.samples(RECIPE, key) / "samples.arrow").pixels.copy() for key in CHAIN_OPTIMIZERS}
    rows = {key: values(paths, key, 2) for key in CHAIN_OPTIMIZERS}
    by_step = {key: along(paths, key, 2) for key in CHAIN_OPTIMIZERS}
    caplog.set_level(logging.INFO, "pipeline")
    materialize(monkeypatch, "--members", "4")
    assert "4 members as one model" in caplog.text
    for key in CHAIN_OPTIMIZERS:
        after = load_file(paths.training(RECIPE, key) / "generator.safetensors")["hidden.weight"]
        assert (len(after), np.array_equal(after[:2], weights[key])) == (4, True)
        assert np.array_equal(read_images(paths.samples(RECIPE, key) / "samples.arrow").pixels[:120], images[key])
        assert "member 1: scored before" in caplog.text
        assert values(paths, key, 2) == rows[key]
        assert along(paths, key, 2) == by_step[key]
        assert (newest(paths, key).members, len(newest(paths, key).scores("fid"))) == (4, 4)
    assert {status.name: status.reasons for status in survey(paths, [RECIPE]).statuses() if status.reasons} == {}
    assert len(store.history_of(paths.reports(), RECIPE, "sgd")) == 2

    added = values(paths, "sgd", 4)
    picture = newest(paths, "sgd").path.with_name(PAIRS_PICTURE).read_bytes()
    score_partition(RECIPE, "sgd", Judge.load("mnist", paths), paths, force=True)
    assert values(paths, "sgd", 4) == added
    assert newest(paths, "sgd").path.with_name(PAIRS_PICTURE).read_bytes() == picture


def test_fewer_members_are_the_first_ones_of_those_that_are_there(
    monkeypatch: pytest.MonkeyPatch, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    folders = (paths.training(RECIPE, "sgd"), paths.samples(RECIPE, "sgd"))
    before = {folder: stored(read_artefact(folder)) for folder in folders}
    rows = values(paths, "sgd", 1)
    caplog.set_level(logging.INFO, "pipeline")
    materialize(monkeypatch, "--members", "1")
    assert "not trained again: 2 members are there, 1 requested" in caplog.text
    assert {folder: stored(read_artefact(folder)) for folder in folders} == before
    report = newest(paths, "sgd")
    assert (report.members, values(paths, "sgd", 2)) == (1, rows)
    statuses = {status.asset.rpartition("/")[2]: status for status in survey(paths, [RECIPE]).statuses()}
    assert (statuses["report"].state, statuses["report"].notes) == ("fresh", ("1 of 2 members",))
    materialize(monkeypatch, "--members", "1")
    assert newest(paths, "sgd").report_id == report.report_id
    materialize(monkeypatch, "--members", "2")
    assert newest(paths, "sgd").members == 2


def test_added_members_make_samples_stale_in_dagster_until_these_are_made_again(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    assert stale(instance) == set()
    job = defs.resolve_implicit_global_asset_job_def()
    names = ("generator", "discriminator", "history", "snapshots")
    done = job.execute_in_process(
        instance=instance,
        partition_key="sgd",
        asset_selection=[dg.AssetKey([RECIPE, name]) for name in names],
        run_config={"ops": ops_config({f"{RECIPE}__training": {"steps": 3, "members": 3}})},
    )
    assert done.success
    assert stale(instance) == {"samples"}  # the report follows once the samples have changed
    materialize(monkeypatch, "--members", "3")
    assert stale(instance) == set()
