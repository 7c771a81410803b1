"""Devices that fail on the way: the right error arrives, nothing is half written, work goes on.

A part of the device is made to fail for a moment, the way hardware and drivers do: no room at an
allocation, at a launch or for a statement's temporaries, a compiler that refuses a kernel, a device
that is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.errors import BackendUnavailable, CompileError, OutOfDeviceMemory
from neonport.testing.cases import Case, Outcome

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

SHAPE = (6, 6)
BINDING = ("bind_kernel", "bind_graph")
METHODS = (*BINDING, "allocate", "copy_in", "copy_out", "synchronize", "matmul")


class Switch:
    """Whether something fails, and how often it did.

    Attributes:
        error: what is raised; None lets everything work.
        raised: how often it was.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.raised = 0

    def check(self) -> None:
        """Raise, if it is on."""
        if self.error is not None:
            self.raised += 1
            raise self.error


class FailingLaunch:
    """A bound kernel that fails while the switch is on."""

    def __init__(self, launch: Any, switch: Switch) -> None:
        self._launch = launch
        self._switch = switch

    def __call__(self) -> None:
        """Run it, or fail."""
        self._switch.check()
        self._launch()

    def set_numbers(self, numbers: Sequence[float]) -> None:
        """Replace the number arguments."""
        self._launch.set_numbers(numbers)

    def set_rands(self, sources: Sequence[tuple[int, int]]) -> None:
        """Replace key and offset of each random source."""
        self._launch.set_rands(sources)


