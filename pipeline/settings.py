"""Settings: the tables of recipes and optimizer configurations as frozen values, checked once where they enter.

In: `recipes.toml`, `optimizers.toml` beside this file, and the user's own file named by `GANFORGE_OPTIMIZERS`.
Out: `Recipe`, `OptimizerConfiguration`, and `TrainingSettings`, the fully resolved settings of one partition that are
saved beside its weights. Every mistake is one sentence: file, key, what was found, what was expected.
Nothing here imports torch: Dagster reads these tables when its definitions load.
"""

from __future__ import annotations

import math
import operator
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

PACKAGE = Path(__file__).parent
KEY_PATTERN = re.compile(r"[a-z0-9_]+")
LARGEST_SEED = 2**31 - 1
LEAST_SAMPLES = 10  # the Inception Score's ten splits need an image each

Value = TypeVar("Value")


class SettingsError(ValueError):
    """A table entry that cannot be used; the message names file, key, what was found and what was expected."""


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
    ema_decay: float | None = None  # decay a step of the running average of the generator's weights; None: no average
    precision: str = "float32"  # one of PRECISIONS
    sweep: bool = True  # partitions of one run train as one stack; false: one after another


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides what a partition's weights become, besides the data. Saved as `settings.json`."""

    recipe: str
    optimizer: str
    network: str
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


def resolve(
    recipe: Recipe,
    configuration: OptimizerConfiguration,
    *,
    steps: int | None = None,
    members: int | None = None,
    seed: int = 0,
) -> TrainingSettings:
    """The settings of one partition: the recipe, overridden by the configuration, overridden by the run's arguments."""
    for name, value, smallest in (("steps", steps, 1), ("members", members, 1)):
        if value is not None and value < smallest:
            raise SettingsError(f"{name}: found {value}, expected an integer of at least {smallest}")
    if not 0 <= seed <= LARGEST_SEED:
        raise SettingsError(f"seed: found {seed}, expected an integer from 0 to {LARGEST_SEED}")
    return TrainingSettings(
        recipe=recipe.key,
        optimizer=configuration.key,
        network=recipe.network,
        batch_size=configuration.batch_size or recipe.batch_size,
        dropout=configuration.dropout,
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


def step_budget(recipe: Recipe, asked: str | None) -> int:
    """The steps a person asks for: a number, "full" for the source's own budget, None for the recipe's."""
    if asked is None:
        return recipe.steps
    if asked != "full" and not asked.isdecimal():
        raise SettingsError(f"--steps: found {asked!r}, expected a whole number or 'full'")
    return recipe.full_steps if asked == "full" else int(asked)


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def load_recipes(path: Path = PACKAGE / "recipes.toml") -> dict[str, Recipe]:
    """The recipes of a file by key, in the file's order."""
    return {key: _recipe(path, key, entry) for key, entry in _read_table(path).items()}


def load_optimizers(paths: tuple[Path, ...] | None = None) -> dict[str, OptimizerConfiguration]:
    """The optimizer configurations by key, in order: the built-in table, then the user's `GANFORGE_OPTIMIZERS` file."""
    found: dict[str, OptimizerConfiguration] = {}
    home: dict[str, Path] = {}
    for path in paths if paths is not None else optimizer_files():
        for key, entry in _read_table(path).items():
            if key in found:
                raise SettingsError(f"{path}: [{key}] is already defined in {home[key]}; expected a key of its own")
            found[key], home[key] = _configuration(path, key, entry), path
    return found


def optimizer_files() -> tuple[Path, ...]:
    """The built-in table and, where `GANFORGE_OPTIMIZERS` names one, the user's own file."""
    own = os.environ.get("GANFORGE_OPTIMIZERS")
    return (PACKAGE / "optimizers.toml", Path(own)) if own else (PACKAGE / "optimizers.toml",)


def find(table: Mapping[str, Value], key: str, what: str) -> Value:
    """`table[key]`, or one sentence that names the keys there are."""
    if key not in table:
        raise SettingsError(f"{what} {key!r} does not exist; expected one of: {', '.join(table)}")
    return table[key]


def _read_table(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); expected a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}; expected TOML with each [key] once") from error
    for key, entry in table.items():
        if not KEY_PATTERN.fullmatch(key):
            raise SettingsError(f"{path}: key {key!r} is ill-formed; expected small letters, digits and '_' only")
        if not isinstance(entry, dict):
            raise SettingsError(f"{path}: {key} = {entry!r} stands alone; expected a table [{key}]")
    return table


# ---------------------------------------------------------------------------------------------------------------------
# Entries


def _recipe(path: Path, key: str, entry: dict[str, Any]) -> Recipe:
    where = f"{path}: [{key}]"
    _expect_fields(where, entry, _names(Recipe) - {"key", "objective"} | _names(ObjectiveSettings))
    return Recipe(
        key=key,
        description=_text(where, entry, "description"),
        source=_text(where, entry, "source"),
        dataset=_text(where, entry, "dataset"),
        network=_text(where, entry, "network"),
        batch_size=_whole(where, entry, "batch_size"),
        objective=ObjectiveSettings(**_objective(where, entry)),
        steps=_whole(where, entry, "steps"),
        full_steps=_whole(where, entry, "full_steps"),
        members=_whole(where, entry, "members"),
        samples=_whole(where, entry, "samples", at_least=LEAST_SAMPLES),
        history_interval_steps=_whole(where, entry, "history_interval_steps"),
        snapshot_interval_steps=_whole(where, entry, "snapshot_interval_steps"),
        evaluation_images=_whole(where, entry, "evaluation_images"),
        ema_decay=_ema_decay(where, entry),
        precision=_choice(where, entry, "precision", PRECISIONS) if "precision" in entry else Recipe.precision,
        sweep=_flag(where, entry, "sweep") if "sweep" in entry else Recipe.sweep,
    )


