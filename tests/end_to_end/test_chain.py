"""The whole chain through the Dagster assets, on a small data set and a tiny budget."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from dagster._utils.test.data_versions import get_stale_status_resolver

from assets import cli
from assets.definitions import defs
from assets.graph.partitions import RANGE_END_TAG, RANGE_START_TAG
from pipeline.metrics.catalogue import score_names
from pipeline.metrics.extractors.classifier import train_classifier
from pipeline.metrics.extractors.extractor import StaleClassifierError
from pipeline.metrics.reference import StaleReferenceError, make_reference
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.reports import store
from pipeline.reports.by_step import scores_along
from pipeline.reports.judge import Judge
from pipeline.reports.score import StaleInputError, score_partition
from pipeline.settings import load_optimizers, load_recipes, resolve
from pipeline.storage.artefact import read_artefact
from pipeline.storage.images import read_images
from pipeline.storage.paths import PROJECT, Paths
from pipeline.tensors.build import build
from pipeline.tensors.load import require_tensors
from pipeline.training.train import train
from tests.end_to_end.conftest import CHAIN_BUDGET, CHAIN_OPTIMIZERS

BUDGET = list(CHAIN_BUDGET)
DAGSTER_SHOWS_INLINE_BELOW = 1000  # characters of markdown
pytestmark = pytest.mark.usefixtures("no_page")


@pytest.fixture(autouse=True)
def small_world(named_small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", 100)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["ganforge", *arguments])
    return cli.main()


def test_one_command_makes_the_chain_and_the_second_time_nothing(
    monkeypatch: pytest.MonkeyPatch, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["materialize", "mnist_mlp", "--optimizer", "sgd", "sgd_adam", "--optimizer", "rmsprop", *BUDGET]
    assert run(monkeypatch, *chosen) == 0
    first = capsys.readouterr().out
    assert "training sgd_adam, sgd: 4 members as one model, 3 steps" in first
    assert "mnist_mlp/comparison: made" in first
    for optimizer in ("sgd", "sgd_adam", "rmsprop"):
        samples = read_artefact(paths.samples("mnist_mlp", optimizer))
        assert samples is not None
        assert len(read_images(samples.path("samples.arrow"))) == 120
        report = store.latest(paths.reports(), "mnist_mlp", optimizer)
        assert report is not None
        assert (len(report.scores("fid")), report.n_generated, report.n_real) == (2, 60, 120)
        assert all(value > 0 for value in report.scores("fid"))
        along = scores_along(report, paths)
        assert along is not None
        assert {(row["step"], row["member"]) for row in along.to_pylist()} == {(3, 0), (3, 1)}
    ranking = pq.read_table(paths.comparison("mnist_mlp") / "ranking.parquet")
    assert set(ranking["optimizer"].to_pylist()) == {"sgd", "sgd_adam", "rmsprop"}

    along_training = paths.scores_by_step("mnist_mlp", "sgd")
    along_training.unlink()
    assert run(monkeypatch, *chosen) == 0
    second = capsys.readouterr().out
    assert along_training.exists()  # made for the report that was there
    assert ": made" not in second
    assert first.count(": made\n") == 4 + 3 * 6 + 1
    assert second.count(": unchanged\n") == 4 + 3 * 6 + 2
    assert " as one model" not in second
    assert store.read_all(paths.reports()).num_rows == 3 * 2 * len(score_names("classes"))

    assert run(monkeypatch, "reports") == 0
    printed = capsys.readouterr().out
    assert "no report yet: adam_ttur, adam" in printed
    assert "unofficial files from" in printed
    assert all(name in printed for name in ("sgd_adam", "rmsprop", "real images", "noise", "FID"))


@pytest.mark.usefixtures("copied_chain")
def test_another_budget_recomputes_the_partition_and_names_incomparable_configurations(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", "sgd", *BUDGET, "--samples", "50") == 0
    assert "sgd: unchanged, not trained again" in capsys.readouterr().out
    assert run(monkeypatch, "reports", "show", "mnist_mlp") == 0
    assert "not comparable: sgd_adam (n_generated 50 and 60)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["materialize", "mnist"], "recipe 'mnist' does not exist; expected one of: mnist_mlp"),
        (["materialize", "mnist_mlp", "--optimizer", "adamm"], "optimizer configuration 'adamm' does not exist"),
        (
            ["materialize", "mnist_mlp", "--seed", "9" * 20],
            f"seed is {'9' * 20}, expected a whole number",
        ),
        (["reports", "show", "celeba"], "recipe 'celeba' does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert run(monkeypatch, *arguments) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("ganforge: ")
    assert expected in printed
    assert printed.count("\n") == 1


def test_a_failing_asset_is_named_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("GANFORGE_MNIST", str(tmp_path))
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", "sgd", *BUDGET) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("ganforge: mnist/raw failed: GANFORGE_MNIST=")
    assert "found neither train-images-idx3-ubyte.gz" in printed


@pytest.mark.usefixtures("prepared")
def test_a_diverging_configuration_is_reported_and_does_not_disturb_its_neighbours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Separate processes are needed because the table of configurations is read when the definitions load."""
    entry = '[{0}]\nboth = {{ kind = "sgd", learning_rate = {1} }}\n'
    (tmp_path / "own.toml").write_text(entry.format("hot", 1e30) + entry.format("warm", 1e-3))
    monkeypatch.setenv("GANFORGE_OPTIMIZERS", str(tmp_path / "own.toml"))
    command = [sys.executable, "-m", "assets.cli"]
    budget = ["--steps", "8", "--members", "2", "--samples", "60"]
    chain = [*command, "materialize", "mnist_mlp", "--optimizer", "hot", "warm", *budget]
    made = subprocess.run(chain, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stdout + made.stderr
    for member in (0, 1):
        assert f"mnist_mlp hot: member {member} diverged at step 8: its weights or losses are not finite" in made.stdout
    printed = subprocess.run([*command, "reports"], cwd=PROJECT, capture_output=True, text=True, timeout=60).stdout
    ranked = printed.partition(" against ")[0].splitlines()
    rows = {line.split()[0]: line for line in ranked if line.startswith(("hot", "warm"))}
    assert "diverged" in rows["hot"]
    assert "2 (2 diverged)" in rows["hot"]
    assert "diverged" not in rows["warm"]

    monkeypatch.delenv("GANFORGE_OPTIMIZERS")  # both configurations are gone: their reports are named, not ranked
    assert run(monkeypatch, "reports") == 0
    assert "kept, but in no table now (is GANFORGE_OPTIMIZERS set?): mnist_mlp hot, mnist_mlp warm" in (
        capsys.readouterr().out
    )


@pytest.mark.usefixtures("copied_chain")
def test_scores_are_not_taken_of_samples_that_other_weights_drew(paths: Paths) -> None:
    judge = Judge.load("mnist", paths)
    settings = resolve(load_recipes()["mnist_mlp"], load_optimizers()["sgd"], steps=4, members=2)
    train([settings], require_tensors(paths, "mnist"), paths)
    with pytest.raises(
        StaleInputError, match=r"generated with other weights .* mnist_mlp/samples, partition sgd, again"
    ):
        score_partition("mnist_mlp", "sgd", judge, paths)


@pytest.mark.usefixtures("copied_chain")
def test_scores_are_not_taken_with_a_classifier_of_other_data(
    monkeypatch: pytest.MonkeyPatch, paths: Paths, small_mnist: Path, tmp_path: Path
) -> None:
    for path in small_mnist.iterdir():
        prefix, rest = path.name.split("-", 1)
        (tmp_path / f"{'t10k' if prefix == 'train' else 'train'}-{rest}").write_bytes(path.read_bytes())
    monkeypatch.setenv("GANFORGE_MNIST", str(tmp_path))
    acquire(DATASETS["mnist"], paths)
    build(DATASETS["mnist"], paths)
    with pytest.raises(StaleClassifierError, match=r"trained on images .* materialize mnist/classifier again"):
        Judge.load("mnist", paths)
    train_classifier("mnist", paths)
    with pytest.raises(StaleReferenceError, match=r"features made with weights .* materialize mnist/reference again"):
        Judge.load("mnist", paths)
    make_reference("mnist", paths)
    judge = Judge.load("mnist", paths)
    with pytest.raises(StaleInputError, match=r"trained on images .* materialize mnist_mlp/generator and"):
        score_partition("mnist_mlp", "sgd", judge, paths)


@pytest.mark.usefixtures("copied_chain")
def test_one_partition_that_fails_does_not_keep_the_others_from_being_published(
    instance: dg.DagsterInstance, paths: Paths
) -> None:
    shutil.rmtree(paths.training("mnist_mlp", "sgd_adam"))
    result = execute(instance, ["mnist_mlp/samples"], partitions=("sgd_adam", "sgd"), raise_on_error=False)
    assert not result.success
    error = result.get_step_failure_events()[0].step_failure_data.error
    assert error is not None
    assert "materialize mnist_mlp/generator, partition sgd_adam, first" in str(error.to_string())
    assert [event.partition for event in result.get_asset_materialization_events()] == ["sgd"]


def test_relative_folders_mean_the_same_to_the_processes_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANFORGE_DATA", "here")
    monkeypatch.setenv("GANFORGE_MNIST", "../there")
    assert run(monkeypatch, "reports") == 1
    assert os.environ["GANFORGE_DATA"] == str(tmp_path / "here")
    assert os.environ["GANFORGE_MNIST"] == str(tmp_path.parent / "there")


def test_reports_before_anything_was_made_say_how_to_make_some(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "reports") == 1
    assert "make some with: ganforge materialize mnist_mlp" in capsys.readouterr().err


def latest_materialization(instance: dg.DagsterInstance, *path: str, partition: str | None = None) -> dg.EventLogEntry:
    partitions = None if partition is None else [partition]
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey(path), asset_partitions=partitions), limit=1
    )
    return records.records[0].event_log_entry


