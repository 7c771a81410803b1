"""One context a device and process: backends on a device share memory by handle, and programs.

A context does not survive a fork: the driver's threads are gone in the child. What was opened
before is refused there with the way out, instead of waiting for ever.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from neonport.backends.opencl.devices import Device
from neonport.backends.opencl.programs import Programs
from neonport.backends.opencl.runtimes import load_pyopencl
from neonport.errors import BackendUnavailable, CompileError

TRIAL = "__kernel void neo_trial(__global int *x) { x[0] = 1; }\n"
OLD_COMPILER = "unknown target CPU"


class Session:
    """A context and the programs built in it.

    Attributes:
        lost: whether the device failed, so that the next backend needs a new context.
    """

    def __init__(self, device: Device) -> None:
        cl = load_pyopencl()
        self.device = device
        self.lost = False
        try:
            self.context: Any = cl.Context([device.handle])
        except cl.Error as error:
            raise BackendUnavailable(f"opencl: {device.words} cannot be opened: {error}") from error
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
_lock = threading.Lock()
_inherited = False  # whether a parent of this process has used OpenCL


def open_session(device: Device) -> Session:
    """The session of a device, a new one if there is none or it was lost.

    Raises:
        BackendUnavailable: the device or its compiler does not work.
    """
    check_process(device)
    with _lock:
        found = _sessions.get(device.handle.int_ptr)
        if found is None or found.lost:
            found = _sessions[device.handle.int_ptr] = Session(device)
        return found


def check_process(device: Device) -> None:
    """Raise BackendUnavailable in the child of a process that has used OpenCL."""
    if _inherited:
        raise BackendUnavailable(
            f"opencl: {device.words} was in use before this process was forked, and no OpenCL "
            "driver survives that; start workers with multiprocessing's 'spawn' or 'forkserver', "
            "or use the cpu backend in them"
        )


def forget_sessions() -> None:
    """Open new contexts from now on; backends that live keep theirs."""
    with _lock:
        _sessions.clear()


def _in_child() -> None:
    global _inherited, _lock
    _lock = threading.Lock()
    _inherited = _inherited or bool(_sessions)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
