"""Versions of each partition's settings in Dagster."""

import hashlib
import json
from pathlib import Path

import dagster as dg

from assets.definitions import defs
from assets.graph.partitions import OPTIMIZERS, RECIPES
from assets.publishing.settings_versions import observe_settings, read_entry_versions, read_versions, settings_key
from pipeline.settings import load_optimizers, load_recipes, resolve

OWN = """
[mine]
both = {{ kind = "sgd", learning_rate = {rate} }}
description = "{description}"
dropout = {dropout}
"""


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))


def test_one_rate_is_a_new_version_of_that_configuration_alone_in_every_recipe(tables: Path) -> None:
    before = read_versions()
    edit(
        tables / "optimizers.toml",
        'both = { kind = "rmsprop", learning_rate = 2e-4',
        'both = { kind = "rmsprop", learning_rate = 3e-4',
    )
    after = read_versions()
    changed = {
        (recipe, key) for recipe in before for key in before[recipe] if before[recipe][key] != after[recipe][key]
    }
    assert changed == {(recipe, "rmsprop") for recipe in RECIPES}
    assert len({version for versions in after.values() for version in versions.values()}) == len(RECIPES) * len(
        OPTIMIZERS
    )


def test_a_budget_belongs_to_a_run_and_makes_no_new_version(tables: Path) -> None:
    before = read_versions()
    edit(
        tables / "recipes.toml",
        "steps = 4500\nfull_steps = 93700         #",
        "steps = 4600\nfull_steps = 93700         #",
    )
    assert read_versions() == before


def test_another_description_is_no_new_version(tables: Path) -> None:
    before, entries = read_versions(), read_entry_versions()
    edit(tables / "optimizers.toml", "RMSprop for both networks", "Other words")
    edit(tables / "recipes.toml", "Two dense layers per network on MNIST digits", "Other words")
    assert read_versions() == before
    assert read_entry_versions() == entries


def test_a_recipes_own_setting_is_a_new_version_of_its_partitions_that_do_not_override_it(tables: Path) -> None:
    before = read_versions()
    text = (tables / "recipes.toml").read_text()
    (tables / "recipes.toml").write_text(text.replace("dropout = 0.4", "dropout = 0.3"))  # of mnist_conv
    after = read_versions()
    changed = {
        (recipe, key) for recipe in before for key in before[recipe] if before[recipe][key] != after[recipe][key]
    }
    overriding = {key for key, entry in OPTIMIZERS.items() if entry.dropout is not None}
    assert overriding
    assert changed == {("mnist_conv", key) for key in OPTIMIZERS if key not in overriding}


def test_the_weights_drawn_with_decide_the_version_of_partitions_with_an_average_alone(tables: Path) -> None:
    """So that in Dagster too the samples drawn before from raw weights are stale."""
    edit(
        tables / "optimizers.toml",
        'both = { kind = "rmsprop", learning_rate = 2e-4',
        'ema_decay = 0.9\nboth = { kind = "rmsprop", learning_rate = 2e-4',
    )
    budget, recipe = ("steps", "width", "members", "seed"), load_recipes()["mnist_mlp"]
    for key, entry in load_optimizers().items():
        decided = {name: value for name, value in resolve(recipe, entry).to_json().items() if name not in budget}
        before = hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()
        assert (read_versions()["mnist_mlp"][key] == before) == (key != "rmsprop"), key


def test_only_tables_changed_since_the_last_observation_are_observed(tables: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert len(observe_settings(instance, ["mnist_mlp"])) == len(OPTIMIZERS)
        assert observe_settings(instance, ["mnist_mlp"]) == []
        edit(
            tables / "optimizers.toml",
            'both = { kind = "rmsprop", learning_rate = 2e-4',
            'both = { kind = "rmsprop", learning_rate = 3e-4',
        )
        assert observe_settings(instance, ["mnist_mlp"]) == [("mnist_mlp", "rmsprop")]
        assert observe_settings(instance, ["mnist_mlp"]) == []


def test_configurations_that_the_definitions_do_not_know_are_not_observed(tables: Path) -> None:
    with (tables / "optimizers.toml").open("a") as file:
        file.write(OWN.format(rate=0.1, description="", dropout=0.1).replace('description = ""\n', ""))
    with dg.DagsterInstance.ephemeral() as instance:
        assert ("mnist_mlp", "mine") not in observe_settings(instance, ["mnist_mlp"])
    assert "mine" in read_versions()["mnist_mlp"]


def test_observing_in_the_ui_gives_the_same_versions() -> None:
    job = defs.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        job.execute_in_process(instance=instance, asset_selection=[settings_key("mnist_mlp")])
        assert observe_settings(instance, ["mnist_mlp"]) == []
        assert observe_settings(instance, ["mnist_conv"]) != []


def test_everything_of_a_recipe_depends_on_its_settings_directly() -> None:
    """Dagster's staleness goes one step: through the dependency alone, samples of an edited rate would stay fresh."""
    specs = {spec.key: spec for spec in defs.resolve_all_asset_specs()}
    for recipe in RECIPES:
        of_recipe = [spec for key, spec in specs.items() if key.path[0] == recipe and key != settings_key(recipe)]
        assert len(of_recipe) >= 7
        for spec in of_recipe:
            assert settings_key(recipe) in {dep.asset_key for dep in spec.deps}, spec.key