@pytest.mark.usefixtures("copied_chain")
def test_a_run_of_several_partitions_gives_each_its_own_metadata_and_data_version(
    instance: dg.DagsterInstance, paths: Paths
) -> None:
    versions = set()
    for optimizer in CHAIN_OPTIMIZERS:
        artefact = read_artefact(paths.training("mnist_mlp", optimizer))
        assert artefact is not None
        for output in ("generator", "discriminator", "history", "snapshots"):
            entry = latest_materialization(instance, "mnist_mlp", output, partition=optimizer)
            assert entry.asset_materialization is not None and entry.asset_materialization.tags is not None
            assert entry.asset_materialization.tags["dagster/data_version"] == artefact.fingerprint
        versions.add(artefact.fingerprint)
        samples = latest_materialization(instance, "mnist_mlp", "samples", partition=optimizer).asset_materialization
        assert samples is not None
        assert str(samples.metadata["path"].value).endswith(f"samples/mnist_mlp/{optimizer}")
        assert len(str(samples.metadata["preview"].value)) < DAGSTER_SHOWS_INLINE_BELOW
        report = latest_materialization(instance, "mnist_mlp", "report", partition=optimizer).asset_materialization
        assert report is not None
        assert isinstance(report.metadata["fid"].value, float)
    assert len(versions) == 2


