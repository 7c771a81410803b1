"""`Backend`: what users hold; neon's names `Block` and `OpCollection`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NoReturn

import numpy as np

from neonport.backends.api.along_axis import AlongAxis
from neonport.backends.api.creation import Creation
from neonport.backends.api.diagnostics import Diagnostics
from neonport.backends.api.layer_operations import LayerOperations
from neonport.backends.api.matmul import Matmul
from neonport.backends.api.memory import Memory
from neonport.backends.api.neon_helpers import NeonHelpers
from neonport.backends.api.operations import Operations
from neonport.backends.api.plugin_ops import PluginOps
from neonport.backends.api.randomness import Randomness
from neonport.backends.api.recurrence import Recurrence
from neonport.backends.api.statistics import Statistics
from neonport.backends.api.unrolled_recurrence import UnrolledRecurrence
from neonport.backends.api.windows.convolution import Convolution
from neonport.backends.api.windows.normalization import Normalization
from neonport.backends.api.windows.pooling import Pooling
from neonport.backends.api.windows.roi_pooling import RoiPooling
from neonport.dtypes import FLOAT32, as_dtype, cast, host_numbers
from neonport.engine.checks import check_pair, check_target, is_array
from neonport.engine.device import Device, ProbeResult
from neonport.engine.device_checks import make_device
from neonport.engine.executor import Executor
from neonport.engine.recording import Recorder, Step
from neonport.engine.statement import statement_key
from neonport.engine.tracing import new_tracer, observers
from neonport.errors import (
    AliasError,
    BackendMismatchError,
    ClosedBackendError,
    ConfigurationError,
    DtypeError,
    ShapeError,
)
from neonport.foundation.bounded_table import BoundedTable
from neonport.ops.op import OPS, Kind, of_kind
from neonport.optree.node import Expression, OpTreeNode
from neonport.optree.operators import as_pairs
from neonport.optree.signature import Signature
from neonport.shape import Shape
from neonport.tensor.overlaps import MemoryIndex
from neonport.tensor.storage import Storage, views_overlap
from neonport.tensor.tensor import Tensor

__all__ = ["Backend", "Block", "Device", "OpCollection", "OpTreeNode", "ProbeResult", "Tensor"]

MAX_BOUND = 16384  # statements of a generation; a miss costs microseconds
MAX_LEAVES = 1024  # signatures of tensors of a generation, each with what was built on it


class Block:
    """Neon's marks for `Backend.begin` and `Backend.end`."""

    epoch = 0
    minibatch = 1
    fprop = 2
    bprop = 3
    update = 4


class OpCollection:
    """Neon's sets of op names, made from the op table."""

    zero_operand_ops = frozenset({"rand", "onehot"})
    unary_ops = frozenset(n for n in of_kind(Kind.ELEMENTWISE) if OPS[n].arity == 1) | {"transpose"}
    binary_ops = frozenset(n for n in of_kind(Kind.ELEMENTWISE) if OPS[n].arity == 2) | {"dot"}
    reduction_ops = of_kind(Kind.REDUCTION)
    ew_ops = zero_operand_ops | of_kind(Kind.ELEMENTWISE)
    float_ops = ew_ops | unary_ops | binary_ops | {"take"}


