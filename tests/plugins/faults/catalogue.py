"""The faults: what a plugin does, its source, and what `neonport doctor` has to say of it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

HEAD = "from neonport.plugins.hookspecs import BackendInfo, ProbeResult, hookimpl\n"
CPU = "neonport.backends.cpu.device:CPUBackend"


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        name: of the entry point; the distribution is called `fault-<name>`.
        does: what the plugin does, for the table.
        source: of its module, or None where there is none.
        state: of the backend or plugin in `neonport doctor`.
        words: regular expression of what doctor says.
        named: what happens where the plugin is named: `BackendUnavailable`, ..., `works`, or `ends`
            for what would end or hang any process.
        points: text of entry_points.txt, where it is not the usual one.
        metadata: text of METADATA, where it is not the usual one.
        backend: of the row to look at, where it is not called like the entry point.
    """

    name: str
    does: str
    source: str | bytes | None
    state: str
    words: str
    named: str = "BackendUnavailable"
    points: str | bytes | None = None
    metadata: str | None = None
    backend: str | None = None

    @property
    def by_pip(self) -> bool:
        """Whether pip of each age installs it; what it refuses is put there as files."""
        odd = ("noequals", "binary", "nameless", "novalue")
        return self.name.isascii() and self.name not in odd

    @property
    def distribution(self) -> str:
        return f"fault-{self.name}"

    @property
    def module(self) -> str:
        return f"fault_{self.name.replace('-', '_')}"


@dataclass
class Catalogue:
    faults: list[Fault] = field(default_factory=list)

    def add(
        self, name: str, does: str, source: str | bytes | None, state: str, words: str, **more
    ) -> None:
        self.faults.append(Fault(name, does, source, state, words, **more))


def hook(name: str, *, factory: str = repr(CPU), protocol: str = "(1, 0)", before: str = "") -> str:
    """A plugin that brings one backend."""
    return (
        f"{HEAD}\n{textwrap.dedent(before)}\n"
        "@hookimpl\n"
        "def register_backends():\n"
        f"    return [BackendInfo({name!r}, {factory}, protocol={protocol})]\n"
    )


def returning(value: str, before: str = "") -> str:
    """A plugin whose hook returns something else."""
    return f"{HEAD}\n{before}\n@hookimpl\ndef register_backends():\n    return {value}\n"


def device(name: str, body: str) -> str:
    """A plugin with a device of its own, derived from that of `cpu`."""
    head = (
        "from neonport.backends.backend import Backend\n"
        "from neonport.backends.cpu.device import CPUBackend\n"
        "Good = CPUBackend.device_class\n"
    )
    return hook(name, factory="lambda **k: Faulty(**k)", before=head + textwrap.dedent(body))


_OWN = "class Faulty(Backend):\n    backend_name = 'faulty'\n    device_class = Bad\n"
CATALOGUE = Catalogue()
add = CATALOGUE.add

# ---- it cannot be imported
add(
    "importerror",
    "raises ImportError",
    "raise ImportError('the board has no driver')\n",
    "broken",
    "importing fault_importerror: ImportError: the board has no driver",
)
add(
    "missinglib",
    "needs a library that is missing",
    "import ctypes\nctypes.CDLL('libneonport_fault.so.7')\n",
    "broken",
    "importing fault_missinglib: OSError: .*libneonport_fault.so.7",
)
add(
    "missingmodule",
    "needs a package that is missing",
    "import a_module_nobody_has\n",
    "broken",
    "ModuleNotFoundError: No module named 'a_module_nobody_has'",
)
add(
    "syntax",
    "does not parse",
    "def broken(:\n",
    "broken",
    "importing fault_syntax: SyntaxError: invalid syntax",
)
add(
    "bytes",
    "is no text in UTF-8",
    b"x = '\xff'\n",
    "broken",
    r"importing fault_bytes: SyntaxError: \(unicode error\)",
)
add(
    "circular",
    "imports a name from itself",
    "from fault_circular import later\nlater = 1\n",
    "broken",
    "ImportError: cannot import name 'later'",
)
add(
    "recursion",
    "calls itself without end",
    "def again():\n    return again()\nagain()\n",
    "broken",
    "RecursionError: maximum recursion depth exceeded",
)
add(
    "exits",
    "calls sys.exit",
    "import sys\nsys.exit('licence not found')\n",
    "broken",
    "importing fault_exits: SystemExit: licence not found",
)
add(
    "strange",
    "raises a BaseException of its own",
    "class Stop(BaseException): ...\nraise Stop('of no known kind')\n",
    "broken",
    "Stop: of no known kind",
)
add(
    "hugetext",
    "raises with 20 MB of text",
    "raise RuntimeError('x' * 20_000_000)\n",
    "broken",
    r"RuntimeError: x+ \[\.\.\. \d+ characters left out",
)
add(
    "control",
    "raises with control characters",
    r"raise RuntimeError('\x1b[2J\x07 \udcff cleared')" + "\n",
    "broken",
    r"RuntimeError: \\x1b\[2J\\x07 \\udcff cleared",
)
add(
    "speechless",
    "raises what cannot describe itself",
    "class Mute(Exception):\n    def __str__(self):\n        raise SystemExit\nraise Mute\n",
    "broken",
    "importing fault_speechless: Mute",
)