@pytest.mark.usefixtures("copied_chain")
def test_partitions_of_one_run_stay_fresh_when_their_inputs_are_registered_again(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", "adam", *BUDGET) == 0  # data set: unchanged
    resolver = get_stale_status_resolver(instance, list(defs.resolve_asset_graph().assets_defs))
    for asset in ("generator", "discriminator", "history", "snapshots", "samples", "report"):
        for partition in (*CHAIN_OPTIMIZERS, "adam"):
            key = dg.AssetKey(["mnist_mlp", asset])
            causes = [
                (cause.asset_key.to_user_string(), cause.reason) for cause in resolver.get_stale_causes(key, partition)
            ]
            assert (asset, partition, causes) == (asset, partition, [])


@pytest.mark.usefixtures("prepared")
def test_all_assets_report_the_metadata_that_a_person_looks_for(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", "adam", *BUDGET) == 0
    expected = {
        ("mnist", "raw"): {"source", "origin", "images", "size_bytes", "content_sha256", "class_histogram", "preview"},
        ("mnist", "tensors"): {"train_images", "value_range", "preview", "path"},
        ("mnist", "classifier"): {"test_accuracy", "weights_sha256"},
        ("mnist", "reference"): {"anchors", "fid_floor", "fid_ceiling"},
        ("mnist_mlp", "generator"): {"steps", "members", "device", "sha256", "path", "cached"},
        ("mnist_mlp", "history"): {"discriminator_loss_real", "discriminator_loss_generated", "generator_loss", "path"},
        ("mnist_mlp", "snapshots"): {"last_snapshot", "path"},
        ("mnist_mlp", "samples"): {"preview", "grid", "images", "path"},
        ("mnist_mlp", "report"): {"scores", "fid", "inception_score", "missing_classes", "n_generated", "extractor"},
        ("mnist_mlp", "comparison"): {"ranking", "missing", "left_out"},
    }
    for path, names in expected.items():
        materialization = latest_materialization(instance, *path).asset_materialization
        assert materialization is not None
        assert names <= set(materialization.metadata), path


def test_checks_of_the_tensors_are_evaluated(monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
    result = execute(instance, ["mnist/raw", "mnist/tensors"])
    evaluations = {event.check_name: event.passed for event in result.get_asset_check_evaluations()}
    assert evaluations == {"counts_agree": True, "values_in_range": True, "values_finite": True, "complete": False}


@pytest.mark.usefixtures("prepared")
def test_progress_reaches_dagsters_log(instance: dg.DagsterInstance) -> None:
    config = {"ops": {"mnist_mlp__training": {"config": {"steps": 2, "members": 1}}}}
    result = execute(instance, ["mnist_mlp/generator"], partitions=("sgd_adam", "sgd"), config=config)
    messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any("2/2 | sgd_adam D " in message and "images/s" in message for message in messages)


def execute(
    instance: dg.DagsterInstance,
    keys: list[str],
    partitions: tuple[str, str] | None = None,
    config: Mapping[str, object] | None = None,
    raise_on_error: bool = True,
) -> dg.ExecuteInProcessResult:
    """Run as a request of the UI: assets, run config and the tags of a partition range."""
    selection = [dg.AssetKey(key.split("/")) for key in keys]
    selected = defs.resolve_assets_def(selection[0]).keys if partitions else selection  # all outputs of a multi-asset
    tags = {RANGE_START_TAG: partitions[0], RANGE_END_TAG: partitions[1]} if partitions else {}
    job = defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        asset_selection=list(selected),
        run_config=config or {},
        tags=tags,
        raise_on_error=raise_on_error,
    )
