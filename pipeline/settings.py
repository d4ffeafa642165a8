"""Settings: the tables of recipes and optimizer configurations as frozen values, checked once where they enter.

In: `recipes.toml`, `optimizers.toml` and `presets.toml` beside this file, and the user's own files named by
`GANFORGE_RECIPES` and `GANFORGE_OPTIMIZERS`. Out: `Recipe`, `OptimizerConfiguration`, `Preset`, and `TrainingSettings`,
the fully resolved settings of one partition that are saved beside its weights. Every mistake is one sentence.
Nothing here imports torch: Dagster reads these tables when its definitions load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pipeline.tables import (
    SettingsError,
    expect_fields,
    own_file,
    read_choice,
    read_entries,
    read_flag,
    read_number,
    read_text,
    read_whole,
)

PACKAGE = Path(__file__).parent
LARGEST_SEED = 2**31 - 1
LEAST_SAMPLES = 10  # the Inception Score's ten splits need an image each


@dataclass(frozen=True)
class OptimizerSettings:
    """One network's optimizer. Defaults are Keras 2's; `numerics` chooses where Adam adds epsilon (`optimizers.py`)."""

    kind: str  # "sgd" | "rmsprop" | "adam"
    learning_rate: float
    momentum: float = 0.0  # sgd
    rho: float = 0.9  # rmsprop: decay of the mean square
    beta1: float = 0.9  # adam: decay of the first moment
    beta2: float = 0.999  # adam: decay of the second moment
    epsilon: float = 1e-7  # rmsprop, adam
    decay: float = 0.0  # the rate at update t (from 0) is learning_rate / (1 + decay * t)
    clip_value: float | None = None  # gradients are clipped element-wise to [-clip_value, clip_value]
    clip_norm: float | None = None  # a network's whole gradient is scaled down to this Euclidean norm
    numerics: str = "keras"  # "keras" | "torch"


@dataclass(frozen=True)
class ObjectiveSettings:
    """What the two networks are trained for; formulas and sources: `training/losses.py`, `training/regularisers.py`."""

    loss: str = "non_saturating"  # one of LOSSES
    discriminator_update: str = "separate"  # one of DISCRIMINATOR_UPDATES
    n_critic: int = 1  # updates of the discriminator to one of the generator, each on images and latents of its own
    generator_batch_size: int = 0  # fresh latents of the generator's update; 0: the discriminator's latents
    generated_in: str = "training"  # one of GENERATED_IN: the generator's mode when it draws for the discriminator
    real_label: float = 1.0  # the discriminator's label for real images: 1 less the one-sided smoothing
    label_flip: float = 0.0  # share of the discriminator's labels that are swapped
    instance_noise: float = 0.0  # standard deviation of the noise on all images the discriminator is trained on
    instance_noise_steps: int = 0  # steps over which that noise falls linearly to 0; 0 means it stays
    gradient_penalty: float = 0.0  # weight of (|gradient| - 1)² between real and generated images
    r1: float = 0.0  # weight of |gradient|² / 2 on real images
    weight_clip: float | None = None  # the discriminator's weights stay in [-weight_clip, weight_clip]
    spectral_norm: bool = False  # of every layer of the discriminator


@dataclass(frozen=True)
class OptimizerConfiguration:
    """A partition: an optimizer for each network, and the recipe settings it overrides."""

    key: str
    description: str
    source: str
    generator: OptimizerSettings
    discriminator: OptimizerSettings
    dropout: float | None = None
    batch_size: int | None = None
    ema_decay: float | None = None
    objective: Mapping[str, Any] = field(default_factory=dict)  # fields of `ObjectiveSettings` to replace


@dataclass(frozen=True)
class Recipe:
    """A data set, the networks trained on it and how: one chain of assets."""

    key: str
    description: str
    source: str
    dataset: str
    network: str
    batch_size: int
    objective: ObjectiveSettings
    steps: int  # the default budget, minutes on two CPU cores
    full_steps: int  # the source's own budget
    members: int  # replicates that differ by seed alone
    samples: int  # generated images per member
    history_interval_steps: int
    snapshot_interval_steps: int
    evaluation_images: int
    width: int | None = None  # the size that the network's layers are multiples of; None: the network's own
    full_width: int | None = None  # the source's own, where `width` is less to suit a CPU
    dropout: float | None = None  # where the network has dropout and the configuration names no rate
    ema_decay: float | None = None  # decay a step of the running average of the generator's weights; None: no average
    precision: str = "float32"  # one of PRECISIONS
    sweep: bool = True  # partitions of one run train as one stack; false: one after another


@dataclass(frozen=True)
class Preset:
    """A source's own run by name: a recipe with an optimizer configuration."""

    key: str
    description: str
    source: str
    recipe: str
    optimizer: str


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides what a partition's weights become, besides the data. Saved as `settings.json`."""

    recipe: str
    optimizer: str
    network: str
    width: int | None
    batch_size: int
    dropout: float | None
    ema_decay: float | None
    precision: str
    objective: ObjectiveSettings
    generator: OptimizerSettings
    discriminator: OptimizerSettings
    steps: int
    members: int
    seed: int
    history_interval_steps: int
    snapshot_interval_steps: int
    evaluation_images: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, the form that is fingerprinted and saved."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingSettings:
        """The inverse of `to_json`."""
        networks = {name: OptimizerSettings(**values[name]) for name in ("generator", "discriminator")}
        return cls(**{**values, **networks, "objective": ObjectiveSettings(**values["objective"])})


