import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.budgets import Budget, budget_for, full_budget
from pipeline.objectives import LOSSES, LossFacts, ObjectiveSettings
from pipeline.optimizer_kinds import KINDS, SGD, Adam, OptimizerSettings
from pipeline.settings import (
    Recipe,
    TrainingSettings,
    load_optimizers,
    load_presets,
    load_recipes,
    resolve,
)
from pipeline.tables import CHECKED, SettingsError, find

BOTH = 'both = { kind = "sgd", learning_rate = 1 }'
RECIPE = """[r]
description = "d"
source = "s"
dataset = "mnist"
network = "mlp"
batch_size = 64
steps = 10
full_steps = 1000
members = 3
samples = 10
history_interval_steps = 1
snapshot_interval_steps = 1
evaluation_images = 16
"""
OBJECTIVE: dict[str, Any] = {
    "loss": "hinge",
    "discriminator_update": "joint",
    "n_critic": 5,
    "generator_batch_size": 32,
    "generated_in": "evaluation",
    "real_label": 0.8,
    "label_flip": 0.05,
    "instance_noise": 0.1,
    "instance_noise_steps": 500,
    "gradient_penalty": 10.0,
    "r1": 2.0,
    "weight_clip": 0.01,
    "spectral_norm": True,
}


def write(tmp_path: Path, text: str, name: str = "optimizers.toml") -> tuple[Path, ...]:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return (tmp_path / name,)


