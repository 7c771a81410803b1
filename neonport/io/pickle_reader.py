"""Pickles as data: what neon's checkpoints hold, read without Python's pickle machine.

A pickle is a small program. This reader walks its instructions with `pickletools`, which only
splits them, and carries out the few that build plain data: dicts, lists, tuples, sets, text, bytes,
numbers, None and NumPy arrays. The functions that a pickle names are looked up in the closed table
of `pickle_values`; nothing is imported and nothing of another module is called. A class that stands
alone (neon stored a few) becomes its dotted name as text.

Files of all protocols are read, of Python 2 (whose byte strings become Latin-1 text, as neon read
them) and 3, also inside gzip. Memory is in proportion to the size of the file: lengths that a file
states are compared with what it holds, gzip may unpack to `LARGEST_RATIO` times the size, and what
refers to itself, or to one thing again and again, is limited.
"""

from __future__ import annotations

import ast
import io
import pickletools
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from neonport.errors import CheckpointError
from neonport.io.pickle_values import (
    Array,
    Dtype,
    Name,
    Wrong,
    array_of_state,
    call,
    check_key,
    dtype_of_state,
    word,
)

LARGEST_RATIO = 200  # bytes that gzip may unpack to, for each byte of the file
SMALLEST_LIMIT = 1 << 24  # bytes that any gzip file may unpack to
DEEPEST = 200  # containers within containers
SPARE_VALUES = 100_000  # that a pickle may hold besides one for each of its bytes
SPARE_BYTES = 1 << 20  # that calls may make besides 8 for each byte of the pickle

_GZIP = b"\x1f\x8b"
_TEXT_STARTS = (b"(d", b"(l", b"(i", b"}q", b"]q", b"}(", b"cc", b"cn", b"c__", b"ccopy_reg")
_MARK = object()


def is_pickle(start: bytes) -> bool:
    """Whether the first bytes of a file are those of a pickle, or of gzip."""
    return (start[:1] == b"\x80" and len(start) > 1 and start[1] <= 5) or start.startswith(
        (_GZIP, *_TEXT_STARTS)
    )


def read_pickle(data: bytes, path: str) -> Any:
    """Build the data that a pickle describes; nothing in it is executed.

    Args:
        data: the file's contents.
        path: its name, for errors.

    Returns:
        Dicts, lists, tuples, sets, text, bytes, numbers, None and arrays (which own their memory).

    Raises:
        CheckpointError: with file, offset and reason: it is cut off or damaged, asks for something
            that is no plain data, refers to itself, or is larger than its size allows.
    """
    what = "a pickle"
    if data.startswith(_GZIP):
        data, what = _unpacked(data, path), "a pickle inside gzip"
    reader = _Reader(8 * len(data) + SPARE_BYTES)
    try:
        for position, name, argument in _instructions(data):
            reader.position = position
            reader.carry_out(name, argument)
        return _resolved(reader.result(), len(data) + SPARE_VALUES)
    except Wrong as error:
        reason: str = str(error)
    except MemoryError:
        reason = "there is not enough memory for it"
    except Exception as error:  # what pickletools makes of damaged arguments is not documented
        reason = f"it is truncated or damaged ({str(error)[:200] or type(error).__name__})"
    raise CheckpointError(
        f"{path!r} cannot be read as {what}, at byte {reader.position} of {len(data)}: {reason}; "
        "nothing was loaded. Use another copy, or save it again with the program that wrote it"
    )


def _instructions(data: bytes) -> Iterator[tuple[int, str, Any]]:
    """Place, name and argument of each instruction before STOP.

    `pickletools.genops` takes byte strings of protocol 0 for ASCII; this does not.
    """
    file = io.BytesIO(data)
    while True:
        position = file.tell()
        code = file.read(1)
        if not code:
            raise Wrong("it is truncated")
        opcode = _OPCODES.get(code)
        if opcode is None:
            raise Wrong(f"it is damaged: {code!r} is no instruction")
        if opcode.name == "STOP":
            return
        if opcode.name == "STRING":
            text = file.readline().rstrip(b"\n")
            yield (
                position,
                opcode.name,
                ast.literal_eval("b" + text.decode("ascii")).decode("latin-1"),
            )
        else:
            yield position, opcode.name, opcode.arg and opcode.arg.reader(file)