@contextmanager
def replaced(device: Any, method: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Replace a method of one device while the block runs: `make(method)`."""
    had = method in vars(device)
    before = getattr(device, method)
    setattr(device, method, make(before))
    try:
        yield
    finally:
        if had:
            setattr(device, method, before)
        else:
            delattr(device, method)


def failing(device: Any, method: str, switch: Switch) -> Any:
    """Let a method fail while the switch is on."""

    def make(before: Callable[..., Any]) -> Callable[..., Any]:
        def method_that_may_fail(*args: Any, **kwargs: Any) -> Any:
            switch.check()
            return before(*args, **kwargs)

        return method_that_may_fail

    return replaced(device, method, make)


@contextmanager
def failing_launches(device: Any, switch: Switch) -> Iterator[None]:
    """Let the launches that are bound in the block fail while the switch is on."""

    def make(before: Callable[..., Any]) -> Callable[..., Any]:
        def bind(*args: Any) -> Any:
            launch = before(*args)
            return launch if launch is None else FailingLaunch(launch, switch)

        return bind

    with ExitStack() as stack:
        for method in BINDING:
            stack.enter_context(replaced(device, method, make))
        yield


def _attempt(switch: Switch, error: Exception, act: Callable[[], Any]) -> str:
    """What is wrong with how an act fails; empty if it raises the error, or needs nothing."""
    before, switch.error = switch.raised, error
    try:
        act()
    except Exception as caught:
        if isinstance(caught, type(error)) and str(error) in str(caught):
            return ""
        return f"raised {type(caught).__name__} ({caught}) instead of {type(error).__name__}"
    finally:
        switch.error = None
    return f"{type(error).__name__} of the device was swallowed" if switch.raised > before else ""


class Scene:
    """Tensors, and a statement on them that a device must be able to do before and after.

    Args:
        be: where.
    """

    def __init__(self, be: Backend) -> None:
        self.be = be
        self.values = np.arange(36, dtype=np.float32).reshape(SHAPE)
        self.x = be.array(self.values)
        self.y = be.array(np.full(SHAPE, 5.0))

    def statement(self) -> None:
        """`y = x * 2 + 1`."""
        self.y[:] = self.x * 2 + 1

    def untouched(self) -> str:
        """What was changed by something that failed; empty if nothing was."""
        if not np.array_equal(self.y.get(), np.full(SHAPE, 5.0)):
            return "the target of a statement that failed was written"
        return self.operands()

    def operands(self) -> str:
        """Whether an operand was changed."""
        return "" if np.array_equal(self.x.get(), self.values) else "an operand was changed"

    def works(self) -> str:
        """Whether statements and new tensors work (again)."""
        try:
            self.statement()
            right = np.array_equal(self.y.get(), self.values * 2 + 1)
            right &= np.array_equal(self.be.array(self.values).get(), self.values)
        except Exception as error:
            return f"afterwards, a statement raises {type(error).__name__}: {error}"
        return "" if right else "afterwards, results are wrong"


def _outcome(*problems: str) -> Outcome:
    return Outcome(message=next(filter(None, problems), ""))


def _no_room(be: Backend) -> Outcome:
    """At an allocation."""
    scene, switch = Scene(be), Switch()
    error = OutOfDeviceMemory("no room for a test")
    with failing(be.device, "allocate", switch):
        problem = _attempt(switch, error, lambda: be.empty((50, 50)))
        if not problem and not switch.raised:
            problem = "a new tensor does not come from `allocate`"
        return _outcome(problem, scene.untouched(), scene.works())


def _no_room_for_temporaries(be: Backend) -> Outcome:
    """In a statement that needs memory between its kernels."""
    scene, switch = Scene(be), Switch()
    error = OutOfDeviceMemory("no room for a test")
    wide = be.array(np.ones((6, 9000)))

    def statement() -> None:
        scene.y[:] = be.dot(be.exp(wide), be.transpose(wide * 2)) + 1

    with failing(be.device, "allocate", switch):
        be.executor._arena = None  # as if nothing had needed any yet
        be.device.forget_statements()
        problem = _attempt(switch, error, statement)
        left = "" if not switch.raised else scene.untouched()
        return _outcome(problem, left, scene.works())


def _no_room_at_a_launch(be: Backend) -> Outcome:
    """When a kernel starts, also one that ran before."""
    scene, switch = Scene(be), Switch()
    error = OutOfDeviceMemory("no room for a test")
    try:
        with failing_launches(be.device, switch):
            be.device.forget_statements()
            problem = _attempt(switch, error, scene.statement)
            if not switch.raised:
                return Outcome(message="a statement on a device with kernels binds none")
            problem = problem or scene.untouched() or scene.works()
            again = _attempt(switch, error, scene.statement) or scene.operands()
            return _outcome(problem, again, scene.works())
    finally:
        be.device.forget_statements()


def _no_kernel(be: Backend) -> Outcome:
    """When the compiler refuses a kernel and the device does not give up compiling."""
    scene, switch = Scene(be), Switch()
    error = CompileError("syntax error in line 1 of a test")
    with ExitStack() as stack:
        for method in (*BINDING, "prefetch"):
            stack.enter_context(failing(be.device, method, switch))
        stack.enter_context(replaced(be.device, "give_up_kernels", lambda _: lambda error: False))
        be.device.forget_statements()
        problem = _attempt(switch, error, scene.statement)
        return _outcome(problem, scene.untouched(), scene.works())


def _gone(be: Backend) -> Outcome:
    """When every call fails; and when the device is back."""
    scene, switch = Scene(be), Switch()
    error = BackendUnavailable("the device of a test is gone")
    acts: dict[str, Callable[[], Any]] = {
        "a new tensor": lambda: be.empty((7, 7)),
        "a copy to the device": lambda: be.array(scene.values),
        "set": lambda: scene.x.set(scene.values),
        "get": lambda: scene.x.get(),
        "a statement": scene.statement,
        "a product": lambda: be.compound_dot(scene.x, scene.x, be.empty(SHAPE)),
    }
    with ExitStack() as stack:
        for method in METHODS:
            stack.enter_context(failing(be.device, method, switch))
        be.device.forget_statements()
        for label, act in acts.items():
            problem = _attempt(switch, error, act)
            if problem:
                return Outcome(message=f"{label}: {problem}")
        if not switch.raised:
            return Outcome(message="no call of a lost device was noticed")
    return _outcome(scene.operands(), scene.works())


def _training(be: Backend) -> Outcome:
    """In the middle of a training, which then goes on to the same result."""
    from neonport.testing.suite.networks.trainings import TRAININGS, train

    training = TRAININGS["two layers with momentum"]
    state, switch = be.rng_get_state(), Switch()
    error = OutOfDeviceMemory("no room for a test")
    wanted = train(be, training)
    with failing(be.device, "allocate", switch):
        problem = _attempt(switch, error, lambda: train(be, training))
    if not problem and not switch.raised:
        problem = "a training allocates nothing by `allocate`"
    be.rng_set_state(state)
    found = train(be, training)
    same = all(np.array_equal(found[name], wanted[name]) for name in wanted)
    return _outcome(problem, "" if same else "after a failed training, another one differs")


CASES: dict[str, Callable[[Backend], Outcome]] = {
    "no room for a tensor": _no_room,
    "no room for temporaries": _no_room_for_temporaries,
    "the device is lost": _gone,
    "no room in a training": _training,
}
OF_KERNELS: dict[str, Callable[[Backend], Outcome]] = {
    "no room at a launch": _no_room_at_a_launch,
    "no kernel": _no_kernel,
}


def cases() -> Iterator[Case]:
    """All faults."""
    for label, run in CASES.items():
        yield Case("faults", label, run)
    for label, run in OF_KERNELS.items():
        yield Case("faults", label, run, frozenset(["kernels"]))