def lines(values: dict[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def recipe_of(tmp_path: Path, text: str) -> Recipe:
    return load_recipes(write(tmp_path, RECIPE + text, "recipes.toml"))["r"]


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[a]\nboth = { kind = "adamm", learning_rate = 1 }', "[a] both: kind is 'adamm', expected one of: sgd"),
        ('[a]\nboth = { kind = "adam", learning_rate = -1 }', "[a] both: learning_rate is -1, expected a number"),
        ('[a]\nboth = { kind = "adam", learning_rate = nan }', "learning_rate is nan"),
        ('[a]\nboth = { kind = "adam", learning_rate = true }', "learning_rate is True"),
        (
            '[a]\nboth = { kind = "adam", learning_rat = 1 }',
            "[a] both: unknown field 'learning_rat' of kind 'adam'; expected one of: beta1,",
        ),
        ('[a]\nboth = { kind = "adam", momentum = 0.5, learning_rate = 1 }', "unknown field 'momentum' of kind 'adam'"),
        ('[a]\nboth = { kind = "adam" }', "[a] both: field 'learning_rate' is missing; expected a number above 0"),
        ('[a]\nboth = { kind = "adam", learning_rate = 1, beta1 = 1.0 }', "beta1 is 1.0, expected a number at least 0"),
        ('[a]\nboth = "adam"', "[a] both: found 'adam'"),
        ('[a]\ndropuot = 0.5\nboth = { kind = "adam", learning_rate = 1 }', "[a]: unknown field 'dropuot'"),
        (
            '[a]\ngenerator = { kind = "sgd", learning_rate = 1 }',
            "[a]: field 'discriminator' is missing; expected { kind =",
        ),
        ('[a]\nboth = { kind = "sgd", learning_rate = 1, clip_norm = 0 }', "clip_norm is 0, expected a number above 0"),
        (f"[a]\nn_critics = 1\n{BOTH}", "[a]: unknown field 'n_critics'; expected one of: batch_size, both,"),
        (f"[a]\nprecision = 'bfloat16'\n{BOTH}", "[a]: unknown field 'precision'"),
        ("[a]\n", "[a]: expected either both"),
        ("[A-b]\n", "key 'A-b' is ill-formed; expected small letters"),
        ("a = 1\n", "a = 1 stands alone; expected a table [a]"),
        ("[a]\n[a]\n", "expected TOML with each [key] once"),
        ("[a\n", "expected TOML"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_key_and_what_was_expected(
    tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_optimizers(write(tmp_path, text))
    message = str(caught.value)
    assert expected in message
    assert all(line.startswith(str(tmp_path / "optimizers.toml")) for line in message.splitlines())


def test_all_mistakes_of_all_files_are_shown_together_one_line_each(tmp_path: Path) -> None:
    entry = 'lable_flip = 0.1\nr1 = -1\ngenerator = { kind = "sgd", learning_rate = 0 }\ndiscriminator = 1\n'
    files = [*write(tmp_path, f"[a]\n{entry}[b]\n"), *write(tmp_path, f"[a]\n{BOTH}\n[c]\nn_critic = 0", "more.toml")]
    with pytest.raises(SettingsError) as caught:
        load_optimizers(tuple(files))
    lines = str(caught.value).splitlines()
    assert [line.split("; ")[-1] for line in lines[:1]] == ["did you mean label_flip?"]
    assert [line.removeprefix(f"{tmp_path}/") for line in lines[1:]] == [
        "optimizers.toml: [a] generator: learning_rate is 0, expected a number above 0",
        "optimizers.toml: [a] discriminator: found 1, expected { kind = …, learning_rate = … }",
        "optimizers.toml: [a]: r1 is -1, expected a number at least 0",
        "optimizers.toml: [b]: expected either both = {…}, or generator = {…} and discriminator = {…}",
        f"more.toml: [a] is already defined in {tmp_path}/optimizers.toml; expected a new key",
        "more.toml: [c]: expected either both = {…}, or generator = {…} and discriminator = {…}",
        "more.toml: [c]: n_critic is 0, expected a whole number of at least 1",
    ]


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
    with pytest.raises(SettingsError, match="loss is 'relativistic', expected one of: non_saturating"):
        recipe_of(tmp_path, 'loss = "relativistic"')
    monkeypatch.setitem(LOSSES, "relativistic", LossFacts(has_labels=False, least=None, undecided=None))
    assert recipe_of(tmp_path, 'loss = "relativistic"').objective.loss == "relativistic"


def test_settings_keep_the_fingerprint_of_trainings_that_are_stored(tmp_path: Path) -> None:
    """Another digest would train every partition again: each kind's form has the fields of the first three kinds."""
    kinds = 'generator = { kind = "sgd", learning_rate = 1, momentum = 0.5, numerics = "torch" }\n' + (
        'discriminator = { kind = "rmsprop", learning_rate = 1e-3, clip_value = 1 }\nr1 = 1\nema_decay = 0.9'
    )
    own = load_optimizers(write(tmp_path, f'[a]\n{kinds}\n[b]\nboth = {{ kind = "adam", learning_rate = 1e-4 }}'))
    recipe = recipe_of(tmp_path, 'loss = "hinge"\nwidth = 8')
    texts = [json.dumps(resolve(recipe, entry, seed=3).to_json(), sort_keys=True) for entry in own.values()]
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


ILL_VALUES = [
    ("loss", "vanilla", "expected one of: non_saturating, minimax, least_squares, hinge, wasserstein"),
    ("discriminator_update", "both", "expected one of: separate, joint, mixed"),
    ("n_critic", 0, "expected a whole number of at least 1"),
    ("n_critic", True, "expected a whole number of at least 1"),
    ("n_critic", 1.0, "expected a whole number of at least 1"),
    ("generator_batch_size", -1, "expected a whole number of at least 0"),
    ("generated_in", "predict", "expected one of: training, evaluation"),
    ("real_label", 0.5, "expected a number above 0.5 and at most 1"),
    ("real_label", 1.1, "expected a number above 0.5 and at most 1"),
    ("label_flip", 0.5, "expected a number at least 0 and below 0.5"),
    ("label_flip", -0.1, "expected a number at least 0 and below 0.5"),
    ("instance_noise", -0.1, "expected a number at least 0"),
    ("instance_noise_steps", -1, "expected a whole number of at least 0"),
    ("gradient_penalty", -10, "expected a number at least 0"),
    ("gradient_penalty", "10", "expected a number at least 0"),
    ("r1", -1, "expected a number at least 0"),
    ("weight_clip", 0, "expected a number above 0"),
    ("spectral_norm", 1, "expected true or false"),
    ("ema_decay", 1, "expected a number above 0 and below 1"),
    ("ema_decay", 0, "expected a number above 0 and below 1"),
]


@pytest.mark.parametrize(("name", "value", "expected"), ILL_VALUES)
def test_an_ill_value_is_one_sentence_in_a_recipe_and_in_a_configuration(
    tmp_path: Path, name: str, value: object, expected: str
) -> None:
    sentence = f": {name} is {value!r}, {expected}"
    with pytest.raises(SettingsError) as caught:
        recipe_of(tmp_path, lines({name: value}))
    assert str(caught.value) == f"{tmp_path / 'recipes.toml'}: [r]{sentence}"
    with pytest.raises(SettingsError) as caught:
        load_optimizers(write(tmp_path, f"[a]\n{lines({name: value})}{BOTH}"))
    assert str(caught.value) == f"{tmp_path / 'optimizers.toml'}: [a]{sentence}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('precision = "fp16"', "precision is 'fp16', expected one of: float32, bfloat16"),
        ('sweep = "no"', "sweep is 'no', expected true or false"),
        ("dropout = 1", "dropout is 1, expected a number at least 0 and below 1"),
        ("width = 0", "width is 0, expected a whole number of at least 1"),
        ("objective = {}", "unknown field 'objective'"),
    ],
)
def test_an_ill_value_of_a_recipe_alone_is_one_sentence(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        recipe_of(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'recipes.toml'}: [r]: {expected}")
    assert "\n" not in str(caught.value)


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
    own = load_optimizers(write(tmp_path, f"[a]\n{lines({name: OBJECTIVE[name]})}{BOTH}"))["a"]
    settings = resolve(recipe, own)
    assert vars(settings.objective) == {**vars(recipe.objective), name: OBJECTIVE[name]}
    assert TrainingSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_a_configurations_dropout_comes_before_the_recipes(tmp_path: Path) -> None:
    own, other = load_optimizers(write(tmp_path, f"[a]\ndropout = 0.0\n{BOTH}\n[b]\n{BOTH}")).values()
    recipe = recipe_of(tmp_path, "dropout = 0.3")
    assert (resolve(recipe, own).dropout, resolve(recipe, other).dropout) == (0.0, 0.3)


def test_a_width_asked_for_comes_before_the_recipes(tmp_path: Path) -> None:
    configuration = load_optimizers()["adam"]
    recipe = recipe_of(tmp_path, "width = 16")
    assert [resolve(recipe, configuration, width=width).width for width in (None, 8)] == [16, 8]
    assert resolve(recipe_of(tmp_path, ""), configuration).width is None


def test_the_sources_own_budget_has_the_sources_width(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "width = 4\nfull_width = 32")
    budgets = [budget_for(recipe, *asked) for asked in ((None, None), ("full", None), ("25", None), ("full", 8))]
    assert budgets == [Budget(10, 4), Budget(1000, 32), Budget(25, 4), Budget(1000, 8)]
    assert budget_for(recipe_of(tmp_path, "width = 4"), "full", None) == Budget(1000, 4)


def test_the_users_own_recipes_come_after_the_built_in_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, RECIPE, "recipes.toml")[0]
    monkeypatch.setenv("GANFORGE_RECIPES", str(path))
    assert list(load_recipes())[-1] == "r"
    path.write_text(RECIPE.replace("[r]", "[mnist_mlp]"))
    with pytest.raises(SettingsError, match=r"recipes.toml: \[mnist_mlp\] is already defined in .*recipes.toml"):
        load_recipes()


def test_a_configuration_overrides_the_recipes_average(tmp_path: Path) -> None:
    own, other = load_optimizers(write(tmp_path, f"[a]\nema_decay = 0.9\n{BOTH}\n[b]\n{BOTH}")).values()
    recipe = recipe_of(tmp_path, "ema_decay = 0.99")
    assert (resolve(recipe, own).ema_decay, resolve(recipe, other).ema_decay) == (0.9, 0.99)


def test_gradients_are_clipped_by_norm_where_a_configuration_says_so(tmp_path: Path) -> None:
    clipped = 'both = { kind = "adam", learning_rate = 1, clip_norm = 5 }'
    own, other = load_optimizers(write(tmp_path, f"[a]\n{clipped}\n[b]\n{BOTH}")).values()
    assert (own.generator.clip_norm, own.discriminator.clip_norm, other.generator.clip_norm) == (5.0, 5.0, None)


@pytest.mark.parametrize(("asked", "expected"), [(None, 10), ("full", 1000), ("25", 25)])
def test_the_budget_is_the_recipes_or_the_sources_or_a_number(tmp_path: Path, asked: str | None, expected: int) -> None:
    assert budget_for(recipe_of(tmp_path, ""), asked, None) == Budget(expected, None)


@pytest.mark.parametrize("asked", ["", "ful", "-5", "1e3", "2.5"])
def test_a_budget_that_is_no_number_is_one_sentence(tmp_path: Path, asked: str) -> None:
    with pytest.raises(SettingsError) as caught:
        budget_for(recipe_of(tmp_path, ""), asked, None)
    assert str(caught.value) == f"--steps: found {asked!r}, expected a whole number or 'full'"


def test_a_users_file_adds_partitions_after_the_built_in_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, '[mine]\nboth = { kind = "sgd", learning_rate = 0.1 }', "own.toml")
    monkeypatch.setenv("GANFORGE_OPTIMIZERS", str(tmp_path / "own.toml"))
    assert list(load_optimizers())[-1] == "mine"


def test_a_users_key_that_is_already_taken_names_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, '[adam]\nboth = { kind = "sgd", learning_rate = 0.1 }', "own.toml")
    monkeypatch.setenv("GANFORGE_OPTIMIZERS", str(tmp_path / "own.toml"))
    with pytest.raises(SettingsError, match=r"own\.toml: \[adam\] is already defined in .*optimizers\.toml"):
        load_optimizers()


