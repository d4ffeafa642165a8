"""Recorder: the operations of a step's forward and backward passes as a list of calls, taken below autograd.

Source: PyTorch's dispatch modes (`torch.utils._python_dispatch`). A tensor that the step makes is recorded as a view
of a numbered buffer; a tensor from outside (weights, inputs, random numbers) is recorded as itself. Operations that
return views are not recorded: a view is known by the memory it shares.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.training.replay.memory_plan import BufferLifetime

ACTIVE = threading.local()  # `recorder`: the one that is entered in this thread
VALUE_DEPENDENT = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


@dataclass(frozen=True)
class BufferView:
    """A tensor in one of the step's own buffers."""

    buffer: int
    dtype: torch.dtype
    size: torch.Size
    stride: tuple[int, ...]
    offset: int  # in elements


@dataclass(frozen=True)
class RecordedCall:
    """One call of a step, with buffer views in place of the step's own tensors."""

    function: Callable[..., object]
    arguments: tuple[Any, ...]  # tuples, lists and dictionaries in each other
    keywords: dict[str, Any]
    new: tuple[BufferView, ...] = ()  # the tensors that the call makes

    def views(self) -> Iterator[BufferView]:
        """Yield all buffer views that the call uses or makes."""
        return leaves((self.arguments, self.keywords, self.new), BufferView)


class Recorder(TorchDispatchMode):
    """A context in which every operation of this thread is run and, if it computes anything, recorded."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[RecordedCall] = []
        self.sizes_bytes: list[int] = []  # of the buffers
        self.buffers: dict[int, int] = {}  # identity of a storage → buffer
        # Weak references keep an identity from being given to a second storage; the memory itself may be freed.
        self.storages: list[StorageWeakRef] = []
        self.paused = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep PyTorch from importing its compiler for this mode: 110 MB and a second."""
        return False

    def __enter__(self) -> Recorder:
        super().__enter__()  # type: ignore[no-untyped-call]
        ACTIVE.recorder = self
        return self

    def __exit__(self, *error: Any) -> None:
        ACTIVE.recorder = None
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self,
        operation: OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation and record it, unless it only makes a view."""
        keywords = dict(kwargs or {})
        results = operation(*args, **keywords)
        if not self.paused:
            self._record(operation, args, keywords, results)
        return results

    def _record(self, operation: OpOverload, args: tuple[Any, ...], keywords: dict[str, Any], results: Any) -> None:
        if torch.Tag.nondeterministic_seeded in operation.tags:
            raise RuntimeError(f"found {operation} in a step, expected no random numbers: take them from its inputs")
        if not VALUE_DEPENDENT.isdisjoint(operation.tags):
            raise RuntimeError(f"found {operation} in a step, expected none that reads values: they differ by step")
        new = new_tensors(results, (args, keywords))
        if new or operation._schema.is_mutable:
            arguments = self._as_views(args), self._as_views(keywords)
            self.calls.append(RecordedCall(operation, *arguments, tuple(self._new_buffer(tensor) for tensor in new)))

    def call(self, function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        """Call a function, and record the call itself instead of its operations."""
        self.calls.append(RecordedCall(function, self._as_views(arguments), {}))
        self.paused = True
        try:
            function(*arguments)
        finally:
            self.paused = False

    def expect_nothing_kept(self, outputs: Sequence[Tensor]) -> None:
        """Raise if anything except the outputs keeps a tensor made in the step: a replay would change it silently."""
        results = {_storage(tensor) for tensor in outputs}
        storages = self._alive(results)
        if storages:
            gc.collect()  # frees tensors that only a reference cycle holds
            storages = self._alive(results)
        if storages:
            buffers = {self.buffers[storage] for storage in storages}
            makers = {str(call.function) for call in self.calls for view in call.new if view.buffer in buffers}
            raise RuntimeError(
                f"found tensors of a step kept beyond it, made by {', '.join(sorted(makers))}, expected its outputs "
                "alone: update kept tensors in place"
            )

    def _alive(self, results: set[int]) -> list[int]:
        """Return the identities of all storages that something still holds, without the results'."""
        alive = [storage for storage in self.storages if not storage.expired()]  # type: ignore[no-untyped-call]
        return [storage.cdata for storage in alive if storage.cdata not in results]

    def _new_buffer(self, tensor: Tensor) -> BufferView:
        storage = tensor.untyped_storage()
        self.storages.append(StorageWeakRef(storage))  # type: ignore[no-untyped-call]
        self.buffers[storage._cdata] = len(self.sizes_bytes)
        self.sizes_bytes.append(storage.nbytes())
        view = self.view(tensor)
        assert view is not None
        return view

    def view(self, tensor: Tensor) -> BufferView | None:
        """Return a tensor as a view of one of the step's buffers, or None for a tensor from outside."""
        buffer = self.buffers.get(_storage(tensor))
        if buffer is None:
            return None
        return BufferView(buffer, tensor.dtype, tensor.shape, tensor.stride(), int(tensor.storage_offset()))

    def _as_views(self, value: Any) -> Any:
        return map_tree(value, Tensor, lambda tensor: self.view(tensor) or tensor.detach())

    def lifetimes(self) -> list[BufferLifetime]:
        """Return the lifetime of each buffer."""
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for number, call in enumerate(self.calls):
            for view in call.views():
                first.setdefault(view.buffer, number)
                last[view.buffer] = number
        return [BufferLifetime(size, first[buffer], last[buffer]) for buffer, size in enumerate(self.sizes_bytes)]


def run_eagerly(function: Callable[..., object], *arguments: Any) -> None:
    """Call a function in Python, now and again in every replay, because its operations depend on values.

    Its arguments may be tensors of the step or lists of them; it returns None and changes tensors in place.
    """
    recorder = getattr(ACTIVE, "recorder", None)
    if recorder is None:
        function(*arguments)
    else:
        recorder.call(function, arguments)


def new_tensors(results: Any, arguments: Any) -> list[Tensor]:
    """Return the tensors among a call's results that share no memory with its arguments."""
    given = {_storage(tensor) for tensor in leaves(arguments, Tensor)}
    return [tensor for tensor in leaves(results, Tensor) if _storage(tensor) not in given]


def _storage(tensor: Tensor) -> int:
    identity: int = tensor.untyped_storage()._cdata
    return identity


def map_tree(tree: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    """Return a tree of tuples, lists and dictionaries in which `change` replaces every value of a kind."""
    if isinstance(tree, kind):
        return change(tree)
    if isinstance(tree, tuple | list):
        return type(tree)(map_tree(branch, kind, change) for branch in tree)
    if isinstance(tree, dict):
        return {name: map_tree(branch, kind, change) for name, branch in tree.items()}
    return tree


def leaves(tree: Any, kind: type) -> Iterator[Any]:
    """Yield every value of a kind in a tree of tuples, lists and dictionaries."""
    if isinstance(tree, kind):
        yield tree
    elif isinstance(tree, tuple | list):
        for branch in tree:
            yield from leaves(branch, kind)
    elif isinstance(tree, dict):
        yield from leaves(tuple(tree.values()), kind)