class Backend(
    Creation,
    Operations,
    Statistics,
    AlongAxis,
    Matmul,
    Convolution,
    Pooling,
    RoiPooling,
    Normalization,
    Recurrence,
    UnrolledRecurrence,
    LayerOperations,
    NeonHelpers,
    Randomness,
    Diagnostics,
    Memory,
    PluginOps,
):
    """Arrays, ops, products, random numbers and neon's helpers on one device.

    The user's functions stand in flat classes without bases (`neonport.backends.api`); what a
    vendor writes is the class of `device`. A backend of one's own is a name and a device class.

    Args:
        rng_seed: seed of the host and the device generator; None seeds from the system.
        default_dtype: float dtype of new tensors.
        stochastic_round: default `rounding` of new tensors on devices that have it.
        device_id: which device.
        num_devices: accepted for neon.
        compat_mode: None or "caffe" (pooling sizes, dropout scaling).
        deterministic: accepted for neon; every backend is deterministic.
        hist_bins, hist_offset: see `set_hist_buffers`.
        options: for the device.

    Attributes:
        device: memory, kernels and copies.
        executor: plans statements and binds them to the device.
        bsz: batch size, read at call time.
        bound: statements that are ready to run, by target, structure and operands.
        closed: whether `cleanup_backend` was called.

    Raises:
        ConfigurationError: a dtype that the device does not store, an unknown mode, a bad seed.
        BackendUnavailable: there is no such device.
        DeviceContractError: the device's class is not written as `Device` says.

    Example:
        be = gen_backend("cpu", batch_size=4)
        y = be.empty((3, 4))
        y[:] = be.exp(be.ones((3, 4))) * 2
    """

    backend_name: ClassVar[str] = ""
    device_class: ClassVar[type[Device]]
    # protocol version this contract speaks: (major, minor)
    protocol: ClassVar[tuple[int, int]] = (1, 0)
    tensor_cls = Tensor
    _min_dims: ClassVar[int] = 2
    device: Any  # a `Device`: vendors add to it what their users call
    second_opinion: Any = None  # what checks its statements, where somebody asked for that

    def __init__(
        self,
        rng_seed: int | None = None,
        default_dtype: Any = FLOAT32,
        stochastic_round: bool | int = False,
        device_id: int = 0,
        num_devices: int | None = None,
        compat_mode: str | None = None,
        deterministic: bool | None = None,
        hist_bins: int = 64,
        hist_offset: int = -48,
        **options: Any,
    ) -> None:
        self.device_id = device_id
        self.device = make_device(type(self), device_id, options)
        self.default_dtype = as_dtype(default_dtype)
        if self.default_dtype.name not in self.default_dtypes:
            raise ConfigurationError(
                f"{self.backend_name}: datatype {self.default_dtype} cannot be the default; use "
                f"one of {', '.join(self.default_dtypes)}"
            )
        if compat_mode not in (None, "neon", "caffe"):
            raise ConfigurationError(f"compat_mode {compat_mode!r} is unknown; use None or 'caffe'")
        self.compat_mode: str | None = compat_mode
        self.stochastic_round = stochastic_round
        self.num_devices = num_devices
        self.bsz: int = None  # type: ignore[assignment]
        self.batch_size: int | None = None
        self.closed = False
        self.recorder: Recorder | None = None
        self.tracer = new_tracer()
        self.bound: BoundedTable[Any, Callable[..., Any]] = BoundedTable(MAX_BOUND)
        self._leaf_signatures: BoundedTable[tuple[np.dtype, Shape], Signature] = BoundedTable(
            MAX_LEAVES
        )
        self.executor = Executor(self, self.device)
        self.rng_seed = rng_seed
        self.deterministic = rng_seed is not None
        self.rng = self.gen_rng(rng_seed)
        self._start_histograms(hist_bins, hist_offset)

    @classmethod
    def probe(cls) -> ProbeResult:
        """Say whether this backend can be used here, without raising."""
        return cls.device_class.probe()

    @property
    def default_dtypes(self) -> tuple[str, ...]:
        """Names of the float dtypes that the device stores."""
        return self.device.capabilities.dtypes

    @property
    def device_type(self) -> int:
        """Neon's number: 0 for the host, 1 for a device with memory of its own."""
        return self.device.capabilities.device_type

    @property
    def use_pinned_mem(self) -> bool:
        """Whether copies to the device want page-locked host memory."""
        return self.device.capabilities.pinned_memory

    # ---- life cycle --------------------------------------------------------------------------

    def __str__(self) -> str:
        return f"{self.backend_name}:{self.device_id}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self} {self.default_dtype} bsz={self.bsz}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Backend:
        """The backend itself: copies of what it computes for stay on it."""
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Say what can be pickled instead.

        Raises:
            DtypeError: always.
        """
        raise DtypeError(
            f"pickle: the backend {self}, and what holds one, belongs to this process; models can "
            "be pickled, arrays too (t.get()); of the rest pickle what it is made of, and make it "
            "again after gen_backend(...) there"
        )

    def check_open(self) -> None:
        """Raise `ClosedBackendError` after `cleanup_backend`, and if the device is lost."""
        self.device.check_alive()
        if self.closed:
            raise ClosedBackendError(
                f"backend {self} has been cleaned up and its tensors with it; make new ones on the "
                "backend that gen_backend returned last"
            )

    def cleanup_backend(self) -> None:
        """Release what the backend holds; its tensors raise `ClosedBackendError` from now on."""
        if not self.closed:
            if self.second_opinion is not None:
                self.second_opinion.close()
            self.closed = True
            self.bound.clear()
            self.device.close()

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
        if not callable(function):
            raise DtypeError(
                f"number: needs a function without arguments, not a {type(function).__name__}"
            )
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
            found = self._leaf_signatures.find((dtype, shape))
        if found is None:
            found = Signature(None, (), {}, shape, dtype, self)
            self._leaf_signatures.keep((dtype, shape), found)
        return found

    # ---- assignment --------------------------------------------------------------------------

    def assign(self, target: Tensor, value: Any) -> Tensor:
        """`target[:] = value`: tensor, op-tree and number broadcast, an ndarray must have the size.

        Raises:
            ShapeError, TypeError, BackendMismatchError, ReadOnlyError: before anything is written.
        """
        if not isinstance(value, Expression) and is_array(value):
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
            pairs = as_pairs("assign_many", pairs)
        try:
            key, scalars = statement_key(pairs)
        except AttributeError:  # not tensors: the checks below say what is wrong
            bound = None
        except (TypeError, ValueError):
            as_pairs("assign_many", pairs)
            raise
        else:
            # tokens are never given out twice, so a key that is known was checked when it was bound
            bound = self.bound.find(key)
        if bound is not None and bound(scalars):
            return
        checked = [(target, check_pair(self, target, value)) for target, value in pairs]
        if len(checked) > 1:
            _check_apart([target for target, _ in checked])
        for observe in observers:
            observe(self, checked)
        self.executor.run(checked)

    def remember(self, key: Any, call: Callable[..., Any], storages: Iterable[Storage]) -> None:
        """Keep a bound statement until one of the storages it uses is released."""
        if self.recorder is not None and self.recorder.here:
            self.recorder.keep(storages)
            return
        self.bound.keep(key, call)
        for storage in storages:
            if len(storage.bound) >= 2 * MAX_BOUND:
                storage.bound = {k: kept for k, kept in storage.bound.items() if kept.holds(k)}
            storage.bound[key] = self.bound

    def check_pair(self, target: Any, value: Any) -> Any:
        """The value of an assignment as an operand, after all checks; see `engine.checks`."""
        return check_pair(self, target, value)

    def set_host(self, target: Tensor, ary: Any) -> None:
        """Copy host data into `target`, cast to its dtype; a number fills it.

        Raises:
            ShapeError: another number of elements, or (both at least 2-D) another shape.
            DtypeError: not numbers.
        """
        check_target(target, "set")
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
        self.device.copy_in(target, cast(values.reshape(target.shape), target.dtype))

    def execute(self, node: OpTreeNode) -> Tensor:
        """Evaluate a tree into a new tensor (neon's name)."""
        if not isinstance(node, OpTreeNode):
            raise DtypeError(f"execute: needs an op-tree, not a {type(node).__name__}")
        return node.astensor()

    # ---- recording ---------------------------------------------------------------------------

    def record(self, function: Callable[..., Any] | None = None) -> Step:
        """A step whose launches are replayed from its second run on.

        Args:
            function: the step, called when it runs first; its arguments must be hashable. None: a
                `with` block is the step.

        Example:
            step = be.record(train_one_batch)
            step()  # runs
            step()  # replays
        """
        return Step(self, function)

    # ---- names -------------------------------------------------------------------------------

    @staticmethod
    def backend_choices() -> list[str]:
        """Sorted names of the registered backends."""
        from neonport.plugins import registry

        return registry.backend_choices()

    @staticmethod
    def allocate_backend(name: str, **kwargs: Any) -> Backend:
        """Construct the backend registered as `name`."""
        from neonport.plugins import registry

        return registry.create_backend(name, **kwargs)


def _check_apart(targets: list[Tensor]) -> None:
    """Raise AliasError if two targets share memory."""
    memory = MemoryIndex(targets)
    for i, target in enumerate(targets):
        for other in (targets[j] for j in memory.near(target) if j < i):
            if views_overlap(target, other):
                raise AliasError(
                    f"assign_many: targets of shapes {other.shape} and {target.shape} share "
                    "memory; assign one after the other"
                )
