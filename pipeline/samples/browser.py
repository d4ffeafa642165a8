"""Browser: one member's generator as JSON that `comparison/page/generator.js` draws images with.

In: a training artefact and a member. Out: `BrowserGenerator`: the operations of its program with weights as text:
base64 of little-endian float32, or, for large generators, of three-byte integers that count steps. Each array has its
own step size, so its weights are off by at most a 2^-24th of its largest weight. (The upper three bytes of float32
would be off by up to a 2^-17th of each weight. In images of celeba_dense that gives 1.5e-4, steps give 5e-6.)
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from pipeline.samples.program import Program, Values
from pipeline.samples.tracing import generator_program
from pipeline.storage.artefact import Artefact

BytesPerWeight = Literal[3, 4]
Encoded = dict[str, Any]  # `base64`, and `step` if a weight takes three bytes
LARGEST = 2**23 - 1  # of a three-byte integer with a sign


@dataclass(frozen=True)
class BrowserGenerator:
    """The generator of one member, encoded for the browser."""

    program: Program
    bytes_per_weight: BytesPerWeight = 4

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: the facts of the program, and every operation with its weights as texts."""
        return self._json

    @property
    def size_bytes(self) -> int:
        """The size of the JSON text."""
        return len(json.dumps(self._json))

    @cached_property
    def _json(self) -> dict[str, Any]:
        program = self.program
        return {
            "latent_size": program.latent_size,
            "latent_distribution": program.latent_distribution,
            "image_shape": list(program.image_shape),
            "value_range": list(program.value_range),
            "operations": [
                {
                    "kind": operation.kind,
                    "shape": list(operation.shape),
                    "numbers": dict(operation.numbers),
                    "weights": {
                        name: encode(values, self.bytes_per_weight) for name, values in operation.weights.items()
                    },
                }
                for operation in program.operations
            ],
        }


def browser_generator(
    training: Artefact, member: int, weights: str | None = None, *, bytes_per_weight: BytesPerWeight = 4
) -> BrowserGenerator:
    """Return one member's generator; raises `tracing.UnsupportedNetworkError` like `generator_program`."""
    return BrowserGenerator(generator_program(training, member, weights), bytes_per_weight)


def encode(values: Values, bytes_per_weight: BytesPerWeight) -> Encoded:
    """Return weights of any shape as base64, rows first. Raises ValueError for values that are not finite."""
    if not np.isfinite(values).all():
        raise ValueError("weights hold NaN or infinite values, expected finite ones: training has diverged")
    if bytes_per_weight == 4:
        return {"base64": _text(values.astype("<f4").tobytes())}
    step = float(np.abs(values).max()) / LARGEST or 1.0  # 1: for zeros every step gives the same
    counts = np.rint(values.astype(np.float64).ravel() / step).astype("<i4")
    return {"base64": _text(counts.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()), "step": step}


def decode(encoded: Encoded, shape: Sequence[int]) -> Values:
    """Return the weights that `encode` encoded, except for its rounding error."""
    stored = base64.b64decode(encoded["base64"])
    if "step" not in encoded:
        return np.frombuffer(stored, "<f4").reshape(shape).astype(np.float32)
    upper = np.zeros((len(stored) // 3, 4), np.uint8)
    upper[:, 1:] = np.frombuffer(stored, np.uint8).reshape(-1, 3)
    counts = upper.view("<i4") >> 8  # the arithmetic shift keeps the sign
    values: Values = (counts * encoded["step"]).reshape(shape).astype(np.float32)
    return values


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
