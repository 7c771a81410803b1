"""Products by our own C, where registers hold 64 bytes and a BLAS takes longer; those of `thin.c`.

`thin.c` makes products with short sums and many columns: what all steps of sequences give to a
layer. Rows of such operands are far apart; a BLAS copies them in blocks that are made for square
products. Tasks depend on the sizes alone, so equal products have equal bits on any number of
threads.
"""

from __future__ import annotations

import ctypes
import re
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from neonport.backends.host import memory
from neonport.backends.host.blas.pieces import SERIAL_WORK
from neonport.backends.host.blas.product import KINDS, Addresses, Bound, Product
from neonport.backends.host.cpu_info import last_level_cache
from neonport.backends.host.jit.launcher import BoundProgram, HostJit, entry_address, make_program
from neonport.backends.host.jit.texts import text_of
from neonport.errors import CompileError
from neonport.log import logger

VECTOR = 64  # bytes that the registers must hold
# functions of a text, in the order in which they run
ENTRIES = {
    "wide": ("wide_pack", "wide", "wide_join"),
    "thin": ("thin_pack", "thin"),
    "middle": ("middle_begin", "middle"),
    "large": ("large_begin", "large"),
}
_CONSTANT = re.compile(r"\bneo_(\w+) = ")
LEAST_ROWS = 24
THIN_COLUMNS, THIN_TERMS = 1024, 16  # at least
THIN_DEPTH = 256  # terms, at most: as in the text
THIN_WORK = 1 << 25  # multiplications, at least: of fewer a BLAS copies nothing
THIN_TASKS = 16  # at least, if they can be had by dividing the columns
THIN_COPY = 512 << 10  # bytes of the copy, at most: it passes a cache once for each block
CACHE_SHARE = 8  # a target that needs more than this part of the cache is written past it


def panels_of(jit: HostJit, product: Product) -> PanelProduct | None:
    """A product with short sums by our own C, None where a BLAS is as good."""
    alone = product.count * product.added == 1 and not product.vector
    if not alone or product.sizes[0] < LEAST_ROWS or not _is_thin(product):
        return None
    text = panel_text(jit, "thin", KINDS[product.dtype])
    if text is None:
        return None
    found = _thin(product, text.constants)
    if found.packed * product.dtype.itemsize > THIN_COPY:
        return None
    return PanelProduct(jit, text, product, found)


def streams(product: Product) -> bool:
    """Whether `thin.c` writes the target past the cache, which pays more than larger blocks do."""
    alone = product.count * product.added == 1 and not product.vector
    return alone and product.sizes[0] >= LEAST_ROWS and _is_thin(product) and _is_large(product)


def _is_thin(product: Product) -> bool:
    m, n, k = product.sizes
    return (
        not product.transposed[1]
        and n >= THIN_COLUMNS
        and THIN_TERMS <= k <= THIN_DEPTH
        and m * k * product.dtype.itemsize <= THIN_COPY
        and product.work >= THIN_WORK
    )


def _is_large(product: Product) -> bool:
    m, n, _ = product.sizes
    return m * n * product.dtype.itemsize > last_level_cache() // CACHE_SHARE


class _Plan(NamedTuple):
    """How a text makes a product.

    Attributes:
        packed: numbers of the copy of an operand.
        words: what the text wants to know between the steps and the factors.
        tasks: of the copy, and of the product.
    """

    packed: int
    words: tuple[int, ...]
    tasks: tuple[int, int]


def _thin(product: Product, size: dict[str, int]) -> _Plan:
    m, n, k = product.sizes
    panels, columns = ceil(m / size["panel"]), size["columns"]
    while ceil(n / columns) < THIN_TASKS and columns > 4 * size["block"]:
        columns //= 2
    words = columns, int(product.transposed[0]), int(_is_large(product))
    return _Plan(panels * size["panel"] * k, words, (panels, ceil(n / columns)))


class PanelText:
    """A compiled text for a type.

    Attributes:
        constants: sizes of its blocks, by name.
        entries: addresses of the functions that run one after the other.
    """

    def __init__(self, jit: HostJit, name: str, kind: str) -> None:
        real = {"s": "float", "d": "double"}[kind]
        text = text_of("neonport.backends.host.blas.own", f"{name}.c", {"REAL": real})
        self.library = jit.compiler.load(text, ["-ffp-contract=fast"])
        declared = re.findall(r"^const int64_t (.+?);$", text, re.MULTILINE)
        self.constants = {
            word: ctypes.c_int64.in_dll(self.library, f"neo_{word}").value
            for word in _CONSTANT.findall(", ".join(declared))
        }
        self.entries = [entry_address(getattr(self.library, f"neo_{x}")) for x in ENTRIES[name]]


def panel_text(jit: HostJit, name: str, kind: str) -> PanelText | None:
    """The text of a name for a type; None where a BLAS is faster, or no compiler takes it."""
    text = _compiled(jit, name, kind)
    return None if text is None or text.constants["bytes"] < VECTOR else text


@lru_cache(maxsize=8)
def _compiled(jit: HostJit, name: str, kind: str) -> PanelText | None:
    try:
        return PanelText(jit, name, kind)
    except CompileError as error:
        logger.debug("%s products are left to the BLAS: %s", name, error)
        return None


class PanelProduct:
    """A product, ready for any addresses.

    Args:
        jit: has the pool.
        text: the compiled one.
        product: what it is.
        plan: how the text makes it.
    """

    def __init__(self, jit: HostJit, text: PanelText, product: Product, plan: _Plan) -> None:
        self.jit, self.text, self.product, self.plan = jit, text, product, plan

    def call(self, alpha: float, beta: float, addresses: Addresses) -> None:
        """Compute c = alpha * a @ b + beta * c for matrices at these addresses."""
        self.bind(alpha, beta, addresses, None)()

    def bind(self, alpha: float, beta: float, addresses: Addresses, keep: Any) -> Bound:
        """Make a call without arguments for these addresses; it keeps something alive."""
        product, plan = self.product, self.plan
        room = memory.allocate(plan.packed * product.dtype.itemsize)
        factors = np.array([alpha, beta], np.float64).view(np.int64).tolist()
        words = np.array(
            [*product.sizes, *product.steps, *plan.words, *factors, *addresses, room.address],
            np.int64,
        )
        grain = int(product.work >= SERIAL_WORK)
        launches = [
            (entry, words, tasks, grain)
            for entry, tasks in zip(self.text.entries, plan.tasks, strict=True)
        ]
        program = make_program(launches, even=True)
        return BoundProgram(self.jit.run, program, (words, room, keep, self.text))