@dataclass(frozen=True)
class Budget:
    """How long networks are trained and how wide they are."""

    steps: int
    width: int | None  # None: the network's own


def plain_budget(recipe: Recipe) -> Budget:
    """Minutes on two CPU cores."""
    return Budget(recipe.steps, recipe.width)


def full_budget(recipe: Recipe) -> Budget:
    """The source's own."""
    return Budget(recipe.full_steps, recipe.full_width or recipe.width)


def described(budget: Budget) -> str:
    """Such as `500 steps at width 4`."""
    return f"{budget.steps:,} steps" + ("" if budget.width is None else f" at width {budget.width}")


def budget_for(recipe: Recipe, steps: str | None, width: int | None) -> Budget:
    """What a person asks for: `steps` a number, "full" for the source's own budget, None for the plain one."""
    if steps is not None and steps != "full" and not steps.isdecimal():
        raise SettingsError(f"--steps: found {steps!r}, expected a whole number or 'full'")
    budget = full_budget(recipe) if steps == "full" else plain_budget(recipe)
    if steps is not None and steps != "full":
        budget = replace(budget, steps=int(steps))
    return budget if width is None else replace(budget, width=width)


def resolve(
    recipe: Recipe,
    configuration: OptimizerConfiguration,
    *,
    steps: int | None = None,
    width: int | None = None,
    members: int | None = None,
    seed: int = 0,
) -> TrainingSettings:
    """The settings of one partition: the recipe, overridden by the configuration, overridden by the run's arguments."""
    for name, value, smallest in (("steps", steps, 1), ("members", members, 1), ("width", width, 1)):
        if value is not None and value < smallest:
            raise SettingsError(f"{name}: found {value}, expected an integer of at least {smallest}")
    if not 0 <= seed <= LARGEST_SEED:
        raise SettingsError(f"seed: found {seed}, expected an integer from 0 to {LARGEST_SEED}")
    return TrainingSettings(
        recipe=recipe.key,
        optimizer=configuration.key,
        network=recipe.network,
        width=recipe.width if width is None else width,
        batch_size=configuration.batch_size or recipe.batch_size,
        dropout=recipe.dropout if configuration.dropout is None else configuration.dropout,
        ema_decay=recipe.ema_decay if configuration.ema_decay is None else configuration.ema_decay,
        precision=recipe.precision,
        objective=replace(recipe.objective, **configuration.objective),
        generator=configuration.generator,
        discriminator=configuration.discriminator,
        steps=recipe.steps if steps is None else steps,
        members=recipe.members if members is None else members,
        seed=seed,
        history_interval_steps=recipe.history_interval_steps,
        snapshot_interval_steps=recipe.snapshot_interval_steps,
        evaluation_images=recipe.evaluation_images,
    )


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def load_recipes(paths: tuple[Path, ...] | None = None) -> dict[str, Recipe]:
    """The recipes by key, in order: the built-in table, then the user's `GANFORGE_RECIPES` file."""
    return read_entries(paths or (PACKAGE / "recipes.toml", *own_file("GANFORGE_RECIPES")), _recipe)