def test_a_users_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read"):
        load_optimizers((tmp_path / "nowhere.toml",))


def test_numerics_choose_the_default_epsilon(tmp_path: Path) -> None:
    entry = '[{0}]\nboth = {{ kind = "adam", learning_rate = 1, numerics = "{0}" }}\n'
    optimizers = load_optimizers(write(tmp_path, entry.format("keras") + entry.format("torch")))
    assert optimizers["keras"].generator == Adam(1, epsilon=1e-7)
    assert optimizers["torch"].generator == Adam(1, numerics="torch", epsilon=1e-8)


def test_a_run_overrides_the_recipe_and_the_configuration_overrides_the_batch_size(tmp_path: Path) -> None:
    own = load_optimizers(write(tmp_path, '[a]\nbatch_size = 7\nboth = { kind = "sgd", learning_rate = 1 }'))["a"]
    settings = resolve(load_recipes()["mnist_mlp"], own, steps=10, members=2, seed=5)
    assert (settings.batch_size, settings.steps, settings.members, settings.seed) == (7, 10, 2, 5)


def test_settings_survive_json() -> None:
    settings = resolve(load_recipes()["mnist_mlp"], load_optimizers()["rmsprop_adam"])
    assert TrainingSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"members": 0}, {"seed": -1}, {"seed": 2**31}])
def test_a_budget_that_cannot_be_trained_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=f"mnist_mlp, partition adam: {next(iter(wrong))} is .*, expected a whole"):
        resolve(load_recipes()["mnist_mlp"], load_optimizers()["adam"], **wrong)


def test_an_unknown_key_names_those_there_are() -> None:
    with pytest.raises(SettingsError, match="recipe 'mnist' does not exist; expected one of: mnist_mlp"):
        find(load_recipes(), "mnist", "recipe")
