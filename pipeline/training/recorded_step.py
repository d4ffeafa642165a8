"""Recorded step: a training step noted down once and replayed on a CPU, in memory that is kept.

What `cuda_graph.py` is to a GPU. One real step runs under a dispatch mode, which notes every operation of its forward
and backward passes below autograd. From then on a step is that list: each operation writes where it wrote before, views
cost nothing, no autograd graph is built and no memory is taken or given back. A dense network's step is mostly such
overhead (docs/log.md). The numbers are those of the step itself, bit by bit: the same kernels on the same layouts.

A step that is recorded draws no random numbers and asks no tensor for its value; what changes from step to step stands
in tensors at fixed addresses (`step.py`). Calls that must see those values in Python go through `unrecorded`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.training.step import Compute, StepInputs, StepOutputs

STEPS_BEFORE_RECORDING = 1  # the first step makes buffers of random numbers that later ones find
ALIGNMENT_BYTES = 64  # of PyTorch's own allocations: kernels may round differently at other addresses


class RecordedStep:
    """A step function for fixed shapes; it is named in each call, so that nothing holds its owner."""

    def __init__(self, arenas: Arenas) -> None:
        self.arenas = arenas
        self.steps = 0
        self.inputs: StepInputs | None = None
        self.outputs: StepOutputs | None = None
        self.calls: list[_Call] = []

    def run(self, compute: Compute, inputs: StepInputs) -> StepOutputs:
        """One step; its outputs stay valid until the next."""
        self.steps += 1
        if self.steps <= STEPS_BEFORE_RECORDING:
            return compute(inputs)
        if self.inputs is None:
            return self._record(compute, inputs)
        return self._replay(inputs)

    def _record(self, compute: Compute, inputs: StepInputs) -> StepOutputs:
        """One step as it is, noted down."""
        self.inputs = inputs.copy()
        with _Recorder() as recorder:
            outputs = compute(self.inputs)
        recording = _Recording(recorder, self.arenas, outputs)
        self.calls, self.outputs = recording.calls, recording.outputs
        return outputs

    def _replay(self, inputs: StepInputs) -> StepOutputs:
        assert self.inputs is not None and self.outputs is not None
        with torch.no_grad():
            for fixed, new in zip(self.inputs.tensors(), inputs.tensors(), strict=True):
                fixed.copy_(new)
            for function, arguments, keywords in self.calls:
                function(*arguments, **keywords)
        return self.outputs


_Call = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]


def unrecorded(function: Callable[..., object], *arguments: Any) -> None:
    """Call a function whose operations depend on values; a recorded step calls the function itself again.

    Its arguments may be tensors of the step or lists of them; it returns nothing and changes tensors in place.
    """
    recorder = _Recorder.active
    if recorder is None:
        function(*arguments)
    else:
        recorder.note_call(function, arguments)


# ---------------------------------------------------------------------------------------------------------------------
# Noting down


@dataclass(frozen=True)
class _Place:
    """A tensor in one of the step's own buffers."""

    buffer: int
    dtype: torch.dtype
    size: torch.Size
    stride: tuple[int, ...]
    offset: int  # in elements


@dataclass(frozen=True)
class _Note:
    """One call, with the step's own tensors as places, and the places of the tensors it makes."""

    function: Callable[..., object]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    made: tuple[_Place, ...] = ()


