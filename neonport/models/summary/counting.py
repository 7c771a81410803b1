"""What each layer launches in a step: counted on a copy of the layers that computes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from math import prod
from typing import Any

from neonport.base import NervanaObject
from neonport.compiler.explain.steps import operations_of
from neonport.compiler.kernel import BoundKernel
from neonport.engine.recording import Unbound
from neonport.engine.tracing import Launched, Tracer
from neonport.foundation.descriptions import Builder
from neonport.layers.shapes import buffer_shape, is_flat
from neonport.plugins import registry


class NotCounted(Exception):
    """The launches cannot be counted; the message says why."""


@dataclass
class Work:
    """Launches of a layer in one pass.

    Attributes:
        kernels: fused kernels.
        calls: matrix products and what else is no loop nest.
        operations: floating-point operations of both; a multiply-add counts as two.
    """

    kernels: int = 0
    calls: int = 0
    operations: int = 0

    def add(self, what: Launched) -> None:
        """Count a launch."""
        if isinstance(what.step, BoundKernel):
            self.kernels += 1
        else:
            self.calls += 1
        step = what.step
        self.operations += _of_product(what.shapes) if step is None else operations_of(step)


@dataclass
class Counted:
    """A layer of the copy, with what it launches.

    Attributes:
        layer: the copy, which is configured and has its buffers.
        forward, backward: launches of a training step.
    """

    layer: Any
    forward: Work = field(default_factory=Work)
    backward: Work = field(default_factory=Work)

    @property
    def launches(self) -> int:
        """Kernels and calls of both passes."""
        return sum(work.kernels + work.calls for work in (self.forward, self.backward))


class Census(Tracer):
    """Counts every launch for the pass of the layer that is running."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[Work] = []

    def watch(self, launch: Callable[[], None], what: Launched, backend: Any) -> Callable[[], None]:
        """A call that counts and computes nothing."""

        def counted() -> None:
            if self.running:
                self.running[-1].add(what)

        return counted


def count(container: Any, shape: Any, batch: int, dtype: Any) -> list[Counted]:
    """Run a training step of a copy of the layers, on a backend that plans and computes nothing.

    Args:
        container: the layers.
        shape: logical shape of a sample, or a list of them.
        batch: samples in a batch.
        dtype: default dtype.

    Returns:
        One entry for each layer and container, containers before their members.

    Raises:
        NotCounted: a layer cannot be built from its description, or cannot run without values.
        ConfigurationError: the layers do not fit the shape.
    """
    be = registry.create_backend("null", default_dtype=dtype, rng_seed=0)
    be.bsz = batch
    try:
        try:
            copy = Builder(_own_classes(container)).build("layer", container.get_description())
        except Exception as error:  # of a class of the user's
            raise NotCounted(f"no copy of the layers can be made: {error}") from error
        copy.set_backend(be)
        copy.configure(shape)
        copy.allocate()
        copy.allocate_deltas()
        try:
            return _counted(copy, be)
        except Exception as error:  # a layer of the user's may want to see values
            raise NotCounted(f"a layer does not run without values: {error}") from error
    finally:
        be.cleanup_backend()


def _counted(container: Any, be: Any) -> list[Counted]:
    """Count a training step of layers that are ready for it."""
    found = [Counted(container), *(Counted(layer) for layer in container.layers_fprop())]
    shapes = [container.in_shape] if is_flat(container.in_shape) else list(container.in_shape)
    inputs = [be.empty(buffer_shape(one, be.bsz)) for one in shapes]
    x = inputs[0] if len(inputs) == 1 else inputs
    _step(container, x)  # what is only made once is made now
    be.tracer = census = Census()
    for entry in found:
        for method, work in (("fprop", entry.forward), ("bprop", entry.backward)):
            run = getattr(entry.layer, method)
            setattr(entry.layer, method, _counting(run, work, census))
    be.bound = Unbound()  # every launch is bound, and so seen
    _step(container, x)
    return found


def _step(container: Any, x: Any) -> None:
    y = container.fprop(x)
    several = isinstance(y, (list, tuple))
    errors = [part.backend.empty_like(part) for part in (y if several else [y])]
    container.bprop(errors if several else errors[0])


def _counting(run: Callable[..., Any], work: Work, census: Census) -> Callable[..., Any]:
    @wraps(run)
    def counting(*args: Any, **kwargs: Any) -> Any:
        census.running.append(work)
        try:
            return run(*args, **kwargs)
        finally:
            census.running.pop()

    return counting


def _own_classes(root: Any) -> set[type]:
    """Classes of the user among all objects that the layers hold."""
    found: set[type] = set()
    seen: set[int] = set()
    queue = [root]
    while queue:
        item = queue.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, NervanaObject):
            if type(item).__module__.partition(".")[0] != "neonport":
                found.add(type(item))
            queue.extend(v for k, v in vars(item).items() if k != "be")
        elif type(item) in (list, tuple):
            queue.extend(item)
        elif type(item) is dict:
            queue.extend(item.values())
    return found


def _of_product(shapes: tuple[tuple[int, ...], ...]) -> int:
    """Operations of a product, or of a batch of them."""
    a, b, _ = shapes
    batch = max(prod(a[:-2]), prod(b[:-2]))
    return 2 * batch * a[-2] * a[-1] * b[-1]
