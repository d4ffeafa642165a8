"""CUDA graph: a training step captured once and replayed, so that its hundred small kernels cost one launch.

Source: PyTorch, "CUDA semantics: CUDA Graphs". The first steps run uncaptured on a side stream, which lets libraries
choose their kernels and allocate; they are real steps. Then one step is captured over inputs at fixed addresses. Every
later step copies its inputs to those addresses and replays.
"""

from __future__ import annotations

import logging

import torch

from pipeline.training.replay.step import Compute, StepInputs, StepOutputs

log = logging.getLogger(__name__)

STEPS_BEFORE_CAPTURE = 3


class GraphedStep:
    """A step function for one device and fixed shapes.

    Every call names the function: a stored one would keep its owner alive.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: StepInputs | None = None
        self.outputs: StepOutputs | None = None

    def run(self, compute: Compute, inputs: StepInputs) -> StepOutputs:
        """Run one step; its outputs stay valid until the next step."""
        self.steps += 1
        if self.steps <= STEPS_BEFORE_CAPTURE:
            return self._run_uncaptured(compute, inputs)
        if self.graph is None:
            self._capture(compute, inputs)
        return self._replay(inputs)

    def _run_uncaptured(self, compute: Compute, inputs: StepInputs) -> StepOutputs:
        self.side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.side_stream):
            outputs = compute(inputs)
        torch.cuda.current_stream().wait_stream(self.side_stream)
        return outputs

    def _capture(self, compute: Compute, inputs: StepInputs) -> None:
        """Capture one step without running it."""
        self.inputs = inputs.copy()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.outputs = compute(self.inputs)
        self.graph = graph
        log.info("training step captured as a CUDA graph")

    def _replay(self, inputs: StepInputs) -> StepOutputs:
        assert self.graph is not None and self.inputs is not None and self.outputs is not None
        for fixed, new in zip(self.inputs.tensors(), inputs.tensors(), strict=True):
            fixed.copy_(new, non_blocking=True)
        self.graph.replay()
        return self.outputs