_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}


def _unpacked(data: bytes, path: str) -> bytes:
    """The contents of a gzip file, which may have several members.

    Raises:
        CheckpointError: it is damaged, or unpacks to far more than its size.
    """
    limit = max(SMALLEST_LIMIT, LARGEST_RATIO * len(data))
    parts, total, rest = [], 0, data
    while rest.startswith(_GZIP):
        machine = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            parts.append(machine.decompress(rest, limit - total + 1))
        except zlib.error as error:
            raise CheckpointError(
                f"{path!r} is a damaged gzip file, at byte {len(data) - len(rest)}: {error}; use "
                "another copy"
            ) from error
        total += len(parts[-1])
        if total > limit:
            raise CheckpointError(
                f"{path!r}: a gzip file of {len(data)} bytes that unpacks to more than {limit}; "
                "unpack it yourself if you know where it comes from"
            )
        if not machine.eof:
            raise CheckpointError(
                f"{path!r} is a gzip file that was cut off at byte {len(data)}; use another copy"
            )
        rest = machine.unused_data
    return b"".join(parts)


class _Reader:
    """The stack and the memo of one pickle.

    Args:
        bytes_left: that calls may make: one long text may be used by many of them.
    """

    def __init__(self, bytes_left: int) -> None:
        self.position = 0
        self.bytes_left = bytes_left
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def result(self) -> Any:
        """What the pickle built."""
        if len(self.stack) != 1 or self.stack[0] is _MARK:
            raise Wrong("it ends with an unfinished value")
        return self.stack[0]

    def carry_out(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _PUSHED:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[int(argument)] = self.top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            if int(argument) not in self.memo:
                raise Wrong(f"it refers to entry {argument}, which is not there")
            self.stack.append(self.memo[int(argument)])
        elif (step := getattr(self, f"_{name.lower()}", None)) is not None:
            step(argument)
        else:
            raise Wrong(f"the instruction {name} is not part of plain data")

    def top(self) -> Any:
        """The newest value."""
        if not self.stack or self.stack[-1] is _MARK:
            raise Wrong("a value is missing")
        return self.stack[-1]

    def pop(self) -> Any:
        """Take the newest value."""
        value = self.top()
        self.stack.pop()
        return value

    def since_mark(self) -> list[Any]:
        """Take all values since the last mark."""
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                values = self.stack[place + 1 :]
                del self.stack[place:]
                return values
        raise Wrong("the start of a list is missing")

    # ---- instructions, by pickletools' names in small letters ------------------------------------

    def _proto(self, version: int) -> None:
        if version > 5:
            raise Wrong(f"protocol {version} is newer than this release reads")

    def _frame(self, length: int) -> None:
        """A hint for readers of streams."""

    def _mark(self, _: None) -> None:
        self.stack.append(_MARK)

    def _pop(self, _: None) -> None:
        if not self.stack:
            raise Wrong("a value is missing")
        self.stack.pop()

    def _pop_mark(self, _: None) -> None:
        self.since_mark()

    def _dup(self, _: None) -> None:
        self.stack.append(self.top())

    def _memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self.top()

    def _tuple(self, _: None) -> None:
        self.stack.append(tuple(self.since_mark()))

    def _tuple1(self, _: None) -> None:
        self.stack.append((self.pop(),))

    def _tuple2(self, _: None) -> None:
        second = self.pop()
        self.stack.append((self.pop(), second))

    def _tuple3(self, _: None) -> None:
        third, second = self.pop(), self.pop()
        self.stack.append((self.pop(), second, third))

    def _list(self, _: None) -> None:
        self.stack.append(self.since_mark())

    def _append(self, _: None) -> None:
        value = self.pop()
        self._expect(list).append(value)

    def _appends(self, _: None) -> None:
        values = self.since_mark()
        self._expect(list).extend(values)

    def _dict(self, _: None) -> None:
        values = self.since_mark()
        self.stack.append({})
        self._set(values)

    def _setitem(self, _: None) -> None:
        value, key = self.pop(), self.pop()
        self._set([key, value])

    def _setitems(self, _: None) -> None:
        self._set(self.since_mark())

    def _additems(self, _: None) -> None:
        values = self.since_mark()
        self._expect(set).update(check_key(value) for value in values)

    def _frozenset(self, _: None) -> None:
        self.stack.append({check_key(value) for value in self.since_mark()})

    def _global(self, argument: str) -> None:
        self.stack.append(Name(argument.replace(" ", ".", 1)))

    def _stack_global(self, _: None) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise Wrong("the name of a function is no text")
        self.stack.append(Name(f"{module}.{name}"))

    def _reduce(self, _: None) -> None:
        arguments, function = self.pop(), self.pop()
        self.stack.append(call(function, arguments))
        self._count(self.stack[-1])

    _newobj = _reduce

    def _build(self, _: None) -> None:
        state, value = self.pop(), self.top()
        if isinstance(value, Array):
            value.array = array_of_state(state)
            self._count(value.array)
        elif isinstance(value, Dtype):
            value.dtype = dtype_of_state(value.dtype, state)
        else:
            raise Wrong(f"a {word(value)} with attributes of its own is no plain data")

    def _count(self, made: Any) -> None:
        if isinstance(made, np.ndarray):
            self.bytes_left -= made.nbytes
        elif isinstance(made, (bytes, bytearray, str)):
            self.bytes_left -= len(made)
        elif isinstance(made, (dict, list, tuple, set)):
            self.bytes_left -= 8 * len(made)
        if self.bytes_left < 0:
            raise Wrong("it makes far more than it holds")

    def _expect(self, kind: type) -> Any:
        value = self.top()
        if type(value) is not kind:
            raise Wrong(f"a {kind.__name__} was expected, there is a {word(value)}")
        return value

    def _set(self, values: list[Any]) -> None:
        target = self._expect(dict)
        if len(values) % 2:
            raise Wrong("a key has no value")
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[check_key(key)] = value


_PUSHED = frozenset(  # instructions whose argument is the value
    word + kind
    for word, kinds in {
        "": ("INT", "LONG", "FLOAT", "STRING", "UNICODE", "LONG1", "LONG4", "BYTEARRAY8"),
        "BIN": ("INT", "INT1", "INT2", "FLOAT", "STRING", "BYTES", "BYTES8", "UNICODE", "UNICODE8"),
        "SHORT_BIN": ("STRING", "BYTES", "UNICODE"),
    }.items()
    for kind in kinds
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": set,
}


# ---- the finished value -------------------------------------------------------------------------


def _resolved(value: Any, limit: int) -> Any:
    """Put arrays in the place of what they were made by, and count.

    A container that is used twice becomes two, so that nothing in the result is shared but arrays;
    the number of values is therefore limited.
    """
    left = limit

    def walk(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Wrong(f"it holds more than {limit} values: some of them again and again")
        if depth > DEEPEST:
            raise Wrong(f"containers are nested more than {DEEPEST} deep, or within themselves")
        if isinstance(value, dict):
            return {key: walk(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, depth + 1) for item in value]
        if isinstance(value, tuple):
            return tuple(walk(item, depth + 1) for item in value)
        if isinstance(value, Array):
            return value.array
        if isinstance(value, Dtype):
            return value.dtype.name
        if isinstance(value, Name):
            return value.text
        return value

    return walk(value, 0)
