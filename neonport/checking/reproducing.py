"""A folder with the inputs of a statement and a script that runs it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import isfinite
from pathlib import Path
from typing import Any, cast

import numpy as np

from neonport.errors import ConfigurationError
from neonport.optree.node import tensors, walk
from neonport.shape import span

ALIGNMENT = 64  # bytes: views lie in a new block as they lay in the old one

SCRIPT = '''\
"""Runs a statement again that was wrong on {where}: python reproduce.py [BACKEND [DEVICE]]"""

import sys
from pathlib import Path

import numpy as np

from neonport import gen_backend
from neonport.checking.opinion import examine
from neonport.dtypes import as_dtype
from neonport.optree.node import apply
from neonport.tensor.tensor import Tensor

name, device = [*sys.argv[1:], "0"][:2] if sys.argv[1:] else {default!r}
be = gen_backend(name, device_id=int(device), batch_size={batch})
with np.load(Path(__file__).with_name("inputs.npz")) as file:
    data = dict(file)


def tensor(block, dtype, *layout, raw=None):
    made = Tensor(be, block.storage, as_dtype(dtype), layout)
    if raw is not None:
        made.set(np.frombuffer(data[raw].tobytes(), as_dtype(dtype)).reshape(layout[0]))
    return made


{body}
problems = examine(be, pairs, {check!r}, {run})
print("\\n".join(problems) or "nothing is wrong here")
'''


@dataclass(frozen=True)
class Inputs:
    """What is needed to run a statement again.

    Attributes:
        contents: id of each operand -> what it held.
        state: of the generator of random numbers.
        product: arguments of a call that makes products, tensors and factors; None of an
            assignment.
        call: name of the method that makes it.
    """

    contents: dict[int, Any]
    state: Any = None
    product: Sequence[Any] | None = None
    call: str = ""


def save(
    folder: Path,
    be: Any,
    second: Any,
    pairs: Sequence[tuple[Any, Any]],
    kept: Inputs,
    report: str,
) -> Path:
    """Write `inputs.npz`, `reproduce.py` and `report.txt` into a new folder; return it.

    Args:
        folder: in which the new one is made; nothing that is there is touched.
        be, second: where the statement ran, and who was asked.
        pairs: targets and right-hand sides.
        kept: what is needed to run it again.
        report: the text of the finding.

    Raises:
        ConfigurationError: nothing can be written there.
    """
    text, arrays = script(be, second, pairs, kept)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            into = folder / f"statement-{number}"
            try:
                into.mkdir()
            except FileExistsError:
                continue
            break
        np.savez(into / "inputs.npz", **cast("dict[str, Any]", arrays))
        (into / "reproduce.py").write_text(text, encoding="utf-8")
        (into / "report.txt").write_text(report + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"NEONPORT_CHECK_SAVE={str(folder)!r}: the inputs of a wrong statement cannot be saved "
            f"there: {error}; name a folder that you can write"
        ) from error
    return into


def script(
    be: Any, second: Any, pairs: Sequence[tuple[Any, Any]], kept: Inputs
) -> tuple[str, dict[str, np.ndarray]]:
    """The text of the script, and the arrays that it reads."""
    values = [value for _, value in pairs]
    leaves = list({id(t): t for t in (*tensors(*values), *(t for t, _ in pairs))}.values())
    names: dict[int, str] = {}
    arrays: dict[str, np.ndarray] = {}
    lines = list(_blocks(leaves))
    for number, t in enumerate(leaves):
        names[id(t)] = f"t{number}"
        block, low = _block_of(t, leaves)
        layout = f"{t.shape}, {t.strides}, {t.offset - low // t.dtype.itemsize}"
        raw = ""
        if id(t) in kept.contents:
            raw = f', raw="t{number}"'
            arrays[f"t{number}"] = np.frombuffer(kept.contents[id(t)].tobytes(), np.uint8)
        lines.append(f'{names[id(t)]} = tensor({block}, "{t.dtype}", {layout}{raw})')
    for number, node in enumerate(walk(*values)):
        names[id(node)] = f"n{number}"
        parts = [repr(node.op), *(names.get(id(a)) or _number(a) for a in node.args)]
        parts += [f"{key}={value!r}" for key, value in node.params.items()]
        lines.append(f"n{number} = apply({', '.join(parts)})")
    items = [f"({names[id(t)]}, {names.get(id(v)) or _number(v)})" for t, v in pairs]
    lines.append(f"pairs = [{', '.join(items)}]")
    if kept.state is not None:
        lines.append(f"be.philox.set_state({tuple(kept.state)!r})")
    run = "None"
    if kept.product is not None:
        parts = [_argument(x, names) for x in kept.product]
        run = f"lambda: be.{kept.call}({', '.join(parts)})"
    text = SCRIPT.format(
        where=be, default=[be.backend_name, str(be.device_id)], batch=be.bsz or 0,
        body="\n".join(lines), check=f"{second.backend_name}:{second.device_id}:1", run=run,
    )  # fmt: skip
    return text, arrays


def _argument(value: Any, names: dict[int, str]) -> str:
    """A tensor, a number, or a tuple of them."""
    if isinstance(value, tuple):
        return f"({', '.join(_argument(x, names) for x in value)})"
    return names.get(id(value)) or _number(value)


def _number(value: Any) -> str:
    if type(value) is int or (type(value) is float and isfinite(value)):
        return repr(value)
    return f'float("{float(value)!r}")'  # nan, infinite, or of a recorded step


def _ranges(leaves: Sequence[Any]) -> dict[int, tuple[int, int]]:
    """First and last byte of what is used of each block, from an aligned one on."""
    found: dict[int, tuple[int, int]] = {}
    for t in leaves:
        low, high = (x * t.dtype.itemsize for x in span(*t.layout))
        first, last = found.get(id(t.storage), (low, high))
        found[id(t.storage)] = min(low, first), max(high, last)
    return {key: (low - low % ALIGNMENT, high) for key, (low, high) in found.items()}


def _blocks(leaves: Sequence[Any]) -> list[str]:
    return [
        f'b{number} = be.zeros((1, {max(high - low, 1)}), dtype="uint8")'
        for number, (low, high) in enumerate(_ranges(leaves).values())
    ]


def _block_of(t: Any, leaves: Sequence[Any]) -> tuple[str, int]:
    ranges = _ranges(leaves)
    return f"b{list(ranges).index(id(t.storage))}", ranges[id(t.storage)][0]