def load_optimizers(paths: tuple[Path, ...] | None = None) -> dict[str, OptimizerConfiguration]:
    """The optimizer configurations by key, in order: the built-in table, then the user's `GANFORGE_OPTIMIZERS` file."""
    return read_entries(paths or (PACKAGE / "optimizers.toml", *own_file("GANFORGE_OPTIMIZERS")), _configuration)


def load_presets(path: Path = PACKAGE / "presets.toml") -> dict[str, Preset]:
    """The presets by key, in order."""
    return read_entries((path,), _preset)


# ---------------------------------------------------------------------------------------------------------------------
# Entries


def _preset(path: Path, key: str, entry: dict[str, Any]) -> Preset:
    where, names = f"{path}: [{key}]", _names(Preset) - {"key"}
    expect_fields(where, entry, names)
    return Preset(key, **{name: read_text(where, entry, name) for name in names})


def _recipe(path: Path, key: str, entry: dict[str, Any]) -> Recipe:
    where = f"{path}: [{key}]"
    expect_fields(where, entry, _names(Recipe) - {"key", "objective"} | _names(ObjectiveSettings))
    return Recipe(
        key=key,
        description=read_text(where, entry, "description"),
        source=read_text(where, entry, "source"),
        dataset=read_text(where, entry, "dataset"),
        network=read_text(where, entry, "network"),
        batch_size=read_whole(where, entry, "batch_size"),
        objective=ObjectiveSettings(**_objective(where, entry)),
        steps=read_whole(where, entry, "steps"),
        full_steps=read_whole(where, entry, "full_steps"),
        members=read_whole(where, entry, "members"),
        samples=read_whole(where, entry, "samples", at_least=LEAST_SAMPLES),
        history_interval_steps=read_whole(where, entry, "history_interval_steps"),
        snapshot_interval_steps=read_whole(where, entry, "snapshot_interval_steps"),
        evaluation_images=read_whole(where, entry, "evaluation_images"),
        width=read_whole(where, entry, "width") if "width" in entry else Recipe.width,
        full_width=read_whole(where, entry, "full_width") if "full_width" in entry else Recipe.full_width,
        dropout=_dropout(where, entry),
        ema_decay=_ema_decay(where, entry),
        precision=read_choice(where, entry, "precision", PRECISIONS) if "precision" in entry else Recipe.precision,
        sweep=read_flag(where, entry, "sweep") if "sweep" in entry else Recipe.sweep,
    )


def _configuration(path: Path, key: str, entry: dict[str, Any]) -> OptimizerConfiguration:
    where = f"{path}: [{key}]"
    expected = _names(OptimizerConfiguration) - {"key", "objective"} | {"both"} | _names(ObjectiveSettings)
    expect_fields(where, entry, expected)
    if ("both" in entry) == bool({"generator", "discriminator"} & set(entry)):
        raise SettingsError(f"{where}: expected either both = {{…}}, or generator = {{…}} and discriminator = {{…}}")
    networks = {
        name: _optimizer(where, name, entry.get("both", entry.get(name))) for name in ("generator", "discriminator")
    }
    return OptimizerConfiguration(
        key=key,
        description=read_text(where, entry, "description") if "description" in entry else "",
        source=read_text(where, entry, "source") if "source" in entry else str(path),
        dropout=_dropout(where, entry),
        batch_size=read_whole(where, entry, "batch_size") if "batch_size" in entry else None,
        ema_decay=_ema_decay(where, entry),
        objective=_objective(where, entry),
        **networks,
    )


LOSSES = ("non_saturating", "minimax", "least_squares", "hinge", "wasserstein")
DISCRIMINATOR_UPDATES = (
    "separate",  # an update on real images, then one on generated images
    "joint",  # one update on the sum of both losses
    "mixed",  # one update on the mean over one batch of both
)
GENERATED_IN = (
    "training",  # batch statistics and dropout, as in the generator's own update
    "evaluation",  # running statistics and no dropout: Keras' `predict`
)
PRECISIONS = (
    "float32",  # on a GPU products in TF32
    "bfloat16",  # products in that precision (autocast), weights and sums in float32
)


