"""Recipes, configurations, presets and the settings that they resolve to."""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.budgets import Budget, full_budget
from pipeline.objectives import LOSS_FACTS, LossFacts, ObjectiveSettings
from pipeline.optimizer_kinds import KINDS, SGD, Adam, OptimizerSettings
from pipeline.settings import (
    TrainingSettings,
    load_optimizers,
    load_presets,
    load_recipes,
    resolve,
)
from pipeline.tables import CHECKED, SettingsError
from tests.pipeline.written_tables import BOTH, OBJECTIVE, lines, recipe_of, write


def test_the_sources_configurations_have_the_sources_numbers() -> None:
    optimizers = load_optimizers()
    assert {"sgd", "rmsprop", "adam", "adam_ttur", "rmsprop_adam", "sgd_adam"} <= set(optimizers)
    assert optimizers["sgd"].generator == SGD(0.01, momentum=0.5)
    assert optimizers["adam_ttur"].generator.learning_rate == 1e-4
    assert optimizers["adam_ttur"].discriminator.learning_rate == 1e-3
    assert optimizers["rmsprop_adam"].discriminator.kind == "rmsprop"
    assert optimizers["rmsprop_adam"].discriminator.clip_value == 1.0
    assert optimizers["rmsprop_adam"].dropout == 0.4


def test_the_tweaked_run_differs_from_its_base_in_dropout_and_two_rates_only() -> None:
    optimizers = load_optimizers()
    base, tweaked = optimizers["rmsprop_adam"], optimizers["rmsprop_adam_tweaked"]
    assert (base.dropout, tweaked.dropout) == (0.4, 0.5)
    for network, rates in (("generator", (4e-4, 6e-4)), ("discriminator", (8e-4, 9e-4))):
        one, other = vars(getattr(base, network)), vars(getattr(tweaked, network))
        assert {name for name in one if one[name] != other[name]} == {"learning_rate"}
        assert (one["learning_rate"], other["learning_rate"]) == rates


def test_the_notebooks_recipe_is_a_hundred_epochs_of_937_batches() -> None:
    recipe = load_recipes()["mnist_mlp"]
    assert (recipe.batch_size, recipe.objective.real_label, recipe.full_steps) == (64, 0.9, 100 * (60_000 // 64))


def test_bultens_recipe_is_ten_thousand_mixed_steps_of_256_and_256_with_dropout() -> None:
    recipe = load_recipes()["mnist_conv"]
    expected = ObjectiveSettings(discriminator_update="mixed", generator_batch_size=256, generated_in="evaluation")
    assert recipe.objective == expected
    assert (recipe.batch_size, full_budget(recipe), recipe.dropout) == (256, Budget(10_000, 32), 0.4)
    assert (recipe.history_interval_steps, recipe.snapshot_interval_steps) == (50, 100)


def test_the_blogs_recipe_is_five_thousand_steps_of_16_and_16_and_32_latents() -> None:
    recipe = load_recipes()["celeba_dense"]
    assert recipe.objective == ObjectiveSettings(generator_batch_size=32, generated_in="evaluation")
    assert (recipe.batch_size, recipe.steps, recipe.full_steps) == (16, 5_000, 5_000)


def test_every_preset_names_a_recipe_and_a_configuration() -> None:
    presets, recipes, optimizers = load_presets(), load_recipes(), load_optimizers()
    assert set(presets) == {"notebook", "bulten_base", "bulten_tweaked", "blog_sgd", "blog_rmsprop", "blog_adam"}
    for preset in presets.values():
        assert preset.recipe in recipes
        assert preset.optimizer in optimizers


def test_bultens_two_presets_differ_in_dropout_and_two_rates_alone() -> None:
    presets, recipes, optimizers = load_presets(), load_recipes(), load_optimizers()
    base, tweaked = (
        resolve(recipes[presets[name].recipe], optimizers[presets[name].optimizer]).to_json()
        for name in ("bulten_base", "bulten_tweaked")
    )
    flat = [
        {
            f"{group}.{name}": value
            for group in ("generator", "discriminator")
            for name, value in settings[group].items()
        }
        | {name: value for name, value in settings.items() if name not in ("generator", "discriminator", "optimizer")}
        for settings in (base, tweaked)
    ]
    differing = {name: (flat[0][name], flat[1][name]) for name in flat[0] if flat[0][name] != flat[1][name]}
    assert differing == {
        "dropout": (0.4, 0.5),
        "discriminator.learning_rate": (8e-4, 9e-4),
        "generator.learning_rate": (4e-4, 6e-4),
    }


def test_neighbouring_partitions_are_those_that_are_compared_together() -> None:
    """A run takes a contiguous range, so the blog's three and the demo's three stand side by side."""
    keys = list(load_optimizers())
    for together in (["sgd", "adam", "rmsprop"], ["rmsprop", "rmsprop_adam", "rmsprop_adam_tweaked"]):
        first = keys.index(together[0])
        assert keys[first : first + 3] == together


def test_a_kind_of_optimizer_is_one_class_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, config=CHECKED)
    class Lion(OptimizerSettings):
        kind: ClassVar[str] = "lion"

        weight_decay: Annotated[float, Field(ge=0)] = 0.0

    monkeypatch.setitem(KINDS, "lion", Lion)
    entry = '[a]\nboth = {{ kind = "lion", learning_rate = 1, weight_decay = {} }}'
    lion = load_optimizers(write(tmp_path, entry.format(0.5)))["a"]
    settings = resolve(load_recipes()["mnist_mlp"], lion)
    assert settings.generator == Lion(1.0, weight_decay=0.5)
    assert TrainingSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    with pytest.raises(SettingsError, match=r"\[a\] both: weight_decay is -1, expected a number at least 0"):
        load_optimizers(write(tmp_path, entry.format(-1)))


def test_a_loss_is_one_entry_in_the_table_of_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"loss is 'relativistic', expected one of: .*non_saturating"):
        recipe_of(tmp_path, 'loss = "relativistic"')
    monkeypatch.setitem(LOSS_FACTS, "relativistic", LossFacts(has_labels=False, least=None, undecided=None))
    assert recipe_of(tmp_path, 'loss = "relativistic"').objective.loss == "relativistic"


