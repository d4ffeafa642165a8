"""Settings: recipes, optimizer configurations and presets, read from tables, and the settings of one training.

In: `recipes.toml`, `optimizers.toml` and `presets.toml` beside this file, and the user's files that `GANFORGE_RECIPES`
and `GANFORGE_OPTIMIZERS` name. Out: `Recipe`, `OptimizerConfiguration`, `Preset`, and `TrainingSettings`, the resolved
settings of one partition, which are saved beside its weights. Each field's type, range, default and description stand
on the field. This file imports no torch, because Dagster reads the tables whenever its definitions load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.objectives import ObjectiveSettings, read_overrides
from pipeline.optimizer_kinds import OptimizerSettings, optimizer_from_json, read_optimizer
from pipeline.tables import (
    CHECKED,
    Mistakes,
    SettingsError,
    Text,
    expect_names,
    fields_of,
    read_entries,
    read_value,
    user_files,
)

PACKAGE = Path(__file__).parent
LARGEST_SEED = 2**31 - 1
TIE_MARGIN = 0.05  # without a recipe's own
LEAST_SAMPLES = 10  # the Inception Score's ten splits need one image each
NETWORKS = ("generator", "discriminator")

Count = Annotated[int, Field(ge=1)]
BatchSize = Annotated[Count, Field(description="Real images per update of the discriminator.")]
Dropout = Annotated[float, Field(ge=0, lt=1, description="Dropout rate of networks that have dropout.")]
EmaDecay = Annotated[
    float,
    Field(
        gt=0,
        lt=1,
        description="Decay per step of a running average of the generator's weights, which samples, scores, snapshots,"
        " champion and exports then use. Batch statistics are not averaged. The average lags by about"
        " 1 / (1 - ema_decay) steps, so 0.999 needs tens of thousands of steps.",
    ),
]
Description = Annotated[Text, Field(description="One line for lists and pages.")]
SourceText = Annotated[Text, Field(description="Where the numbers come from.")]


@dataclass(frozen=True, config=CHECKED, kw_only=True)
class SharedSettings:
    """Settings that a recipe states and that each of its partitions is trained with."""

    network: Annotated[Text, Field(description="File of pipeline/networks/architectures with the two networks.")]
    width: Annotated[
        Count | None,
        Field(description="Size that the network's layers are multiples of; without it, WIDTH of the network's file."),
    ] = None
    batch_size: BatchSize
    dropout: Dropout | None = None
    ema_decay: EmaDecay | None = None
    precision: Annotated[
        Literal["float32", "bfloat16"],
        Field(
            description="float32: products in TF32 on a GPU; bfloat16: products in bfloat16 (autocast), weights and"
            " sums in float32."
        ),
    ] = "float32"
    objective: ObjectiveSettings
    steps: Annotated[Count, Field(description="Steps of the plain budget: minutes on two CPU cores.")]
    members: Annotated[Count, Field(description="Replicates per partition, which differ by their seed alone.")]
    history_interval_steps: Annotated[Count, Field(description="Steps between two rows of the history.")]
    snapshot_interval_steps: Annotated[Count, Field(description="Steps between two snapshots of generated images.")]
    evaluation_images: Annotated[
        Count, Field(description="Real images, and as many generated ones, per row of the history.")
    ]


@dataclass(frozen=True, config=CHECKED, kw_only=True)
class Recipe(SharedSettings):
    """A data set, the networks trained on it and how they are trained: one chain of assets."""

    key: str
    description: Description
    source: SourceText
    dataset: Annotated[Text, Field(description="Key of the data set.")]
    full_steps: Annotated[Count, Field(description="Steps of the source's own budget, `--steps full`.")]
    full_width: Annotated[
        Count | None, Field(description="The source's own width, `--steps full`, where `width` is less to suit a CPU.")
    ] = None
    samples: Annotated[int, Field(ge=LEAST_SAMPLES, description="Generated images per member.")]
    tie_margin: Annotated[
        float,
        Field(gt=0, lt=1, description="Relative difference of scores below which two configurations count as tied."),
    ] = TIE_MARGIN
    sweep: Annotated[
        bool, Field(description="True trains the partitions of a run as one stack; false trains one after another.")
    ] = True


@dataclass(frozen=True, config=CHECKED, kw_only=True)
class OptimizerConfiguration:
    """A partition: an optimizer per network, and the recipe settings that it overrides."""

    key: str
    description: Description = ""
    source: SourceText
    generator: OptimizerSettings
    discriminator: OptimizerSettings
    dropout: Dropout | None = None
    batch_size: BatchSize | None = None
    ema_decay: EmaDecay | None = None
    objective: Mapping[str, Any] = field(default_factory=dict)  # fields of `ObjectiveSettings` to replace

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {name: getattr(self, name).to_json() for name in NETWORKS}


@dataclass(frozen=True, config=CHECKED, kw_only=True)
class Preset:
    """A source's own run by name: a recipe with an optimizer configuration."""

    key: str
    description: Description
    source: SourceText
    recipe: Annotated[Text, Field(description="Key of the recipe.")]
    optimizer: Annotated[Text, Field(description="Key of the optimizer configuration.")]


