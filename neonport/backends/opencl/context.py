"""One context a device and process: backends on a device share memory by handle, and programs.

A context does not survive a fork: the driver's threads are gone in the child. What was opened
before is refused there with the way out, instead of waiting for ever.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from neonport.backends.opencl import interpreter_exit, memory
from neonport.backends.opencl.discovery import Device
from neonport.backends.opencl.icd_loader import load_pyopencl
from neonport.backends.opencl.programs import Programs
from neonport.backends.opencl.thread_affinity import Workers, tasks
from neonport.errors import BackendUnavailable, CompileError

if TYPE_CHECKING:
    from neonport.backends.gpu.device import GpuDevice

TRIAL = "__kernel void neo_trial(__global int *x) { x[0] = 1; }\n"
OLD_COMPILER = "unknown target CPU"


class Session:
    """A context and the programs built in it."""

    def __init__(self, device: Device) -> None:
        cl = load_pyopencl()
        self.device = device
        before = tasks() if device.helps else frozenset()
        try:
            self.context: Any = cl.Context([device.handle])
        except cl.Error as error:
            raise BackendUnavailable(f"opencl: {device.words} cannot be opened: {error}") from error
        # a driver that was in use before has started its threads then: they stay as they are
        self.workers = Workers(before, device.handle.max_compute_units - 1)
        self.programs = Programs(self.context, device)
        try:
            self.programs.load(TRIAL, ())
        except CompileError as error:
            why = "the driver's compiler fails on the simplest kernel"
            if OLD_COMPILER.lower() in str(error).lower():
                why = (
                    "the driver's compiler is older than this processor (the package "
                    "pocl-binary-distribution is known for that: uninstall it)"
                )
            raise BackendUnavailable(
                f"opencl: {device.words} cannot be used: {why}. Install another runtime (`pip "
                "install intel-opencl-rt intel-cmplr-lib-rt`; Debian: pocl-opencl-icd) and choose "
                f"it with NEONPORT_OPENCL_DEVICE. {error}"
            ) from error


_sessions: dict[int, Session] = {}
_users: weakref.WeakSet[GpuDevice] = weakref.WeakSet()
_lock = threading.RLock()
_handles_exit = False
_inherited = False  # whether a parent of this process has used OpenCL


def open_session(device: Device, user: GpuDevice) -> Session:
    """The session of a device for its user, a new one if there is none or it was lost.

    Raises:
        BackendUnavailable: the device or its compiler does not work.
    """
    global _handles_exit
    if _inherited:
        raise after_fork(device)
    interpreter_exit.check()
    with _lock:
        if not _handles_exit:  # not before now: it has to run before the handlers of who asks us
            atexit.register(_at_exit)
            _handles_exit = True
        _users.add(user)
        found = _sessions.get(device.handle.int_ptr)
        if found is None:
            found = _sessions[device.handle.int_ptr] = Session(device)
        return found


def forget_session(device: Device) -> None:
    """Let the next backend open a new context: this one failed, and a driver may keep that up."""
    with _lock:
        _sessions.pop(device.handle.int_ptr, None)


def is_inherited() -> bool:
    """Whether this process was forked from one that had opened a device."""
    return _inherited


def after_fork(device: Device) -> BackendUnavailable:
    """The exception to raise in a forked process."""
    return BackendUnavailable(
        f"opencl: {device.words} was in use before this process was forked, and no OpenCL driver "
        "survives that; start workers with multiprocessing's 'spawn' or 'forkserver', or use the "
        "cpu backend in them"
    )


def _at_exit() -> None:
    """Leave the drivers with nothing to do: they clean up by themselves, when Python is gone."""
    if _inherited:
        return
    interpreter_exit.stop_other_threads()
    for user in list(_users):
        with suppress(Exception):  # a device that is lost has nothing to do either
            user.synchronize()
    memory.release_orphans()


def _in_child() -> None:
    global _inherited, _lock
    _lock = threading.RLock()
    _inherited = _inherited or bool(_sessions)
    for user in list(_users):
        user.forget_statements()  # so that every statement is checked again, and refused


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
