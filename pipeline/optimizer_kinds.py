"""Optimizer kinds: per kind its fields with types, ranges, defaults and descriptions, without torch.

In: an entry such as `{ kind = "adam", learning_rate = 1e-4 }`. Out: a frozen value of that kind's class. A new kind is
one class in `KINDS` and its update rule in `training/engine/update_rules.py`, which has the formulas and sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from pipeline.tables import CHECKED, Mistakes, SettingsError, expect_names, fields_of, find, read_value

DEFAULT_EPSILON = {  # by the library that gives the formulas
    "keras": 1e-7,  # Keras 2: Adam adds epsilon before the bias correction
    "torch": 1e-8,  # PyTorch: Adam adds epsilon after it
}
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Epsilon = Annotated[Positive, Field(description="Keeps the divisor above 0; 1e-8 where numerics is torch.")]


@dataclass(frozen=True, config=CHECKED)
class OptimizerSettings:
    """One network's optimizer: the fields that every kind has. Defaults are those of Keras 2."""

    kind: ClassVar[str]

    learning_rate: Annotated[Positive, Field(description="Learning rate of the first update.")]
    decay: Annotated[
        float, Field(ge=0, description="The rate at update t, from 0, is learning_rate / (1 + decay * t).")
    ] = 0.0
    clip_value: Annotated[
        Positive | None, Field(description="Gradients are clipped element by element to [-clip_value, clip_value].")
    ] = None
    clip_norm: Annotated[
        Positive | None, Field(description="A network's whole gradient is scaled down to this Euclidean norm.")
    ] = None
    numerics: Annotated[
        Literal["keras", "torch"],
        Field(description="Library that epsilon's place in the formula and its default follow."),
    ] = "keras"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values with `kind`, the form that is fingerprinted and saved."""
        # The fingerprint of every stored training covers the fields of all first three kinds. Without those that a kind
        # lacks, each fingerprint would change, and every partition would be trained again.
        first_kinds = {
            "kind": self.kind,
            "learning_rate": self.learning_rate,
            "momentum": 0.0,
            "rho": 0.9,
            "beta1": 0.9,
            "beta2": 0.999,
            "epsilon": DEFAULT_EPSILON[self.numerics],
        }
        return first_kinds | asdict(self)


class _WithEpsilon:
    """Fills in the epsilon of `numerics` where an entry names none."""

    @model_validator(mode="before")
    @classmethod
    def _fill_epsilon(cls, values: ArgsKwargs) -> ArgsKwargs:
        fields = dict(values.kwargs or {})
        fields.setdefault("epsilon", DEFAULT_EPSILON["torch" if fields.get("numerics") == "torch" else "keras"])
        return ArgsKwargs(values.args, fields)


@dataclass(frozen=True, config=CHECKED)
class SGD(OptimizerSettings):
    """Stochastic gradient descent with momentum."""

    kind: ClassVar[str] = "sgd"

    momentum: Annotated[Share, Field(description="Share of the last step that is added to the next one.")] = 0.0


@dataclass(frozen=True, config=CHECKED)
class RMSprop(_WithEpsilon, OptimizerSettings):
    """Steps divided by the root of a running mean of squared gradients."""

    kind: ClassVar[str] = "rmsprop"

    rho: Annotated[Share, Field(description="Decay of the mean square.")] = 0.9
    epsilon: Epsilon = DEFAULT_EPSILON["keras"]


@dataclass(frozen=True, config=CHECKED)
class Adam(_WithEpsilon, OptimizerSettings):
    """Running means of gradients and of their squares, both corrected for their start at 0."""

    kind: ClassVar[str] = "adam"

    beta1: Annotated[Share, Field(description="Decay of the first moment.")] = 0.9
    beta2: Annotated[Share, Field(description="Decay of the second moment.")] = 0.999
    epsilon: Epsilon = DEFAULT_EPSILON["keras"]


KINDS: dict[str, type[OptimizerSettings]] = {
    kind.kind: kind
    for kind in (
        SGD,
        RMSprop,
        Adam,
    )
}


def read_optimizer(where: str, entry: Any) -> OptimizerSettings:
    """Return the optimizer of an entry, or raise `SettingsError` with all mistakes in it."""
    if not isinstance(entry, Mapping):
        raise SettingsError(f"{where}: found {entry!r}, expected {{ kind = …, learning_rate = … }}")
    name = entry.get("kind")
    if not isinstance(name, str) or name not in KINDS:
        raise SettingsError(f"{where}: kind is {name!r}, expected one of: {', '.join(KINDS)}")
    kind, mistakes = KINDS[name], Mistakes()
    mistakes.attempt(expect_names, where, entry, {"kind", *fields_of(kind)}, f" of kind {name!r}")
    return mistakes.settle(mistakes.attempt(read_value, kind, where, entry))


def optimizer_from_json(where: str, values: Mapping[str, Any]) -> OptimizerSettings:
    """Return the optimizer that `to_json` stored, or raise `SettingsError` if this version has other fields."""
    optimizer = read_value(find(KINDS, values["kind"], f"{where}: kind"), where, values)
    expect_names(where, values, optimizer.to_json())
    return optimizer