def test_settings_keep_the_fingerprint_of_trainings_that_are_stored(tmp_path: Path) -> None:
    """Another digest would train every partition again: each kind's form has the fields of the first three kinds."""
    kinds = 'generator = { kind = "sgd", learning_rate = 1, momentum = 0.5, numerics = "torch" }\n' + (
        'discriminator = { kind = "rmsprop", learning_rate = 1e-3, clip_value = 1 }\nr1 = 1\nema_decay = 0.9'
    )
    configurations = load_optimizers(
        write(tmp_path, f'[a]\n{kinds}\n[b]\nboth = {{ kind = "adam", learning_rate = 1e-4 }}')
    )
    recipe = recipe_of(tmp_path, 'loss = "hinge"\nwidth = 8')
    texts = [json.dumps(resolve(recipe, entry, seed=3).to_json(), sort_keys=True) for entry in configurations.values()]
    assert [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts] == [
        "07a6148242a57b1a",
        "e915caf65c007b62",
    ]


def test_settings_of_another_version_are_refused() -> None:
    stored = resolve(load_recipes()["mnist_mlp"], load_optimizers()["adam"]).to_json()
    for part in (stored, stored["generator"], stored["objective"]):
        part["of_another_version"] = 1
    with pytest.raises(SettingsError, match="stored settings: unknown field 'of_another_version'"):
        TrainingSettings.from_json(stored)
    del stored["of_another_version"], stored["objective"]["of_another_version"]
    with pytest.raises(SettingsError, match="stored settings generator: unknown field"):
        TrainingSettings.from_json(stored)


def test_a_recipe_without_an_objective_has_the_default_one(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "")
    assert recipe.objective == ObjectiveSettings()
    assert (recipe.ema_decay, recipe.precision, recipe.sweep) == (None, "float32", True)


