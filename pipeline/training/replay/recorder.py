"""Recorder: what a step's forward and backward passes do, noted down operation by operation, below autograd.

Source: PyTorch's dispatch modes (`torch.utils._python_dispatch`). Tensors that the step itself makes are noted as
places in buffers, those from outside (weights, inputs, random numbers) as themselves. Views are known by the memory
they share, and need no note.
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

from pipeline.training.replay.memory_plan import Life

ACTIVE = threading.local()  # `recorder`: the one that is entered in this thread
ASKS_FOR_VALUES = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


@dataclass(frozen=True)
class Place:
    """A tensor in one of the step's own buffers."""

    buffer: int
    dtype: torch.dtype
    size: torch.Size
    stride: tuple[int, ...]
    offset: int  # in elements


@dataclass(frozen=True)
class Note:
    """One call; `made` are the places of the tensors that it makes."""

    function: Callable[..., object]
    arguments: tuple[Any, ...]  # nests of tuples, lists and dictionaries, places instead of the step's own tensors
    keywords: dict[str, Any]
    made: tuple[Place, ...] = ()

    def places(self) -> Iterator[Place]:
        """All that the call uses or makes."""
        return found((self.arguments, self.keywords, self.made), Place)


class Recorder(TorchDispatchMode):
    """While entered, every operation of this thread that computes anything is done and noted."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.notes: list[Note] = []
        self.sizes_bytes: list[int] = []  # of the buffers
        self.buffers: dict[int, int] = {}  # identity of a storage → buffer
        self.seen: list[StorageWeakRef] = []  # so that no identity is used twice; their memory may be
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
        """Do an operation and note it, unless it makes a view."""
        keywords = dict(kwargs or {})
        results = operation(*args, **keywords)
        if not self.paused:
            self._note(operation, args, keywords, results)
        return results

    def _note(self, operation: OpOverload, args: tuple[Any, ...], keywords: dict[str, Any], results: Any) -> None:
        if torch.Tag.nondeterministic_seeded in operation.tags:
            raise RuntimeError(f"found {operation} in a step, expected no random draws: take them from its inputs")
        if not ASKS_FOR_VALUES.isdisjoint(operation.tags):
            raise RuntimeError(f"found {operation} in a step, expected none that asks for values: they differ by step")
        made = new_tensors(results, (args, keywords))
        if made or operation._schema.is_mutable:
            placed = self._placed(args), self._placed(keywords)
            self.notes.append(Note(operation, *placed, tuple(self._new_place(tensor) for tensor in made)))

    def call(self, function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        """Call a function, and note the call itself instead of its operations."""
        self.notes.append(Note(function, self._placed(arguments), {}))
        self.paused = True
        try:
            function(*arguments)
        finally:
            self.paused = False

    def expect_nothing_left(self, outputs: Sequence[Tensor]) -> None:
        """Raise where something besides a step's outputs still holds a tensor that the step made: it would go stale."""
        results = {_storage(tensor) for tensor in outputs}
        left = self._alive(results)
        if left:
            gc.collect()  # what only a cycle held
            left = self._alive(results)
        if left:
            buffers = {self.buffers[storage] for storage in left}
            makers = {str(note.function) for note in self.notes for place in note.made if place.buffer in buffers}
            raise RuntimeError(
                f"found tensors of a step kept beyond it, made by {', '.join(sorted(makers))}, expected its outputs "
                "alone: change what is kept in place"
            )

    def _alive(self, results: set[int]) -> list[int]:
        """Identities of the storages that are still held, but for the results'."""
        held = [seen for seen in self.seen if not seen.expired()]  # type: ignore[no-untyped-call]
        return [seen.cdata for seen in held if seen.cdata not in results]

    def _new_place(self, tensor: Tensor) -> Place:
        storage = tensor.untyped_storage()
        self.seen.append(StorageWeakRef(storage))  # type: ignore[no-untyped-call]
        self.buffers[storage._cdata] = len(self.sizes_bytes)
        self.sizes_bytes.append(storage.nbytes())
        place = self.place(tensor)
        assert place is not None
        return place

    def place(self, tensor: Tensor) -> Place | None:
        """Where a tensor lies among the step's own buffers, or None for one from outside."""
        buffer = self.buffers.get(_storage(tensor))
        if buffer is None:
            return None
        return Place(buffer, tensor.dtype, tensor.shape, tensor.stride(), int(tensor.storage_offset()))

    def _placed(self, value: Any) -> Any:
        return changed(value, Tensor, lambda tensor: self.place(tensor) or tensor.detach())

    def lives(self) -> list[Life]:
        """When each buffer is in use."""
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for call, note in enumerate(self.notes):
            for place in note.places():
                first.setdefault(place.buffer, call)
                last[place.buffer] = call
        return [Life(size, first[buffer], last[buffer]) for buffer, size in enumerate(self.sizes_bytes)]


def unrecorded(function: Callable[..., object], *arguments: Any) -> None:
    """Call a function whose operations depend on values; a recorded step calls the function itself again.

    Its arguments may be tensors of the step or lists of them; it returns nothing and changes tensors in place.
    """
    recorder = getattr(ACTIVE, "recorder", None)
    if recorder is None:
        function(*arguments)
    else:
        recorder.call(function, arguments)


def new_tensors(results: Any, arguments: Any) -> list[Tensor]:
    """Those of a call's results that share no memory with its arguments."""
    given = {_storage(tensor) for tensor in found(arguments, Tensor)}
    return [tensor for tensor in found(results, Tensor) if _storage(tensor) not in given]


def _storage(tensor: Tensor) -> int:
    identity: int = tensor.untyped_storage()._cdata
    return identity


def changed(value: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    """The same nest of tuples, lists and dictionaries, with everything of a kind changed."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, tuple | list):
        return type(value)(changed(each, kind, change) for each in value)
    if isinstance(value, dict):
        return {name: changed(each, kind, change) for name, each in value.items()}
    return value


def found(value: Any, kind: type) -> Iterator[Any]:
    """Everything of a kind in such a nest."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from found(each, kind)
    elif isinstance(value, dict):
        yield from found(tuple(value.values()), kind)
