"""The backend contract: what a backend must give, and assignment, which all else goes through."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from neonport.conversion import cast, host_numbers
from neonport.dtypes import FLOAT32, as_dtype
from neonport.engine.tracing import Tracer, observers
from neonport.errors import (
    AliasError,
    BackendMismatchError,
    ClosedBackendError,
    ConfigurationError,
    DtypeError,
    ShapeError,
)
from neonport.optree.node import Expression, OpTreeNode, as_operand, resolve_wild
from neonport.optree.signature import SCALAR, Signature
from neonport.plugins.info import ProbeResult
from neonport.shape import Shape, broadcast_shapes
from neonport.tensor.storage import Layout, Storage, views_overlap
from neonport.tensor.tensor import Tensor

if TYPE_CHECKING:
    from neonport.engine.recording import Recorder

MAX_BOUND = 16384  # bound statements kept; a miss costs microseconds, so clearing is harmless


class Contract(ABC):
    """What a backend must give (abstract), and assignment on top of it.

    Args:
        rng_seed: seed of the host and the device generator; None seeds from the system.
        default_dtype: float dtype of new tensors.
        stochastic_round: default `rounding` of new tensors on devices that have it.
        device_id: which device.
        num_devices: accepted for neon.
        compat_mode: None or "caffe" (pooling sizes, dropout scaling).
        deterministic: accepted for neon; every backend is deterministic.

    Attributes:
        bsz: batch size, read at call time.
        bound: statements that are ready to run, by target, structure and operands.
        closed: whether `cleanup_backend` was called.
    """

    backend_name: ClassVar[str] = ""
    # protocol version this contract speaks: (major, minor)
    protocol: ClassVar[tuple[int, int]] = (1, 0)
    # float types that the device stores; one that has bfloat16 too says so (dtypes.FLOAT_NAMES)
    default_dtypes: ClassVar[tuple[str, ...]] = ("float16", "float32", "float64")
    device_type: ClassVar[int] = 1
    use_pinned_mem: ClassVar[bool] = False
    # what `data` of a DLPack capsule is: "pointer", or the kind of handle
    dlpack_data: str = "pointer"
    _min_dims: ClassVar[int] = 2

    def __init__(
        self,
        rng_seed: int | None = None,
        default_dtype: Any = FLOAT32,
        stochastic_round: bool | int = False,
        device_id: int = 0,
        num_devices: int | None = None,
        compat_mode: str | None = None,
        deterministic: bool | None = None,
    ) -> None:
        self.default_dtype = as_dtype(default_dtype)
        if self.default_dtype.name not in self.default_dtypes:
            raise ConfigurationError(
                f"{self.backend_name}: datatype {self.default_dtype} cannot be the default; use "
                f"one of {', '.join(self.default_dtypes)}"
            )
        if compat_mode not in (None, "neon", "caffe"):
            raise ConfigurationError(f"compat_mode {compat_mode!r} is unknown; use None or 'caffe'")
        self.compat_mode = compat_mode
        self.stochastic_round = stochastic_round
        self.device_id = device_id
        self.num_devices = num_devices
        self.bsz: int = None  # type: ignore[assignment]
        self.batch_size: int | None = None
        self.closed = False
        self.recorder: Recorder | None = None
        self.tracer = Tracer()
        self.bound: dict[Any, Callable[..., Any]] = {}
        self._leaf_signatures: dict[tuple[np.dtype, Shape], Signature] = {}

    # ---- the contract ------------------------------------------------------------------------

    @classmethod
    def probe(cls) -> ProbeResult:
        """Say whether this backend can be used here, without raising."""
        return ProbeResult("ready")

    @abstractmethod
    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled memory; OutOfDeviceMemory when there is no room."""

    @abstractmethod
    def view(self, storage: Storage, dtype: np.dtype, layout: Layout) -> Any:
        """The backend's own array object for a layout (strides and offset in elements)."""

    @abstractmethod
    def copy_in(self, target: Tensor, values: np.ndarray) -> None:
        """Copy host values of the target's shape and dtype in."""

    @abstractmethod
    def copy_out(self, source: Tensor) -> np.ndarray:
        """Wait for pending work and return a new host array."""

    @abstractmethod
    def run(self, pairs: list[tuple[Tensor, Any]]) -> None:
        """Evaluate checked (target, operand) pairs: all operands first, then all stores."""

    @abstractmethod
    def bind_matmul(
        self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float
    ) -> Callable[[], None]:
        """A call that does c = alpha * a @ b + beta * c; with beta == 0 c is not read."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until all work given to the device is done."""

    @abstractmethod
    def dlpack_device(self) -> tuple[int, int]:
        """DLPack device type and ordinal of this backend's memory."""

    def dlpack_shares(self, device: tuple[int, int]) -> bool:
        """Whether `dlpack_adopt` can use memory on a DLPack device in place."""
        return device == self.dlpack_device()

    @abstractmethod
    def dlpack_capsule(
        self, tensor: Tensor, *, stream: Any, max_version: Any, copy: bool | None
    ) -> Any:
        """A capsule of the tensor on its own device, after pending work was ordered before it."""

    @abstractmethod
    def dlpack_adopt(self, x: Any) -> Tensor:
        """A tensor over the memory of a DLPack producer on the same device."""

    def memory_stats(self) -> dict[str, int]:
        """Bytes in use and at peak, as far as the backend knows."""
        return {}

    # ---- life cycle --------------------------------------------------------------------------

    def __str__(self) -> str:
        return f"{self.backend_name}:{self.device_id}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self} {self.default_dtype} bsz={self.bsz}>"

    def check_open(self) -> None:
        """Raise ClosedBackendError after `cleanup_backend`."""
        if self.closed:
            raise ClosedBackendError(
                f"backend {self} has been cleaned up and its tensors with it; make new ones on the "
                "backend that gen_backend returned last"
            )

    def cleanup_backend(self) -> None:
        """Release what the backend holds; its tensors raise ClosedBackendError from now on."""
        self.closed = True
        self.bound.clear()

    def unrecordable(self, what: str) -> None:
        """Note that a replay of the step that is being recorded would not do this."""
        if self.recorder is not None and self.recorder.here:
            self.recorder.refuse(what)

    def launch(self, call: Callable[[], None]) -> None:
        """Make a bound call; everything that is no statement is launched here."""
        call()
        if self.recorder is not None and self.recorder.here:
            self.recorder.add(call)

    def number(self, function: Callable[[], float]) -> float:
        """`function()` as a number of op-trees; a recorded step calls it again at each replay.

        Example:
            w[:] = w - be.number(lambda: self.learning_rate) * dw
        """
        if self.recorder is not None and self.recorder.here:
            return self.recorder.number(function)
        return float(function())

    def check_same_backend(self, op: str, tensor: Tensor) -> None:
        """Raise BackendMismatchError unless the tensor lives here."""
        if tensor.backend is not self:
            raise BackendMismatchError(
                f"{op}: an operand lives on {tensor.backend}, not on {self}; use be.array(t)"
            )

    def leaf_signature(self, dtype: np.dtype, shape: Shape) -> Signature:
        """The signature that all tensors of this dtype and shape share."""
        found = self._leaf_signatures.get((dtype, shape))
        if found is None:
            found = Signature(None, (), {}, shape, dtype, self)
            self._leaf_signatures[dtype, shape] = found
        return found

    # ---- assignment --------------------------------------------------------------------------

    def assign(self, target: Tensor, value: Any) -> Tensor:
        """`target[:] = value`: tensor, op-tree and number broadcast, an ndarray must have the size.

        Raises:
            ShapeError, TypeError, BackendMismatchError, ReadOnlyError: before anything is written.
        """
        if not isinstance(value, Expression) and _is_array(value):
            self.set_host(target, value)
        else:
            self.assign_many([(target, value)])
        return target

    def assign_many(self, pairs: Iterable[tuple[Tensor, Any]]) -> None:
        """Several assignments at once: every right-hand side is read before any store.

        Args:
            pairs: (target, value) with value a tensor, an op-tree or a number.

        Raises:
            AliasError: two targets share memory.
            ShapeError, TypeError, BackendMismatchError, ReadOnlyError: before anything is written.
        """
        if type(pairs) is not list:
            pairs = list(pairs)
        try:
            key, scalars = statement_key(pairs)
        except AttributeError:  # not tensors: the checks below say what is wrong
            bound = None
        else:
            # tokens are never given out twice, so a key that is known was checked when it was bound
            bound = self.bound.get(key)
        if bound is not None and bound(scalars):
            return
        checked = [(target, self._check_pair(target, value)) for target, value in pairs]
        for i, (target, _) in enumerate(checked):
            for other, _ in checked[:i]:
                if views_overlap(target, other):
                    raise AliasError(
                        f"assign_many: targets of shapes {other.shape} and {target.shape} share "
                        "memory; assign one after the other"
                    )
        for observe in observers:
            observe(self, checked)
        self.run(checked)

    def remember(self, key: Any, call: Callable[..., Any], storages: Iterable[Storage]) -> None:
        """Keep a bound statement until one of the storages it uses is released."""
        if self.recorder is not None and self.recorder.here:
            self.recorder.keep(storages)
            return
        if len(self.bound) >= MAX_BOUND:
            self.bound.clear()
        self.bound[key] = call
        for storage in storages:
            if len(storage.bound) >= MAX_BOUND:
                storage.bound = {k: kept for k, kept in storage.bound.items() if k in kept}
            storage.bound[key] = self.bound

    def _check_pair(self, target: Any, value: Any) -> Any:
        if not isinstance(target, Tensor):
            raise DtypeError(f"assign: the target must be a Tensor, not {type(target).__name__}")
        if target.backend is not self:
            raise BackendMismatchError(
                f"assign: the target lives on {target.backend}, not on {self}; use "
                "target.copy_from(t)"
            )
        target.check_writable("assign")
        value = as_operand(value, "assign")
        if not isinstance(value, Expression):
            return value
        where = value.sig.backend
        if where is not None and where is not self:
            raise BackendMismatchError(
                f"assign: the value lives on {where}, the target on {self}; use target.copy_from(t)"
            )
        shape: Shape = value.sig.shape
        if value.sig.open and isinstance(value, OpTreeNode):
            shape = resolve_wild(value, target.shape).get(id(value), shape)
        if shape != target.shape and broadcast_shapes(shape, target.shape) != target.shape:
            raise ShapeError(
                f"assign: a value of shape {shape} does not fit a target of shape {target.shape}; "
                "along each axis the value's size must be equal or 1"
            )
        return value

    def set_host(self, target: Tensor, ary: Any) -> None:
        """Copy host data into `target`, cast to its dtype; a number fills it.

        Raises:
            ShapeError: another number of elements, or (both at least 2-D) another shape.
            DtypeError: not numbers.
        """
        target.check_writable("set")
        self.unrecordable("it copies host data into a tensor; do that between the replays")
        values = host_numbers(ary, "set")
        if values.ndim == 0:
            values = np.broadcast_to(values, target.shape)
        if values.size != target.size:
            raise ShapeError(
                f"set: an array of shape {values.shape} ({values.size} elements) does not fill a "
                f"tensor of shape {target.shape} ({target.size} elements); arrays do not broadcast "
                "here, tensors do: be.array(x)"
            )
        if values.ndim >= 2 and values.shape != target.shape:
            raise ShapeError(
                f"set: an array of shape {values.shape} for a tensor of shape {target.shape}; "
                "reshape it"
            )
        self.copy_in(target, cast(values.reshape(target.shape), target.dtype))

    def execute(self, node: OpTreeNode) -> Tensor:
        """Evaluate a tree into a new tensor (neon's name)."""
        return node.astensor()

    def host_array(self, tensor: Tensor, dtype: Any, copy: bool | None) -> np.ndarray:
        """What `np.asarray(tensor)` gives: a host copy, unless the memory is the host's."""
        if copy is False:
            raise ConfigurationError(
                f"a tensor of dtype {tensor.dtype} on {self} cannot become an array of dtype "
                f"{dtype or tensor.dtype} without a copy; leave copy out"
            )
        values = tensor.get()
        return values if dtype is None else values.astype(dtype)


def statement_key(pairs: Iterable[tuple[Tensor, Any]]) -> tuple[Any, tuple[float, ...]]:
    """What a statement is found by, and the numbers in it.

    The key has three parts an assignment; `Tensor.__setitem__` makes that of one without a call.
    """
    parts: list[Any] = []
    scalars: tuple[float, ...] = ()
    for target, value in pairs:
        if type(value) is OpTreeNode:
            tokens, numbers = value._found or value.sig.read(value)
            parts += (target.token, value.sig, tokens)
            scalars += numbers
        elif isinstance(value, (float, int)):
            parts += (target.token, SCALAR, ())
            scalars += (value,)
        else:
            parts += (target.token, value.sig, value.tokens)
    return tuple(parts), scalars


def _is_array(value: Any) -> bool:
    """Whether a value to assign is host data and not one number."""
    return isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0