def _configuration(path: Path, key: str, entry: dict[str, Any]) -> OptimizerConfiguration:
    where = f"{path}: [{key}]"
    expected = _names(OptimizerConfiguration) - {"key", "objective"} | {"both"} | _names(ObjectiveSettings)
    _expect_fields(where, entry, expected)
    if ("both" in entry) == bool({"generator", "discriminator"} & set(entry)):
        raise SettingsError(f"{where}: expected either both = {{…}}, or generator = {{…}} and discriminator = {{…}}")
    networks = {
        name: _optimizer(where, name, entry.get("both", entry.get(name))) for name in ("generator", "discriminator")
    }
    return OptimizerConfiguration(
        key=key,
        description=_text(where, entry, "description") if "description" in entry else "",
        source=_text(where, entry, "source") if "source" in entry else str(path),
        dropout=_number(where, entry, "dropout", at_least=0.0, below=1.0) if "dropout" in entry else None,
        batch_size=_whole(where, entry, "batch_size") if "batch_size" in entry else None,
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
PRECISIONS = (
    "float32",  # on a GPU products in TF32
    "bfloat16",  # products in that precision (autocast), weights and sums in float32
)


def _objective(where: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The fields of `ObjectiveSettings` that an entry names, checked."""
    checks: dict[str, Callable[[str], Any]] = {
        "loss": lambda name: _choice(where, entry, name, LOSSES),
        "discriminator_update": lambda name: _choice(where, entry, name, DISCRIMINATOR_UPDATES),
        "n_critic": lambda name: _whole(where, entry, name),
        "real_label": lambda name: _number(where, entry, name, above=0.5, at_most=1.0),
        "label_flip": lambda name: _number(where, entry, name, at_least=0.0, below=0.5),
        "instance_noise": lambda name: _number(where, entry, name, at_least=0.0),
        "instance_noise_steps": lambda name: _whole(where, entry, name, at_least=0),
        "gradient_penalty": lambda name: _number(where, entry, name, at_least=0.0),
        "r1": lambda name: _number(where, entry, name, at_least=0.0),
        "weight_clip": lambda name: _number(where, entry, name, above=0.0),
        "spectral_norm": lambda name: _flag(where, entry, name),
    }
    return {name: check(name) for name, check in checks.items() if name in entry}


def _ema_decay(where: str, entry: dict[str, Any]) -> float | None:
    return _number(where, entry, "ema_decay", above=0.0, below=1.0) if "ema_decay" in entry else None


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
    kind = _choice(where, entry, "kind", tuple(FIELDS_OF_KIND))
    _expect_fields(where, entry, FIELDS_OF_KIND[kind], required={"learning_rate"}, of=f" of kind {kind!r}")
    numerics = _choice(where, entry, "numerics", tuple(DEFAULT_EPSILON)) if "numerics" in entry else "keras"

    def number(name: str, default: float, *, above: float | None = None, below: float | None = None) -> float:
        if name not in entry:
            return default
        return _number(where, entry, name, above=above, at_least=None if above is not None else 0.0, below=below)

    return OptimizerSettings(
        kind=kind,
        learning_rate=_number(where, entry, "learning_rate", above=0.0),
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


def _expect_fields(
    where: str, entry: dict[str, Any], expected: set[str], required: set[str] | None = None, of: str = ""
) -> None:
    for name in entry:
        if name not in expected:
            raise SettingsError(f"{where}: unknown field {name!r}{of}; expected one of: {', '.join(sorted(expected))}")
    for name in sorted(required or ()):
        if name not in entry:
            raise SettingsError(f"{where}: field {name!r} is missing")


def _choice(where: str, entry: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = entry.get(name)
    if value not in choices:
        raise SettingsError(f"{where}: {name} is {value!r}, expected one of: {', '.join(choices)}")
    return str(value)


def _names(settings: type) -> set[str]:
    return {field.name for field in fields(settings)}


def _flag(where: str, entry: dict[str, Any], name: str) -> bool:
    value = entry.get(name)
    if not isinstance(value, bool):
        raise SettingsError(f"{where}: {name} is {value!r}, expected true or false")
    return value


def _text(where: str, entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{where}: {name} is {value!r}, expected a text")
    return value


def _whole(where: str, entry: dict[str, Any], name: str, at_least: int = 1) -> int:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise SettingsError(f"{where}: {name} is {value!r}, expected a whole number of at least {at_least}")
    return value


WITHIN = {"above": operator.gt, "at least": operator.ge, "below": operator.lt, "at most": operator.le}


def _number(
    where: str,
    entry: dict[str, Any],
    name: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> float:
    value: Any = entry.get(name)
    bounds = {"above": above, "at least": at_least, "below": below, "at most": at_most}
    stated = {word: bound for word, bound in bounds.items() if bound is not None}
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not usable or not all(WITHIN[word](value, bound) for word, bound in stated.items()):
        expected = " and ".join(f"{word} {bound:g}" for word, bound in stated.items())
        raise SettingsError(f"{where}: {name} is {value!r}, expected a number {expected}")
    return float(value)