# ---- its metadata is wrong
add(
    "nomodule",
    "names a module that it has not",
    None,
    "broken",
    "ModuleNotFoundError: No module named 'fault_nomodule'",
)
add(
    "noattribute",
    "names an attribute that its module has not",
    "",
    "broken",
    "AttributeError: module 'fault_noattribute' has no attribute 'plugin'",
    points="[neonport]\nnoattribute = fault_noattribute:plugin\n",
)
add(
    "novalue",
    "names what is no module",
    "",
    "broken",
    "does not read 'module' or 'module:attribute'",
    points="[neonport]\nnovalue = not a module!\n",
)
add(
    "noequals",
    "has a line that is no entry point",
    "",
    "broken",
    "reading entry_points.txt: ValueError: the line 'nothing' does not read",
    points="[neonport]\nnothing\n",
    backend="?",
)
add(
    "binary",
    "has entry points that are no text",
    "",
    "broken",
    "reading entry_points.txt: UnicodeDecodeError",
    points=b"[neonport]\nbinary = \xff\xfe\n",
    backend="?",
)
add(
    "nameless",
    "has no name in its metadata",
    "raise ImportError('who am I')\n",
    "broken",
    "ImportError: who am I",
    metadata="Metadata-Version: 2.1\n",
)
add(
    "\u043f\u043b\u0430\u0442\u0430",
    "has a name in another script",
    "raise ImportError('\u043d\u0435\u0442')\n",
    "broken",
    "ImportError: \u043d\u0435\u0442",
    points="[neonport]\n\u043f\u043b\u0430\u0442\u0430 = fault_plata\n",
)
add(
    "shadow",
    "is called like a module of Python",
    None,
    "broken",
    r"module random \(from .*random.py\) implements no neonport hook",
    points="[neonport]\nshadow = random\n",
)

# ---- its hook is wrong
add(
    "nohook",
    "implements no hook",
    "x = 1\n",
    "broken",
    "module fault_nohook .* implements no neonport hook",
)
add(
    "misspelt",
    "misspells the hook",
    HEAD + "@hookimpl\ndef register_backend():\n    return []\n",
    "broken",
    "there is no hook register_backend; did you mean register_backends",
)
add(
    "arguments",
    "takes arguments that the hook has not",
    HEAD + "@hookimpl\ndef register_backends(config):\n    return []\n",
    "broken",
    "registering its hooks: PluginValidationError",
)
add(
    "raisinghook",
    "raises in its hook",
    returning("1 / 0"),
    "broken",
    "calling register_backends: ZeroDivisionError",
)
add(
    "exitinghook",
    "exits in its hook",
    returning("exit(3)"),
    "broken",
    "calling register_backends: SystemExit: 3",
)
add(
    "generator",
    "yields one backend and raises",
    HEAD + f"@hookimpl\ndef register_backends():\n    yield BackendInfo('half', {CPU!r}, (1, 0))\n"
    "    raise OSError('the second board is gone')\n",
    "broken",
    "reading what register_backends returned: OSError: the second board is gone",
)
add(
    "endless",
    "yields backends without end",
    HEAD + "@hookimpl\ndef register_backends():\n    n = 0\n    while True:\n        n += 1\n"
    f"        yield BackendInfo(f'endless-{{n}}', {CPU!r}, (9, 0))\n",
    "broken",
    "ValueError: more than 200 backends",
)
add(
    "wrongtype",
    "returns words instead of BackendInfo",
    returning("['npu']"),
    "broken",
    "TypeError: expected BackendInfo entries, got a str",
)
add(
    "nothing",
    "returns None",
    returning("None"),
    "broken",
    "TypeError: expected BackendInfo entries, got None",
)
add(
    "curious",
    "asks for all backends while it is imported",
    "from neonport.plugins import registry\nregistry.examine()\n",
    "broken",
    "importing fault_curious: RuntimeError: a plugin asks",
)

