"""ONNX file: one member's generator for other programs, written and then checked against PyTorch.

In: a training artefact and a member. Out: a self-contained `.onnx` file: input `latent` (batch, Z) float32, output
`images` (batch, C, H, W) float32 in the network's own value range, any batch. The file appears only if onnxruntime
computes the same images with it.
Source of the format: ONNX operators, https://onnx.ai/onnx/operators. The file is written from the program
(`tracing.py`). `torch.onnx.export` would need one more package and 2 to 11 seconds, and keep the member dimension.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch

from pipeline.networks.latents import Latents, latents_by_seed
from pipeline.samples.generate import latent_seeds
from pipeline.samples.members import one_generator
from pipeline.samples.program import Operation, Program
from pipeline.samples.tracing import write_program
from pipeline.storage.artefact import Artefact
from pipeline.storage.atomic import atomic_file
from pipeline.training.kinds_of_weights import default_weights
from pipeline.training.trained import read_settings, trained_network

OPSET = 17  # of 2022: old enough for most runtimes, with every operator used here
IR_VERSION = 8
LATENTS = 64
# An eightieth of the step between two levels of a pixel in [-1, 1]; the page promises the same of its generators.
# Sums of thousands of float32 products depend on their order. The difference was 3e-6 in trained networks, and 4e-5 in
# a DCGAN of 128 channels with large weights in its last layer (docs/log.md). A wrong weight, slope or epsilon
# gives far more.
TOLERANCE = 1e-4

Images = npt.NDArray[np.float32]  # (N, C, H, W) in the network's value range


@dataclass(frozen=True)
class Verified:
    """The result of the check of a written file."""

    latents: int  # number of images that both computed
    largest_difference: float  # of any value, in the network's value range


def export_onnx(training: Artefact, member: int, path: Path, *, weights: str | None = None) -> Verified:
    """Write a member's generator to a file that appears only if onnxruntime computes the same images with it.

    `weights` is "raw" or "average"; None takes `default_weights`.
    Raises `ValueError` if a value differs by more than `TOLERANCE`, if the member diverged, or if its generator has an
    operation that a program cannot express.
    """
    network, kind = trained_network(training), default_weights(training) if weights is None else weights
    generator = one_generator(training, member, kind)
    model = _model(write_program(generator, network), _facts(training, member, kind))
    latents = latents_by_seed(network.latent_distribution, network.latent_size, latent_seeds(0, LATENTS))
    with torch.no_grad():
        expected: Images = generator(torch.from_numpy(latents)[None])[0].numpy()
    with atomic_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        onnx.checker.check_model(temporary, full_check=True)
        difference = _largest_difference(expected, run_onnx(temporary, latents))
        if not difference <= TOLERANCE:
            raise ValueError(
                f"{path}: onnxruntime computes images that differ by {difference:.1e} from PyTorch's, expected at most "
                f"{TOLERANCE:.0e}; the file is not kept"
            )
    return Verified(LATENTS, difference)


def run_onnx(path: Path, latents: Latents) -> Images:
    """Return the images (N, C, H, W) that onnxruntime computes with a written file from latents (N, Z)."""
    onnxruntime.set_default_logger_severity(3)  # errors only: it warns of missing graphics cards
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images: Images = session.run(["images"], {"latent": latents})[0]
    return images


def _largest_difference(expected: Images, computed: Images) -> float:
    """Return the largest absolute difference, NaN if a value is NaN, infinity for other shapes."""
    return float(np.abs(expected - computed).max()) if expected.shape == computed.shape else np.inf


def _facts(training: Artefact, member: int, weights: str) -> dict[str, str]:
    """Return the origin of the generator as ONNX metadata."""
    settings, network = read_settings(training), trained_network(training)
    return {
        "recipe": settings.recipe,
        "optimizer": settings.optimizer,
        "member": str(member),
        "seed": str(settings.seed),
        "weights": weights,
        "value_range": json.dumps(network.value_range),
        "latent_distribution": network.latent_distribution,
        "training_fingerprint": training.fingerprint,
    }


# ---------------------------------------------------------------------------------------------------------------------
# The graph


def _model(program: Program, facts: dict[str, str]) -> Any:
    """Return the ONNX model of a program, with facts as its metadata."""
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    nodes, constants, value = [], [], "latent"
    for index, operation in enumerate(program.operations):
        outcome = "images" if index == len(program.operations) - 1 else f"{operation.kind}_{index}"
        for node, weights in _nodes(operation, value, outcome):
            nodes.append(node)
            constants += [onnx.numpy_helper.from_array(values, name) for name, values in weights.items()]
        value = outcome
    graph = helper.make_graph(
        nodes,
        "generator",
        [helper.make_tensor_value_info("latent", float32, ["batch", program.latent_size])],
        [helper.make_tensor_value_info("images", float32, ["batch", *program.image_shape])],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, producer_name="ganforge", ir_version=IR_VERSION, opset_imports=opsets)
    helper.set_model_props(model, facts)
    return model


WeightArrays = dict[str, npt.NDArray[Any]]
PLAIN = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


def _nodes(operation: Operation, value: str, outcome: str) -> Iterator[tuple[Any, WeightArrays]]:
    """The nodes that compute an operation, each with the constants that it brings; names start with `outcome`."""
    make, numbers = onnx.helper.make_node, operation.numbers
    if operation.kind in PLAIN:
        yield make(PLAIN[operation.kind], [value], [outcome]), {}
    elif operation.kind == "leaky_relu":
        yield make("LeakyRelu", [value], [outcome], alpha=numbers["slope"]), {}
    elif operation.kind == "dense":
        yield _with_weights(make, "Gemm", value, outcome, operation.weights)
    elif operation.kind in CONVOLUTIONS:
        strides, pads = [int(numbers["stride"])] * 2, [int(numbers["padding"])] * 4
        kind = CONVOLUTIONS[operation.kind]
        yield _with_weights(make, kind, value, outcome, operation.weights, strides=strides, pads=pads)
    elif operation.kind in ("scale_shift", "affine"):
        scale, shift = _scale_and_shift(operation)
        yield _with_weights(make, "Mul", value, f"{outcome}_scaled", {"scale": scale})
        yield _with_weights(make, "Add", f"{outcome}_scaled", outcome, {"shift": shift})
    elif operation.kind == "reshape":
        shape = np.array([0, *operation.shape], np.int64)  # 0: keep the batch dimension
        yield _with_weights(make, "Reshape", value, outcome, {"shape": shape})
    elif operation.kind == "upsample":
        scales = np.array([1, 1, 2, 2], np.float32)
        nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        yield make("Resize", [value, "", f"{outcome}_scales"], [outcome], **nearest), {f"{outcome}_scales": scales}
    else:
        raise ValueError(f"operation {operation.kind!r} has no ONNX form here, expected one that `Operation` lists")


CONVOLUTIONS = {"conv2d": "Conv", "conv_transpose2d": "ConvTranspose"}


def _with_weights(
    make: Any, kind: str, value: str, outcome: str, weights: Any, **attributes: Any
) -> tuple[Any, WeightArrays]:
    constants = {f"{outcome}_{name}": values for name, values in weights.items()}
    return make(kind, [value, *constants], [outcome], **attributes), constants


def _scale_and_shift(operation: Operation) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return scale and shift in a shape that broadcasts to (batch, C, …): (C, 1, 1), (C,) or one number."""
    values = operation.numbers if operation.kind == "affine" else operation.weights
    scale, shift = (np.asarray(values[name], np.float32) for name in ("scale", "shift"))
    if operation.kind == "affine":
        return scale, shift
    trailing = [1] * (len(operation.shape) - 1)
    return scale.reshape(-1, *trailing), shift.reshape(-1, *trailing)
