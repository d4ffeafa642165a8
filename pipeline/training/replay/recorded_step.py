"""Recorded step: a training step recorded once and replayed on a CPU, in memory that is kept.

It serves a CPU as `cuda_graph.py` serves a GPU. One real step is recorded (`recorder.py`); every later step runs the
list of its operations. Each operation writes into its planned memory (`memory_plan.py`), views cost no time, and no
autograd graph is built. Only operations that cannot write into given tensors take new memory. A dense network's step is
mostly such overhead (docs/log.md). The bits are those of the step itself: the same kernels run on the same layouts.

A step that is recorded uses no random generator, reads no tensor's value in Python, and keeps no tensor that it makes
except its outputs. Values that differ from step to step stand in tensors at fixed addresses (`step.py`). Calls that
must read those values in Python go through `recorder.run_eagerly`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from pipeline.training.replay.memory_plan import MemoryPlan
from pipeline.training.replay.recorder import BufferView, RecordedCall, Recorder, map_tree, new_tensors
from pipeline.training.replay.step import Compute, StepInputs, StepOutputs

STEPS_BEFORE_RECORDING = 1  # the first step makes the buffers of random numbers that later steps read

Call = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]


class RecordedStep:
    """A step function for fixed shapes. Every call names the function: a stored one would keep its owner alive."""

    def __init__(self, memory_plan: MemoryPlan) -> None:
        self.memory_plan = memory_plan
        self.steps = 0
        self.inputs: StepInputs | None = None
        self.outputs: StepOutputs | None = None
        self.calls: list[Call] = []

    def run(self, compute: Compute, inputs: StepInputs) -> StepOutputs:
        """Run one step; its outputs stay valid until the next step."""
        self.steps += 1
        if self.steps <= STEPS_BEFORE_RECORDING:
            return compute(inputs)
        if self.inputs is None:
            return self._record(compute, inputs)
        return self._replay(inputs)

    def _record(self, compute: Compute, inputs: StepInputs) -> StepOutputs:
        """Run one step and record it."""
        fixed = inputs.copy()
        with Recorder() as recorder:
            outputs = compute(fixed)
        recorder.expect_nothing_kept(outputs.tensors())
        memory = _PlannedMemory(recorder, self.memory_plan, outputs)
        self.inputs, self.outputs = fixed, memory.outputs
        self.calls = [memory.bind(call) for call in recorder.calls]
        return outputs

    def _replay(self, inputs: StepInputs) -> StepOutputs:
        assert self.inputs is not None and self.outputs is not None
        with torch.no_grad():
            for fixed, new in zip(self.inputs.tensors(), inputs.tensors(), strict=True):
                fixed.copy_(new)
            for function, arguments, keywords in self.calls:
                function(*arguments, **keywords)
        return self.outputs


class _PlannedMemory:
    """The memory behind a recording's buffer views: blocks of the plan, except for the step's results."""

    def __init__(self, recorder: Recorder, memory_plan: MemoryPlan, outputs: StepOutputs) -> None:
        self.blocks = memory_plan.assign(recorder.lifetimes())
        views = {id(tensor): recorder.view(tensor) for tensor in outputs.tensors()}
        # Results are read after the step, when other stacks may write into the plan's blocks.
        for buffer in {view.buffer for view in views.values() if view is not None}:
            self.blocks[buffer] = torch.empty(recorder.sizes_bytes[buffer], dtype=torch.uint8)

        def planned(tensor: Tensor) -> Tensor:
            view = views[id(tensor)]
            return tensor if view is None else self.tensor(view)

        self.outputs = outputs.map(planned)

    def tensor(self, view: BufferView) -> Tensor:
        """Return a buffer view as a tensor."""
        storage = self.blocks[view.buffer].untyped_storage()
        return torch.empty(0, dtype=view.dtype).set_(storage, view.offset, view.size, view.stride)

    def bind(self, call: RecordedCall) -> Call:
        """Return a recorded call as one that writes into these blocks."""
        arguments, keywords = (map_tree(tree, BufferView, self.tensor) for tree in (call.arguments, call.keywords))
        new = [self.tensor(view) for view in call.new]
        if not new:
            return call.function, arguments, keywords
        assert isinstance(call.function, OpOverload)
        if call.function in COPIES:
            return new[0].copy_, arguments[:1], {}
        writing = _writing_form(call.function)
        if writing is None:
            return _run_and_copy, (call.function, arguments, keywords, new), {}
        form, names = writing
        return form, arguments, {**keywords, **dict(zip(names, new, strict=True))}


COPIES = {torch.ops.aten.clone.default, torch.ops.aten._to_copy.default}


def _writing_form(operation: OpOverload) -> tuple[OpOverload, list[str]] | None:
    """Return the form of an operation that writes into given tensors, and their names; None without its own kernel.

    PyTorch derives such a form for every operation, but a derived form first computes into new memory.
    """
    inputs = [(argument.name, str(argument.type)) for argument in operation._schema.arguments]
    for overload in operation.overloadpacket.overloads():
        form: OpOverload = getattr(operation.overloadpacket, overload)
        names = [argument.name for argument in form._schema.arguments if argument.is_out]
        given = [(argument.name, str(argument.type)) for argument in form._schema.arguments if not argument.is_out]
        name: str = form.name()  # type: ignore[no-untyped-call]
        if names and given == inputs and torch._C._dispatch_has_kernel_for_dispatch_key(name, "CPU"):
            return form, names
    return None


def _run_and_copy(
    operation: OpOverload, arguments: tuple[Any, ...], keywords: dict[str, Any], into: Sequence[Tensor]
) -> None:
    results = operation(*arguments, **keywords)
    for target, result in zip(into, new_tensors(results, (arguments, keywords)), strict=True):
        target.copy_(result)