def _objective(where: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The fields of `ObjectiveSettings` that an entry names, checked."""
    checks: dict[str, Callable[[str], Any]] = {
        "loss": lambda name: read_choice(where, entry, name, LOSSES),
        "discriminator_update": lambda name: read_choice(where, entry, name, DISCRIMINATOR_UPDATES),
        "n_critic": lambda name: read_whole(where, entry, name),
        "generator_batch_size": lambda name: read_whole(where, entry, name, at_least=0),
        "generated_in": lambda name: read_choice(where, entry, name, GENERATED_IN),
        "real_label": lambda name: read_number(where, entry, name, above=0.5, at_most=1.0),
        "label_flip": lambda name: read_number(where, entry, name, at_least=0.0, below=0.5),
        "instance_noise": lambda name: read_number(where, entry, name, at_least=0.0),
        "instance_noise_steps": lambda name: read_whole(where, entry, name, at_least=0),
        "gradient_penalty": lambda name: read_number(where, entry, name, at_least=0.0),
        "r1": lambda name: read_number(where, entry, name, at_least=0.0),
        "weight_clip": lambda name: read_number(where, entry, name, above=0.0),
        "spectral_norm": lambda name: read_flag(where, entry, name),
    }
    return {name: check(name) for name, check in checks.items() if name in entry}


def _dropout(where: str, entry: dict[str, Any]) -> float | None:
    return read_number(where, entry, "dropout", at_least=0.0, below=1.0) if "dropout" in entry else None


def _ema_decay(where: str, entry: dict[str, Any]) -> float | None:
    return read_number(where, entry, "ema_decay", above=0.0, below=1.0) if "ema_decay" in entry else None


SHARED_FIELDS = {"kind", "learning_rate", "decay", "clip_value", "clip_norm", "numerics"}
FIELDS_OF_KIND = {
    "sgd": SHARED_FIELDS | {"momentum"},
    "rmsprop": SHARED_FIELDS | {"rho", "epsilon"},
    "adam": SHARED_FIELDS | {"beta1", "beta2", "epsilon"},
}
DEFAULT_EPSILON = {"keras": 1e-7, "torch": 1e-8}


def _optimizer(where: str, network: str, entry: Any) -> OptimizerSettings:
    where = f"{where} {network}"
    if not isinstance(entry, dict):
        raise SettingsError(f"{where}: found {entry!r}, expected {{ kind = …, learning_rate = … }}")
    kind = read_choice(where, entry, "kind", tuple(FIELDS_OF_KIND))
    expect_fields(where, entry, FIELDS_OF_KIND[kind], required={"learning_rate"}, of=f" of kind {kind!r}")
    numerics = read_choice(where, entry, "numerics", tuple(DEFAULT_EPSILON)) if "numerics" in entry else "keras"

    def number(name: str, default: float, *, above: float | None = None, below: float | None = None) -> float:
        if name not in entry:
            return default
        return read_number(where, entry, name, above=above, at_least=None if above is not None else 0.0, below=below)

    return OptimizerSettings(
        kind=kind,
        learning_rate=read_number(where, entry, "learning_rate", above=0.0),
        momentum=number("momentum", OptimizerSettings.momentum, below=1.0),
        rho=number("rho", OptimizerSettings.rho, below=1.0),
        beta1=number("beta1", OptimizerSettings.beta1, below=1.0),
        beta2=number("beta2", OptimizerSettings.beta2, below=1.0),
        epsilon=number("epsilon", DEFAULT_EPSILON[numerics], above=0.0),
        decay=number("decay", OptimizerSettings.decay),
        clip_value=number("clip_value", 0.0, above=0.0) or None,
        clip_norm=number("clip_norm", 0.0, above=0.0) or None,
        numerics=numerics,
    )


def _names(settings: type) -> set[str]:
    return {field.name for field in fields(settings)}
