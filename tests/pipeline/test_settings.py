from pathlib import Path

import pytest

from pipeline.settings import SettingsError, TrainingSettings, find, load_optimizers, load_recipes, resolve


def write(tmp_path: Path, text: str, name: str = "optimizers.toml") -> tuple[Path, ...]:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return (tmp_path / name,)


def test_the_sources_configurations_have_the_sources_numbers() -> None:
    optimizers = load_optimizers()
    assert {"sgd", "rmsprop", "adam", "adam_ttur", "rmsprop_adam", "sgd_adam"} <= set(optimizers)
    assert (optimizers["sgd"].generator.learning_rate, optimizers["sgd"].generator.momentum) == (0.01, 0.5)
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
    assert (recipe.batch_size, recipe.real_label, recipe.full_steps) == (64, 0.9, 100 * (60_000 // 64))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[a]\nboth = { kind = "adamm", learning_rate = 1 }', "[a] generator: kind is 'adamm', expected one of: sgd"),
        ('[a]\nboth = { kind = "adam", learning_rate = -1 }', "[a] generator: learning_rate is -1, expected a number"),
        ('[a]\nboth = { kind = "adam", learning_rate = nan }', "learning_rate is nan"),
        ('[a]\nboth = { kind = "adam", learning_rate = true }', "learning_rate is True"),
        ('[a]\nboth = { kind = "adam", learning_rat = 1 }', "[a] generator: unknown field 'learning_rat'"),
        ('[a]\nboth = { kind = "adam", momentum = 0.5, learning_rate = 1 }', "unknown field 'momentum' of kind 'adam'"),
        ('[a]\nboth = { kind = "adam" }', "[a] generator: field 'learning_rate' is missing"),
        ('[a]\nboth = { kind = "adam", learning_rate = 1, beta1 = 1.0 }', "beta1 is 1.0, expected a number at least 0"),
        ('[a]\nboth = "adam"', "[a] generator: found 'adam'"),
        ('[a]\ndropuot = 0.5\nboth = { kind = "adam", learning_rate = 1 }', "[a]: unknown field 'dropuot'"),
        ('[a]\ngenerator = { kind = "sgd", learning_rate = 1 }', "[a] discriminator: found None"),
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
    assert str(tmp_path / "optimizers.toml") in message
    assert "\n" not in message


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
    found = load_optimizers(write(tmp_path, entry.format("keras") + entry.format("torch")))
    assert (found["keras"].generator.epsilon, found["torch"].generator.epsilon) == (1e-7, 1e-8)


def test_a_run_overrides_the_recipe_and_the_configuration_overrides_the_batch_size(tmp_path: Path) -> None:
    own = load_optimizers(write(tmp_path, '[a]\nbatch_size = 7\nboth = { kind = "sgd", learning_rate = 1 }'))["a"]
    settings = resolve(load_recipes()["mnist_mlp"], own, steps=10, members=2, seed=5)
    assert (settings.batch_size, settings.steps, settings.members, settings.seed) == (7, 10, 2, 5)


def test_settings_survive_json() -> None:
    settings = resolve(load_recipes()["mnist_mlp"], load_optimizers()["rmsprop_adam"])
    assert TrainingSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"members": 0}, {"seed": -1}, {"seed": 2**31}])
def test_a_budget_that_cannot_be_trained_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=f"{next(iter(wrong))}: found"):
        resolve(load_recipes()["mnist_mlp"], load_optimizers()["adam"], **wrong)


def test_an_unknown_key_names_those_there_are() -> None:
    with pytest.raises(SettingsError, match="recipe 'mnist' does not exist; expected one of: mnist_mlp"):
        find(load_recipes(), "mnist", "recipe")
