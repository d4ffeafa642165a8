"""Tracing: a generator runs once, and its operations are recorded as a program.

In: a generator of one member. Out: its `Program`. The trace records the generator's layers (`networks/layers.py`) and
the functions of PyTorch that it calls between them. A new network of such layers and functions needs no code here.
Any other operation raises an error that names it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from pipeline.networks import Network
from pipeline.networks.convolution import Conv2d, ConvTranspose2d
from pipeline.networks.dropout import Dropout
from pipeline.networks.layers import Dense
from pipeline.networks.normalisation import BatchNorm
from pipeline.networks.stacked import Layer, Stacked
from pipeline.samples.members import one_generator
from pipeline.samples.program import Operation, Program, Shape, Values
from pipeline.storage.artefact import Artefact
from pipeline.training.trained import trained_network

EXPECTED = (
    "Dense, Conv2d, ConvTranspose2d, BatchNorm and Dropout layers, ReLU, leaky ReLU, tanh, sigmoid, a product or sum "
    "with a number, a doubling of the sides and a new shape, one after another"
)


class UnsupportedNetworkError(ValueError):
    """A generator has an operation that a program cannot express; the message names the operation."""


def generator_program(training: Artefact, member: int, weights: str | None = None) -> Program:
    """Return one member's generator; raise `UnsupportedNetworkError` unless it is a chain of known operations."""
    return write_program(one_generator(training, member, weights), trained_network(training))


def write_program(generator: Stacked, network: Network) -> Program:
    """Return the program of one member's generator, in evaluation mode, that computes the network's images."""
    with _Tracer(network) as tracer, torch.no_grad():
        tracer.watch(generator)
        tracer.finish(generator(tracer.latest))
    return Program(
        network.latent_size,
        network.latent_distribution,
        network.image_shape,
        network.value_range,
        tuple(tracer.operations),
    )


class _Tracer(TorchFunctionMode):
    """Follows the one tensor that flows through a generator and records the operations on it.

    Calls inside a layer are ignored: the operation of each known layer is in `LAYERS`.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.latest = torch.zeros(1, 1, network.latent_size)
        self.shape: Shape = (network.latent_size,)
        self.operations: list[Operation] = []
        self._earlier = [self.latest]  # kept alive, so that no later tensor gets the `id` of one of them
        self._layers_deep = 0
        self._hooks: list[RemovableHandle] = []

    def watch(self, generator: nn.Module) -> None:
        """Record the layers of a generator when they are called, until the trace ends."""
        for module in generator.modules():
            if isinstance(module, Layer | Dropout):
                self._hooks.append(module.register_forward_pre_hook(self._enter))
                self._hooks.append(module.register_forward_hook(self._leave))

    def __exit__(self, *error: Any) -> None:
        for hook in self._hooks:
            hook.remove()
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def _enter(self, *_: Any) -> None:
        self._layers_deep += 1

    def _leave(self, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        self._layers_deep -= 1
        self._expect_latest(type(layer).__name__, inputs)
        if not isinstance(layer, Dropout):
            read = LAYERS.get(type(layer))
            if read is None:
                raise self._unsupported(f"a layer {type(layer).__name__}")
            self._reshape(_shape_of(inputs[0]))
            self._append(read(layer, _shape_of(output)))
        self._follow(output)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Record a call: PyTorch passes every call of its functions through this method."""
        outcome = function(*args, **(kwargs or {}))
        if not self._layers_deep and isinstance(outcome, Tensor) and self._is_ours(args):
            name = function.__name__.removesuffix("_")  # `mul_` is `mul` in place
            self._expect_latest(name, args)
            if name not in KEEPING_ORDER:
                self._append(self._read(name, args, kwargs or {}))
            self._follow(outcome)
        return outcome

    def _read(self, name: str, args: Any, kwargs: Any) -> Operation:
        """Return the operation of a function that was called with the latest tensor."""
        operation = None
        if name in ELEMENTWISE and not args[1:] and not (kwargs.keys() - {"inplace"}):
            operation = Operation(name, self.shape)
        elif name == "leaky_relu" and not args[2:]:
            slope = kwargs.get("negative_slope", args[1] if len(args) == 2 else 0.01)
            operation = Operation(name, self.shape, numbers={"slope": float(slope)})
        elif name in AFFINE and len(args) == 2 and isinstance(args[1], int | float) and not kwargs:
            scale, shift = AFFINE[name](float(args[1]))
            operation = Operation("affine", self.shape, numbers={"scale": scale, "shift": shift})
        elif name == "interpolate" and args[0].ndim == 4 and _doubles(*args[1:], **kwargs):
            channels, height, width = args[0].shape[1:]
            self._reshape((channels, height, width))
            operation = Operation("upsample", (channels, 2 * height, 2 * width))
        if operation is None:
            raise self._unsupported(f"{name}() with these arguments" if name in KNOWN else f"{name}()")
        return operation

    def finish(self, images: Tensor) -> None:
        """End the trace; raise unless the result is the followed tensor, in the images' shape."""
        if images is not self.latest or images.numel() != np.prod(self.network.image_shape):
            raise self._unsupported("images that do not come from its latents in one line")
        self._reshape(self.network.image_shape)

    def _append(self, operation: Operation) -> None:
        self.operations.append(operation)
        self.shape = operation.shape

    def _reshape(self, shape: Shape) -> None:
        if shape != self.shape:
            self._append(Operation("reshape", shape))

    def _follow(self, tensor: Tensor) -> None:
        self.latest = tensor
        self._earlier.append(tensor)

    def _is_ours(self, args: Any) -> bool:
        values = [value for arg in args for value in (arg if isinstance(arg, list | tuple) else [arg])]
        return any(tensor is value for tensor in self._earlier for value in values)

    def _expect_latest(self, name: str, args: Any) -> None:
        if not args or args[0] is not self.latest:
            raise self._unsupported(f"{name} of another tensor than the latest result")

    def _unsupported(self, operation: str) -> UnsupportedNetworkError:
        return UnsupportedNetworkError(
            f"network {self.network.name}: found {operation} in its generator, expected {EXPECTED}"
        )


