"""Mistakes in tables, and the tables of users."""

from pathlib import Path

import pytest

from pipeline.objectives import LOSS_FACTS
from pipeline.settings import (
    load_optimizers,
    load_recipes,
)
from pipeline.tables import SettingsError, find
from tests.pipeline.written_tables import BOTH, RECIPE, lines, recipe_of, write

ILL_VALUES = [
    ("loss", "vanilla", f"expected one of: {', '.join(LOSS_FACTS)}"),
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
def test_a_mistake_is_one_sentence_with_file_key_and_the_expected_value(
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


def test_the_users_own_recipes_come_after_the_built_in_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, RECIPE, "recipes.toml")[0]
    monkeypatch.setenv("GANFORGE_RECIPES", str(path))
    assert list(load_recipes())[-1] == "r"
    path.write_text(RECIPE.replace("[r]", "[mnist_mlp]"))
    with pytest.raises(SettingsError, match=r"recipes.toml: \[mnist_mlp\] is already defined in .*recipes.toml"):
        load_recipes()


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


def test_an_unknown_key_names_those_there_are() -> None:
    with pytest.raises(SettingsError, match="recipe 'mnist' does not exist; expected one of: mnist_mlp"):
        find(load_recipes(), "mnist", "recipe")