# ---- what it announces is wrong
add(
    "badname",
    "gives its backend an impossible name",
    hook("N P U"),
    "broken",
    "ValueError: backend name 'N P U' must match",
)
add(
    "badprotocol",
    "writes its protocol as text",
    hook("badprotocol", protocol="'1.0'"),
    "broken",
    r"TypeError: protocol must be a \(major, minor\) pair",
)
add(
    "stale",
    "speaks an older protocol",
    hook("stale", protocol="(0, 9)"),
    "incompatible",
    r"it speaks backend protocol 0\.9, this neonport speaks 1\.",
)
add(
    "future",
    "speaks a later protocol",
    hook("future", protocol="(2, 0)"),
    "incompatible",
    r"it speaks backend protocol 2\.0, this neonport speaks 1\.",
)
add(
    "minor",
    "speaks a later minor protocol",
    hook("minor", protocol="(1, 999)"),
    "ready",
    r"written for the newer protocol 1\.999",
    named="works",
)
add(
    "squatter",
    "claims a built-in name",
    hook("cpu"),
    "refused",
    "the name 'cpu' is reserved for neonport's own backend",
    backend="cpu",
)
add(
    "twin",
    "brings what another distribution brings too",
    hook("twin"),
    "shadowed",
    "fault-another-twin 1.0 brings 'twin' too and comes first",
    named="works",
)

# ---- its backend is wrong
add(
    "nofactory",
    "names a class that is not there",
    hook("nofactory", factory="'fault_nofactory:Gone'"),
    "broken",
    "AttributeError: module 'fault_nofactory' has no attribute 'Gone'",
)
add(
    "abstract",
    "leaves out methods of the device",
    device(
        "abstract",
        "from neonport.engine.device import Device\n"
        "class Bad(Device):\n    @classmethod\n    def probe(cls): return ProbeResult('ready')\n"
        + _OWN,
    ).replace("lambda **k: Faulty(**k)", "Faulty"),
    "broken",
    "Bad does not define allocate",
)
add(
    "probing",
    "raises in its probe",
    hook("probing", before="def probe(): raise LookupError('no answer')\n").replace(
        "protocol=(1, 0))", "protocol=(1, 0), probe=probe)"
    ),
    "broken",
    "probing it: LookupError: no answer",
)
add(
    "lying",
    "returns words from its probe",
    hook("lying", before="def probe(): return 'ready'\n").replace(
        "protocol=(1, 0))", "protocol=(1, 0), probe=probe)"
    ),
    "broken",
    "the probe must return a ProbeResult, got a str",
)
add(
    "raising",
    "raises in its constructor",
    hook("raising", factory="make", before="def make(**k): raise OSError('0 bytes came back')\n"),
    "broken",
    "constructing it: OSError: 0 bytes came back",
)
add(
    "hollow",
    "constructs something else",
    hook("hollow", factory="dict"),
    "broken",
    "the factory made a dict, which has no array",
)
add(
    "transposed",
    "copies out in the wrong shape",
    device(
        "transposed",
        "class Bad(Good):\n    def copy_out(self, source):\n"
        "        return super().copy_out(source).T\n" + _OWN,
    ),
    "broken",
    r"running statements on it: ValueError: a copy to the device and back has shape \(3, 2\)",
    named="works",
)
add(
    "imprecise",
    "copies in the wrong numbers",
    device(
        "imprecise",
        "class Bad(Good):\n    def copy_in(self, target, values):\n"
        "        super().copy_in(target, values + 1)\n" + _OWN,
    ),
    "broken",
    "running statements on it: ValueError: a copy to the device and back gave",
    named="works",
)
add(
    "clinging",
    "raises when it is closed",
    device(
        "clinging",
        "class Faulty(CPUBackend):\n    def cleanup_backend(self):\n"
        "        raise OSError('the board does not let go')\n",
    ),
    "broken",
    "closing it: OSError: the board does not let go",
    named="works",
)