ELEMENTWISE = ("relu", "tanh", "sigmoid")
AFFINE: dict[str, Callable[[float], tuple[float, float]]] = {  # a number → scale, shift
    "mul": lambda number: (number, 0.0),
    "div": lambda number: (1 / number, 0.0),
    "add": lambda number: (1.0, number),
    "sub": lambda number: (1.0, -number),
}
KNOWN = (*ELEMENTWISE, *AFFINE, "leaky_relu", "interpolate")
KEEPING_ORDER = ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "contiguous", "clone")


def _doubles(
    size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Any = None, *_: Any, **__: Any
) -> bool:
    """Return whether arguments of `interpolate` replace each cell by two equal ones in both directions."""
    return size is None and scale_factor in (2, (2, 2), [2, 2]) and mode == "nearest" and align_corners is None


def _shape_of(tensor: Tensor) -> Shape:
    """Return the shape without members and batch."""
    return tuple(tensor.shape[2:])


# ---------------------------------------------------------------------------------------------------------------------
# The operation of each layer


def _dense(layer: Dense, shape: Shape) -> Operation:
    return Operation("dense", shape, {"weight": _single(layer.effective_weight()), "bias": _single(layer.bias)[0]})


def _convolution(kind: str) -> Callable[[Conv2d | ConvTranspose2d, Shape], Operation]:
    def read(layer: Conv2d | ConvTranspose2d, shape: Shape) -> Operation:
        weights = {"weight": _single(layer.effective_weight())}
        if layer.bias is not None:
            weights["bias"] = _single(layer.bias)
        kernel_size = layer.weight.shape[-1]
        numbers = {"kernel_size": kernel_size, "stride": layer.stride, "padding": layer.padding}
        return Operation(kind, shape, weights, numbers)

    return read


def _scale_shift(layer: BatchNorm, shape: Shape) -> Operation:
    """(x - mean) / √(variance + ε) · scale + shift, folded in double precision."""
    scale = layer.scale.double() / torch.sqrt(layer.running_variance.double() + layer.epsilon)
    shift = layer.shift.double() - layer.running_mean.double() * scale
    return Operation("scale_shift", shape, {"scale": _single(scale.float()), "shift": _single(shift.float())})


LAYERS: dict[type, Callable[[Any, Shape], Operation]] = {
    Dense: _dense,
    Conv2d: _convolution("conv2d"),
    ConvTranspose2d: _convolution("conv_transpose2d"),
    BatchNorm: _scale_shift,
}


def _single(weights: Tensor) -> Values:
    """Return weights (1, …) of the one member as (…)."""
    values: Values = weights.detach()[0].contiguous().numpy()
    return values