@dataclass(frozen=True, config=CHECKED, kw_only=True)
class TrainingSettings(SharedSettings):
    """Everything apart from the data that decides a partition's weights. Saved as `settings.json`."""

    recipe: str
    optimizer: str
    generator: OptimizerSettings
    discriminator: OptimizerSettings
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the form that is fingerprinted and saved."""
        keys = {"recipe": self.recipe, "optimizer": self.optimizer}  # first, for people who read the file
        return keys | asdict(self) | {name: getattr(self, name).to_json() for name in NETWORKS}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingSettings:
        """Return the settings that `to_json` stored, or raise `SettingsError` if this version has other fields."""
        where = "stored settings"
        expect_names(where, values, fields_of(cls))
        expect_names(f"{where} objective", values["objective"], fields_of(ObjectiveSettings))
        parts = {name: optimizer_from_json(f"{where} {name}", values[name]) for name in NETWORKS}
        objective = read_value(ObjectiveSettings, f"{where} objective", values["objective"])
        return read_value(cls, where, {**values, **parts, "objective": objective})


def resolve(
    recipe: Recipe,
    configuration: OptimizerConfiguration,
    *,
    steps: int | None = None,
    width: int | None = None,
    members: int | None = None,
    seed: int = 0,
) -> TrainingSettings:
    """Return the settings of one partition: the recipe, then the configuration, then the arguments given here."""
    names = ("dropout", "batch_size", "ema_decay")
    overrides = {name: getattr(configuration, name) for name in names} | {
        "steps": steps,
        "width": width,
        "members": members,
    }
    values = {name: getattr(recipe, name) for name in fields_of(SharedSettings)}
    values |= {name: value for name, value in overrides.items() if value is not None}
    return read_value(
        TrainingSettings,
        f"{recipe.key}, partition {configuration.key}",
        {
            **values,
            "objective": replace(recipe.objective, **configuration.objective),
            "recipe": recipe.key,
            "optimizer": configuration.key,
            "generator": configuration.generator,
            "discriminator": configuration.discriminator,
            "seed": seed,
        },
    )


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def load_recipes(paths: tuple[Path, ...] | None = None) -> dict[str, Recipe]:
    """Return the recipes by key, in order: the built-in table, then the file `GANFORGE_RECIPES` names."""
    return read_entries(paths or (PACKAGE / "recipes.toml", *user_files("GANFORGE_RECIPES")), _recipe)


def load_optimizers(paths: tuple[Path, ...] | None = None) -> dict[str, OptimizerConfiguration]:
    """Return the configurations by key, in order: the built-in table, then the file `GANFORGE_OPTIMIZERS` names."""
    return read_entries(paths or (PACKAGE / "optimizers.toml", *user_files("GANFORGE_OPTIMIZERS")), _configuration)


def load_presets(path: Path = PACKAGE / "presets.toml") -> dict[str, Preset]:
    """Return the presets by key, in order."""
    return read_entries((path,), _preset)


def _preset(path: Path, key: str, entry: dict[str, Any]) -> Preset:
    where, mistakes = f"{path}: [{key}]", Mistakes()
    mistakes.attempt(expect_names, where, entry, fields_of(Preset).keys() - {"key"})
    return mistakes.settle(mistakes.attempt(read_value, Preset, where, entry, key=key))


def _recipe(path: Path, key: str, entry: dict[str, Any]) -> Recipe:
    where, mistakes = f"{path}: [{key}]", Mistakes()
    names = fields_of(Recipe).keys() - {"key", "objective"} | fields_of(ObjectiveSettings).keys()
    mistakes.attempt(expect_names, where, entry, names)
    objective = mistakes.attempt(read_value, ObjectiveSettings, where, entry)
    return mistakes.settle(mistakes.attempt(read_value, Recipe, where, entry, key=key, objective=objective))


def _configuration(path: Path, key: str, entry: dict[str, Any]) -> OptimizerConfiguration:
    where, mistakes = f"{path}: [{key}]", Mistakes()
    names = fields_of(OptimizerConfiguration).keys() - {"key", "objective"} | fields_of(ObjectiveSettings).keys()
    mistakes.attempt(expect_names, where, entry, names | {"both"})
    filled = {
        "key": key,
        **(mistakes.attempt(_networks, where, entry) or dict.fromkeys(NETWORKS)),
        "objective": mistakes.attempt(read_overrides, where, entry),
    }
    sourced = {"source": str(path), **entry}  # an entry without a source is the user's own
    return mistakes.settle(mistakes.attempt(read_value, OptimizerConfiguration, where, sourced, **filled))


def _networks(where: str, entry: Mapping[str, Any]) -> dict[str, OptimizerSettings]:
    """Return each network's optimizer; an entry names one per network, or one for `both`."""
    if ("both" in entry) == any(name in entry for name in NETWORKS):
        raise SettingsError(f"{where}: expected either both = {{…}}, or generator = {{…}} and discriminator = {{…}}")
    if "both" in entry:
        return dict.fromkeys(NETWORKS, read_optimizer(f"{where} both", entry["both"]))
    mistakes = Mistakes()
    optimizers = {name: mistakes.attempt(_network, where, name, entry) for name in NETWORKS}
    return {name: mistakes.settle(optimizer) for name, optimizer in optimizers.items()}


def _network(where: str, name: str, entry: Mapping[str, Any]) -> OptimizerSettings:
    if name not in entry:
        raise SettingsError(f"{where}: field {name!r} is missing; expected {{ kind = …, learning_rate = … }}")
    return read_optimizer(f"{where} {name}", entry[name])
