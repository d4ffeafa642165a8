"""Tracing: a generator runs once, and what it does is written down as a program.

In: a generator of one member. Out: its `Program`. Its layers (`networks/layers.py`) are written down as they stand, and
so are the functions of PyTorch that it calls between them. A new network of such layers and functions needs no code
here; one that does something else is refused, and the message names what.
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
    """A generator does something that a program cannot say; the message names it."""


def generator_program(training: Artefact, member: int, weights: str | None = None) -> Program:
    """One member's generator; `UnsupportedNetworkError` where it is not a chain of what a program can say."""
    return write_program(one_generator(training, member, weights), trained_network(training))


def write_program(generator: Stacked, network: Network) -> Program:
    """The program of a generator of one member, in evaluation mode, that draws the network's images."""
    with _Tracer(network) as tracer, torch.no_grad():
        tracer.watch(generator)
        tracer.finish(generator(tracer.latest))
    return Program(
        network.latent_size,
        network.latent_distribution,
        network.image_shape,
        network.value_range,
        tuple(_with_tanh(tracer.operations)),
    )


class _Tracer(TorchFunctionMode):
    """Follows the one tensor that flows through a generator and writes down what becomes of it.

    Within a layer it looks away: what a layer does is known.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.latest = torch.zeros(1, 1, network.latent_size)
        self.shape: Shape = (network.latent_size,)
        self.operations: list[Operation] = []
        self._earlier = [self.latest]  # kept alive, so that no other tensor takes their identity
        self._layers_deep = 0
        self._hooks: list[RemovableHandle] = []

    def watch(self, generator: nn.Module) -> None:
        """Write down the layers of a generator as they are called, until the trace ends."""
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
        """Every function of PyTorch that is called comes through here."""
        outcome = function(*args, **(kwargs or {}))
        if not self._layers_deep and isinstance(outcome, Tensor) and self._is_ours(args):
            name = function.__name__.removesuffix("_")  # `mul_` is `mul` in place
            self._expect_latest(name, args)
            if name not in KEEPING_ORDER:
                self._append(self._read(name, args, kwargs or {}))
            self._follow(outcome)
        return outcome

    def _read(self, name: str, args: Any, kwargs: Any) -> Operation:
        """The operation of a function that was called with the latest tensor."""
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
            raise self._unsupported(f"{name}() in a form of its own" if name in KNOWN else f"{name}()")
        return operation

    def finish(self, images: Tensor) -> None:
        """What comes out must be what was followed, in the images' shape."""
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
        given = [each for arg in args for each in (arg if isinstance(arg, list | tuple) else [arg])]
        return any(tensor is each for tensor in self._earlier for each in given)

    def _expect_latest(self, name: str, args: Any) -> None:
        if not args or args[0] is not self.latest:
            raise self._unsupported(f"{name} of something else than what came last")

    def _unsupported(self, found: str) -> UnsupportedNetworkError:
        return UnsupportedNetworkError(
            f"network {self.network.name}: found {found} in its generator, expected {EXPECTED}"
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
    """Whether arguments of `interpolate` ask for two equal cells in place of one, both ways."""
    return size is None and scale_factor in (2, (2, 2), [2, 2]) and mode == "nearest" and align_corners is None


def _shape_of(tensor: Tensor) -> Shape:
    """The shape behind members and batch."""
    return tuple(tensor.shape[2:])


def _with_tanh(operations: list[Operation]) -> list[Operation]:
    """2 σ(2x) - 1, as `layers.tanh` computes it on a CPU, is tanh(x)."""
    kinds = [(operation.kind, dict(operation.numbers)) for operation in operations]
    spelt_out = [("affine", {"scale": 2.0, "shift": 0.0}), ("sigmoid", {})]
    spelt_out += [("affine", {"scale": 2.0, "shift": 0.0}), ("affine", {"scale": 1.0, "shift": -1.0})]
    found: list[Operation] = []
    at = 0
    while at < len(operations):
        is_tanh = kinds[at : at + 4] == spelt_out
        found.append(Operation("tanh", operations[at].shape) if is_tanh else operations[at])
        at += 4 if is_tanh else 1
    return found


# ---------------------------------------------------------------------------------------------------------------------
# What layers are written down as


def _dense(layer: Dense, shape: Shape) -> Operation:
    return Operation("dense", shape, {"weight": _own(layer.effective_weight()), "bias": _own(layer.bias)[0]})


def _convolution(kind: str) -> Callable[[Conv2d | ConvTranspose2d, Shape], Operation]:
    def read(layer: Conv2d | ConvTranspose2d, shape: Shape) -> Operation:
        weights = {"weight": _own(layer.effective_weight())}
        if layer.bias is not None:
            weights["bias"] = _own(layer.bias)
        kernel_size = layer.weight.shape[-1]
        numbers = {"kernel_size": kernel_size, "stride": layer.stride, "padding": layer.padding}
        return Operation(kind, shape, weights, numbers)

    return read


def _scale_shift(layer: BatchNorm, shape: Shape) -> Operation:
    """(x - mean) / √(variance + ε) · scale + shift, folded in double precision."""
    scale = layer.scale.double() / torch.sqrt(layer.running_variance.double() + layer.epsilon)
    shift = layer.shift.double() - layer.running_mean.double() * scale
    return Operation("scale_shift", shape, {"scale": _own(scale.float()), "shift": _own(shift.float())})


LAYERS: dict[type, Callable[[Any, Shape], Operation]] = {
    Dense: _dense,
    Conv2d: _convolution("conv2d"),
    ConvTranspose2d: _convolution("conv_transpose2d"),
    BatchNorm: _scale_shift,
}


def _own(weights: Tensor) -> Values:
    """Weights (1, …) of the one member → (…)."""
    values: Values = weights.detach()[0].contiguous().numpy()
    return values
