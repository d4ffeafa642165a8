import subprocess
import sys

import dagster as dg
import pytest

from assets.definitions import defs
from assets.graph.partitions import DATASETS, OPTIMIZERS, PARTITIONS, RECIPES, contiguous_ranges
from pipeline.storage.paths import PROJECT

STAGES = {"raw", "tensors", "metrics", "training", "samples", "reports", "comparison", "champion", "settings"}


def test_dagster_validates_the_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME")
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation successful" in done.stdout + done.stderr


def test_loading_the_definitions_does_not_import_torch() -> None:
    code = "import sys, assets.definitions; print([m for m in ('torch', 'torchvision', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_definitions_load_where_torch_is_not_installed() -> None:
    code = "import sys; sys.modules['torch'] = sys.modules['torchvision'] = None; import assets.definitions"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_loading_the_definitions_prints_no_warning() -> None:
    command = [sys.executable, "-c", "import assets.definitions"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def nodes() -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in defs.resolve_all_asset_specs()}


def test_every_recipe_has_its_chain_grouped_by_stage() -> None:
    specs = nodes()
    for recipe in RECIPES.values():
        for name in (
            "generator",
            "discriminator",
            "history",
            "snapshots",
            "samples",
            "report",
            "comparison",
            "champion",
            "settings",
        ):
            assert dg.AssetKey([recipe.key, name]) in specs
        assert dg.AssetKey([DATASETS[recipe.dataset].raw_key, "raw"]) in specs
        for name in ("tensors", "classifier", "reference"):
            assert dg.AssetKey([recipe.dataset, name]) in specs
    assert {spec.group_name for spec in specs.values()} == STAGES


def test_every_asset_has_a_description_and_a_code_version() -> None:
    for key, spec in nodes().items():
        assert spec.description, key
        assert spec.code_version, key


def test_the_lineage_is_the_flow() -> None:
    specs = nodes()

    def upstream(*path: str) -> set[str]:
        return {dep.asset_key.to_user_string() for dep in specs[dg.AssetKey(path)].deps}

    settings = "mnist_mlp/settings"
    assert upstream("mnist", "tensors") == {"mnist/raw"}
    assert upstream("celeba_64", "tensors") == {"celeba/raw"}
    assert dg.AssetKey(["celeba_64", "raw"]) not in specs
    assert upstream("mnist_mlp", "generator") == {"mnist/tensors", settings}
    assert upstream("mnist_mlp", "samples") == {"mnist_mlp/generator", settings}
    assert upstream("mnist_mlp", "report") == {"mnist_mlp/samples", "mnist/classifier", "mnist/reference", settings}
    assert upstream("mnist_mlp", "comparison") == {"mnist_mlp/report", settings}
    assert upstream("mnist_mlp", "champion") == {"mnist_mlp/comparison", settings}


def test_partitions_are_the_optimizer_configurations_in_order() -> None:
    assert PARTITIONS.get_partition_keys() == list(OPTIMIZERS)
    for name in ("generator", "samples", "report"):
        asset = defs.resolve_assets_def(dg.AssetKey(["mnist_mlp", name]))
        assert asset.partitions_def == PARTITIONS
        assert asset.backfill_policy == dg.BackfillPolicy.single_run()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["adam"], [["adam"]]),
        (["sgd", "sgd_adam", "sgd"], [["sgd_adam", "sgd"]]),
        (["sgd", "adam_ttur"], [["adam_ttur"], ["sgd"]]),
    ],
)
def test_chosen_configurations_become_contiguous_ranges(keys: list[str], expected: list[list[str]]) -> None:
    assert contiguous_ranges(keys) == expected