class _Recorder(TorchDispatchMode):
    """Notes every operation that computes; views are known by the memory they share."""

    active: _Recorder | None = None

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[_Note] = []
        self.buffer_bytes: list[int] = []
        self.buffers: dict[int, int] = {}  # address of its memory → number of a buffer
        self.held: list[torch.UntypedStorage] = []  # so that no address is used twice
        self.paused = False

    def __enter__(self) -> _Recorder:
        _Recorder.active = self
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        _Recorder.active = None

    def __torch_dispatch__(
        self,
        operation: OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        keywords = dict(kwargs or {})
        results = operation(*args, **keywords)
        if not self.paused:
            self._note(operation, args, keywords, results)
        return results

    def note_call(self, function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        """Call a function, and note the call instead of its operations."""
        self.notes.append(_Note(function, self._placed(arguments), {}))
        self.paused = True
        try:
            function(*arguments)
        finally:
            self.paused = False

    def _note(self, operation: OpOverload, args: tuple[Any, ...], keywords: dict[str, Any], results: Any) -> None:
        if torch.Tag.nondeterministic_seeded in operation.tags:
            raise RuntimeError(f"found {operation} in a step, expected no random draws: take them from its inputs")
        given = {_address(tensor) for tensor in _tensors((args, keywords))}
        made = [tensor for tensor in _tensors(results) if _address(tensor) not in given]
        if not made and not operation._schema.is_mutable:
            return  # a view
        arguments, by_name = self._placed(args), self._placed(keywords)
        self.notes.append(_Note(operation, arguments, by_name, tuple(self._place_anew(tensor) for tensor in made)))

    def _place_anew(self, tensor: Tensor) -> _Place:
        storage = tensor.untyped_storage()
        self.held.append(storage)
        self.buffers[storage.data_ptr()] = len(self.buffer_bytes)
        self.buffer_bytes.append(storage.nbytes())
        place = self.place(tensor)
        assert place is not None
        return place

    def place(self, tensor: Tensor) -> _Place | None:
        """Where a tensor lies among the step's own buffers, or None for a tensor from outside."""
        buffer = self.buffers.get(_address(tensor))
        if buffer is None:
            return None
        return _Place(buffer, tensor.dtype, tensor.shape, tensor.stride(), tensor.storage_offset())

    def _placed(self, value: Any) -> Any:
        return _mapped(value, Tensor, lambda tensor: self.place(tensor) or tensor.detach())


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _mapped(value: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    """The same nest of tuples, lists and dictionaries, with everything of a kind changed."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, tuple | list):
        return type(value)(_mapped(each, kind, change) for each in value)
    if isinstance(value, dict):
        return {name: _mapped(each, kind, change) for name, each in value.items()}
    return value


def _all(value: Any, kind: type) -> Iterator[Any]:
    """Everything of a kind in such a nest."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _all(each, kind)
    elif isinstance(value, dict):
        yield from _all(tuple(value.values()), kind)


def _tensors(value: Any) -> Iterator[Tensor]:
    return _all(value, Tensor)


# ---------------------------------------------------------------------------------------------------------------------
# Memory


class Arenas:
    """Memory that steps of several stacks share, since they never run at the same time."""

    def __init__(self) -> None:
        self.blocks: list[Tensor] = []  # uint8

    def assign(self, sizes: Sequence[int], births: Sequence[int], deaths: Sequence[int]) -> list[Tensor]:
        """A block for each buffer; those that are alive between the same two calls never share one.

        What was given back last is taken first: it is still in the cache.
        """
        free = list(range(len(self.blocks)))
        chosen = [0] * len(sizes)
        for call in range(max(deaths, default=-1) + 1):
            for buffer in (each for each, born in enumerate(births) if born == call):
                chosen[buffer] = self._take(free, sizes[buffer])
            free += [chosen[each] for each, died in enumerate(deaths) if died == call]
        return [self.blocks[each] for each in chosen]

    def _take(self, free: list[int], size: int) -> int:
        for block in reversed(free):
            if size <= len(self.blocks[block]) <= 2 * size + ALIGNMENT_BYTES:
                free.remove(block)
                return block
        self.blocks.append(torch.empty(size, dtype=torch.uint8))
        return len(self.blocks) - 1


class _Recording:
    """Notes → calls on real memory."""

    def __init__(self, recorder: _Recorder, arenas: Arenas, outputs: StepOutputs) -> None:
        notes = recorder.notes
        births, deaths = _lives(notes, len(recorder.buffer_bytes))
        self.blocks = arenas.assign(recorder.buffer_bytes, births, deaths)
        self.outputs = self._outputs(recorder, outputs)
        self.calls = [self._call(note) for note in notes]

    def _outputs(self, recorder: _Recorder, outputs: StepOutputs) -> StepOutputs:
        """The step's results, in memory that nothing else uses."""

        def kept(tensor: Tensor | None) -> Tensor | None:
            place = None if tensor is None else recorder.place(tensor)
            if place is None:
                return tensor
            self.blocks[place.buffer] = torch.empty(recorder.buffer_bytes[place.buffer], dtype=torch.uint8)
            return self._tensor(place)

        return replace(outputs, **{name: kept(tensor) for name, tensor in vars(outputs).items()})

    def _tensor(self, place: _Place) -> Tensor:
        storage = self.blocks[place.buffer].untyped_storage()
        return torch.empty(0, dtype=place.dtype).set_(storage, place.offset, place.size, place.stride)

    def _call(self, note: _Note) -> _Call:
        arguments, keywords = (_mapped(each, _Place, self._tensor) for each in (note.arguments, note.keywords))
        made = [self._tensor(place) for place in note.made]
        if not made:
            return note.function, arguments, keywords
        assert isinstance(note.function, OpOverload)
        if note.function in COPIES:
            return made[0].copy_, arguments[:1], {}
        writing = _writing(note.function)
        if writing is None:
            return _run_and_copy, (note.function, arguments, keywords, made), {}
        operation, names = writing
        return operation, arguments, {**keywords, **dict(zip(names, made, strict=True))}


def _lives(notes: Sequence[_Note], buffers: int) -> tuple[list[int], list[int]]:
    """The calls that first and last use each buffer."""
    births, deaths = [0] * buffers, [0] * buffers
    for call, note in enumerate(notes):
        for place in note.made:
            births[place.buffer] = call
        for place in _all((note.arguments, note.keywords, note.made), _Place):
            deaths[place.buffer] = call
    return births, deaths


COPIES = {torch.ops.aten.clone.default, torch.ops.aten._to_copy.default}


def _writing(operation: OpOverload) -> tuple[OpOverload, list[str]] | None:
    """The form of an operation that writes to given tensors, and their names; None where it has no kernel of its own.

    PyTorch derives such a form for every operation; the derived ones compute into new memory first.
    """
    packet = operation.overloadpacket
    wanted = [(each.name, str(each.type)) for each in operation._schema.arguments]
    for overload in packet.overloads():
        candidate: OpOverload = getattr(packet, overload)
        outs = [each.name for each in candidate._schema.arguments if each.is_out]
        given = [(each.name, str(each.type)) for each in candidate._schema.arguments if not each.is_out]
        if outs and given == wanted and torch._C._dispatch_has_kernel_for_dispatch_key(candidate.name(), "CPU"):
            return candidate, outs
    return None


def _run_and_copy(
    operation: OpOverload, arguments: tuple[Any, ...], keywords: dict[str, Any], made: Sequence[Tensor]
) -> None:
    results = operation(*arguments, **keywords)
    for place, result in zip(made, _tensors(results), strict=True):
        place.copy_(result)
