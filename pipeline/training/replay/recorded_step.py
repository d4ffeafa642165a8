"""Recorded step: a training step noted down once and replayed on a CPU, in memory that is kept.

What `cuda_graph.py` is to a GPU. One real step is recorded (`recorder.py`); from then on a step is the list of its
operations: each writes where it is planned to (`memory_plan.py`), views cost nothing, no autograd graph is built, and
memory is taken only by operations that cannot write into given tensors. A dense network's step is mostly such overhead
(docs/log.md). The numbers are those of the step itself, bit by bit: the same kernels on the same layouts.

A step that is recorded draws no random numbers, asks no tensor for its value and keeps nothing that it makes but its
outputs; what differs from step to step stands in tensors at fixed addresses (`step.py`). Calls that must see those
values in Python go through `recorder.unrecorded`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from pipeline.training.replay.memory_plan import Arenas
from pipeline.training.replay.recorder import Note, Place, Recorder, changed, new_tensors
from pipeline.training.replay.step import Compute, StepInputs, StepOutputs

STEPS_BEFORE_RECORDING = 1  # the first step makes buffers of random numbers that later ones find

Call = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]


class RecordedStep:
    """A step function for fixed shapes; it is named in each call, so that nothing holds its owner."""

    def __init__(self, arenas: Arenas) -> None:
        self.arenas = arenas
        self.steps = 0
        self.inputs: StepInputs | None = None
        self.outputs: StepOutputs | None = None
        self.calls: list[Call] = []

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
        fixed = inputs.copy()
        with Recorder() as recorder:
            outputs = compute(fixed)
        recorder.expect_nothing_left(outputs.tensors())
        memory = _Memory(recorder, self.arenas, outputs)
        self.inputs, self.outputs = fixed, memory.outputs
        self.calls = [memory.call(note) for note in recorder.notes]
        return outputs

    def _replay(self, inputs: StepInputs) -> StepOutputs:
        assert self.inputs is not None and self.outputs is not None
        with torch.no_grad():
            for fixed, new in zip(self.inputs.tensors(), inputs.tensors(), strict=True):
                fixed.copy_(new)
            for function, arguments, keywords in self.calls:
                function(*arguments, **keywords)
        return self.outputs


class _Memory:
    """Where the places of a recording really are: in blocks of the arenas, but for the step's results."""

    def __init__(self, recorder: Recorder, arenas: Arenas, outputs: StepOutputs) -> None:
        self.blocks = arenas.plan(recorder.lives())
        results = {id(tensor): recorder.place(tensor) for tensor in outputs.tensors()}
        for buffer in {place.buffer for place in results.values() if place is not None}:  # in memory of their own
            self.blocks[buffer] = torch.empty(recorder.sizes_bytes[buffer], dtype=torch.uint8)

        def kept(tensor: Tensor) -> Tensor:
            place = results[id(tensor)]
            return tensor if place is None else self.tensor(place)

        self.outputs = outputs.changed(kept)

    def tensor(self, place: Place) -> Tensor:
        """A place as a tensor."""
        storage = self.blocks[place.buffer].untyped_storage()
        return torch.empty(0, dtype=place.dtype).set_(storage, place.offset, place.size, place.stride)

    def call(self, note: Note) -> Call:
        """A note as a call that writes into these blocks."""
        arguments, keywords = (changed(each, Place, self.tensor) for each in (note.arguments, note.keywords))
        made = [self.tensor(place) for place in note.made]
        if not made:
            return note.function, arguments, keywords
        assert isinstance(note.function, OpOverload)
        if note.function in COPIES:
            return made[0].copy_, arguments[:1], {}
        writing = _writing_form(note.function)
        if writing is None:
            return _run_and_copy, (note.function, arguments, keywords, made), {}
        form, names = writing
        return form, arguments, {**keywords, **dict(zip(names, made, strict=True))}


COPIES = {torch.ops.aten.clone.default, torch.ops.aten._to_copy.default}


def _writing_form(operation: OpOverload) -> tuple[OpOverload, list[str]] | None:
    """The form of an operation that writes into given tensors, and their names; None where it has no kernel of its own.

    PyTorch derives such a form for every operation; the derived ones compute into new memory first.
    """
    wanted = [(each.name, str(each.type)) for each in operation._schema.arguments]
    for overload in operation.overloadpacket.overloads():
        form: OpOverload = getattr(operation.overloadpacket, overload)
        names = [each.name for each in form._schema.arguments if each.is_out]
        given = [(each.name, str(each.type)) for each in form._schema.arguments if not each.is_out]
        name: str = form.name()  # type: ignore[no-untyped-call]
        if names and given == wanted and torch._C._dispatch_has_kernel_for_dispatch_key(name, "CPU"):
            return form, names
    return None


def _run_and_copy(
    operation: OpOverload, arguments: tuple[Any, ...], keywords: dict[str, Any], made: Sequence[Tensor]
) -> None:
    results = operation(*arguments, **keywords)
    for place, result in zip(made, new_tensors(results, (arguments, keywords)), strict=True):
        place.copy_(result)