# ---- it does something to everybody
for name, does, source, words in (
    ("prints", "prints while it is imported", "print('hello from', 'the plugin')\n",
     "importing fault_prints: printed hello from the plugin"),
    ("bypass", "prints past Python", "import os\nos.write(1, b'straight to the terminal\\n')\n",
     "printed straight to the terminal"),
    ("closing", "closes stdout", "import sys\nsys.stdout.close()\n",
     "closed an output stream of the host's"),
    ("warns", "warns while it is imported",
     "import warnings\nwarnings.warn('this driver is old', UserWarning)\n",
     "importing fault_warns: warned UserWarning: this driver is old"),
    ("filters", "makes all warnings errors", "import warnings\nwarnings.simplefilter('error')\n",
     r"changed warnings\.filters"),
    ("patcher", "patches NumPy",
     "import numpy\nold = numpy.dot\nnumpy.dot = lambda a, b: old(a, b)\n",
     r"importing fault_patcher: replaced numpy\.dot"),
    ("catcher", "sets sys.excepthook", "import sys\nsys.excepthook = print\n",
     r"changed sys\.excepthook"),
    ("signals", "takes over a signal",
     "import signal\nsignal.signal(signal.SIGTERM, lambda *given: None)\n",
     "changed the handler of SIGTERM"),
    ("locale", "sets the locale",
     "import locale\nlocale.setlocale(locale.LC_CTYPE, 'C')\n", "changed the locale"),
    ("seeds", "seeds Python's random numbers", "import random\nrandom.seed(1)\n",
     "changed the random numbers of Python"),
    ("reseeds", "seeds NumPy's random numbers", "import numpy\nnumpy.random.seed(1)\n",
     "changed the random numbers of NumPy"),
    ("errors", "changes how NumPy treats errors", "import numpy\nnumpy.seterr(all='raise')\n",
     "changed how NumPy treats floating-point errors"),
    ("moves", "changes the working folder", "import os\nos.chdir('/')\n",
     "changed the working folder"),
    ("variable", "sets an environment variable", "import os\nos.environ['FAULT_X'] = 'secret'\n",
     "set environment variable FAULT_X$"),
    ("logs", "configures logging", "import logging\nlogging.basicConfig(level=10)\n",
     "changed logging's root"),
    ("collector", "switches the garbage collector off", "import gc\ngc.disable()\n",
     "changed garbage collection"),
    ("thread", "leaves a thread running",
     "import threading, time\n"
     "threading.Thread(target=time.sleep, args=(3600,), name='poller', daemon=True).start()\n",
     r"left running: thread poller \(daemon\)"),
    ("slow", "takes seconds to be imported", "import time\ntime.sleep(2.1)\n",
     r"importing fault_slow: took \d+\.\d s"),
):  # fmt: skip
    add(name, does, hook(name, before=source), "ready", words, named="works")

# ---- it would take any process with it
for name, does, source, words in (
    ("vanishes", "calls os._exit", "import os\nos._exit(3)\n",
     "the process ended with exit code 3"),
    ("crashes", "reads at address 0", "import ctypes\nctypes.string_at(0)\n",
     "the process was ended by signal SIGSEGV"),
    ("aborts", "calls abort", "import os\nos.abort()\n", "the process was ended by signal SIGABRT"),
    ("interrupts", "raises KeyboardInterrupt", "raise KeyboardInterrupt\n",
     "the process was ended by signal SIGINT"),
):  # fmt: skip
    add(name, does, source, "broken", f"importing fault_{name}: {words}", named="ends")
add(
    "hangs",
    "hangs while it is imported",
    "import time\nwhile True:\n    time.sleep(1)\n",
    "broken",
    "importing fault_hangs: TimeoutError: it took longer than",
    named="ends",
)
add(
    "stuck",
    "hangs in its probe",
    hook("stuck", before="import time\ndef probe(): time.sleep(3600)\n").replace(
        "protocol=(1, 0))", "protocol=(1, 0), probe=probe)"
    ),
    "broken",
    "asking backend 'stuck': TimeoutError: it took longer than",
    named="ends",
)

FAULTS = tuple(CATALOGUE.faults)
GOOD = (
    Fault("sound", "does everything right", hook("sound"), "ready", "", named="works"),
    Fault("another-twin", "brings `twin` first", hook("twin"), "ready", "",
          points="[neonport]\ntwin = fault_another_twin\n", backend="twin"),
)  # fmt: skip