def test_every_field_of_the_objective_can_be_set_in_a_recipe(tmp_path: Path) -> None:
    assert set(OBJECTIVE) == {field.name for field in fields(ObjectiveSettings)}
    recipe = recipe_of(tmp_path, lines(OBJECTIVE) + 'ema_decay = 0.99\nprecision = "bfloat16"\nsweep = false')
    assert recipe.objective == ObjectiveSettings(**OBJECTIVE)
    assert (recipe.ema_decay, recipe.precision, recipe.sweep) == (0.99, "bfloat16", False)


@pytest.mark.parametrize("name", OBJECTIVE)
def test_a_configuration_overrides_that_field_of_the_recipes_objective_and_no_other(tmp_path: Path, name: str) -> None:
    recipe = recipe_of(tmp_path, lines({"loss": "minimax", "r1": 1.0}))
    configuration = load_optimizers(write(tmp_path, f"[a]\n{lines({name: OBJECTIVE[name]})}{BOTH}"))["a"]
    settings = resolve(recipe, configuration)
    assert vars(settings.objective) == {**vars(recipe.objective), name: OBJECTIVE[name]}
    assert TrainingSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_a_configurations_dropout_comes_before_the_recipes(tmp_path: Path) -> None:
    configuration, other = load_optimizers(write(tmp_path, f"[a]\ndropout = 0.0\n{BOTH}\n[b]\n{BOTH}")).values()
    recipe = recipe_of(tmp_path, "dropout = 0.3")
    assert (resolve(recipe, configuration).dropout, resolve(recipe, other).dropout) == (0.0, 0.3)


def test_a_requested_width_comes_before_that_of_the_recipe(tmp_path: Path) -> None:
    configuration = load_optimizers()["adam"]
    recipe = recipe_of(tmp_path, "width = 16")
    assert [resolve(recipe, configuration, width=width).width for width in (None, 8)] == [16, 8]
    assert resolve(recipe_of(tmp_path, ""), configuration).width is None


def test_a_configuration_overrides_the_recipes_average(tmp_path: Path) -> None:
    configuration, other = load_optimizers(write(tmp_path, f"[a]\nema_decay = 0.9\n{BOTH}\n[b]\n{BOTH}")).values()
    recipe = recipe_of(tmp_path, "ema_decay = 0.99")
    assert (resolve(recipe, configuration).ema_decay, resolve(recipe, other).ema_decay) == (0.9, 0.99)


def test_gradients_are_clipped_by_norm_where_a_configuration_requires_it(tmp_path: Path) -> None:
    clipped = 'both = { kind = "adam", learning_rate = 1, clip_norm = 5 }'
    configuration, other = load_optimizers(write(tmp_path, f"[a]\n{clipped}\n[b]\n{BOTH}")).values()
    assert (configuration.generator.clip_norm, configuration.discriminator.clip_norm, other.generator.clip_norm) == (
        5.0,
        5.0,
        None,
    )


def test_numerics_choose_the_default_epsilon(tmp_path: Path) -> None:
    entry = '[{0}]\nboth = {{ kind = "adam", learning_rate = 1, numerics = "{0}" }}\n'
    optimizers = load_optimizers(write(tmp_path, entry.format("keras") + entry.format("torch")))
    assert optimizers["keras"].generator == Adam(1, epsilon=1e-7)
    assert optimizers["torch"].generator == Adam(1, numerics="torch", epsilon=1e-8)


def test_a_run_overrides_the_recipe_and_the_configuration_overrides_the_batch_size(tmp_path: Path) -> None:
    configuration = load_optimizers(write(tmp_path, '[a]\nbatch_size = 7\nboth = { kind = "sgd", learning_rate = 1 }'))[
        "a"
    ]
    settings = resolve(load_recipes()["mnist_mlp"], configuration, steps=10, members=2, seed=5)
    assert (settings.batch_size, settings.steps, settings.members, settings.seed) == (7, 10, 2, 5)


def test_settings_survive_json() -> None:
    settings = resolve(load_recipes()["mnist_mlp"], load_optimizers()["rmsprop_adam"])
    assert TrainingSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"members": 0}, {"seed": -1}, {"seed": 2**31}])
def test_a_budget_that_cannot_be_trained_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=f"mnist_mlp, partition adam: {next(iter(wrong))} is .*, expected a whole"):
        resolve(load_recipes()["mnist_mlp"], load_optimizers()["adam"], **wrong)
