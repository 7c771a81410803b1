"""What the text of work-item kernels contains, and what it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from neonport.backends import gen_backend
from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits, LaunchShape
from neonport.errors import ConfigurationError, DtypeError
from neonport.optree.node import transpose
from tests.compiler.codegen.render_trees import TREES, WIDE

DEVICE = ("opencl", "opencl-cpu", "cuda")


@pytest.fixture
def null() -> Iterator[Any]:
    """A backend that renders and runs nothing."""
    be = gen_backend("null", batch_size=4)
    yield be
    be.cleanup_backend()


def _body(source: str) -> str:
    """The kernels without the prelude."""
    return source[source.index("typedef int neo_int") :]


def _kernels(source: str) -> list[str]:
    return re.findall(r"^KERNEL .* void (\w+)\(", source, re.MULTILINE)


@pytest.mark.parametrize("dialect", ["c", *DEVICE])
@pytest.mark.parametrize("name", [*TREES, *WIDE])
def test_every_tree_renders_in_every_language(null, name, dialect):
    tree = {**TREES, **WIDE}[name](null)
    sources = null.render(tree, dialect)
    assert sources
    for source in sources:
        assert source.count("{") == source.count("}")
        assert "SUFFIX" not in source


@pytest.mark.parametrize("dialect", DEVICE)
@pytest.mark.parametrize("name", TREES)
def test_no_double_without_float64(null, name, dialect):
    for source in null.render(TREES[name](null), dialect):
        assert "double" not in _body(source)
        assert "fp64" not in source


@pytest.mark.parametrize("dialect", DEVICE)
def test_float64_is_there_when_a_tensor_has_it(null, dialect):
    (source,) = null.render(WIDE["map64"](null), dialect)
    assert "GLOBAL double *b0" in source
    assert ("cl_khr_fp64" in source) == (dialect != "cuda")


def test_a_device_without_float64_refuses_float64_tensors(null):
    with pytest.raises(DtypeError, match="no float64"):
        null.render(WIDE["map64"](null), "opencl", DeviceTraits(float64=False))


def test_a_number_is_float32_where_there_is_no_float64(null):
    target = null.zeros((4, 4))
    pairs = [(target, 3.5)]
    assert "const double c0" in null.render(pairs, "opencl")[0]
    assert "double" not in null.render(pairs, "opencl", DeviceTraits(float64=False))[0]


@pytest.mark.parametrize(("name", "count"), [("adam", 1), ("softmax", 1), ("batch_norm", 1)])
@pytest.mark.parametrize("dialect", DEVICE)
def test_one_kernel_for_what_fits_in_one(null, name, count, dialect):
    sources = null.render(TREES[name](null), dialect)
    assert len(sources) == count
    assert _kernels(sources[0]) == ["neo_main"]


def test_the_vector_width_is_the_devices(null):
    tree = TREES["map"](null)
    assert "vload4(" in null.render(tree, "opencl")[0]
    assert "vload16(" in null.render(tree, "opencl-cpu")[0]
    assert "vload8(" in null.render(tree, "opencl", DeviceTraits(vector_bytes=32))[0]
    assert "vload" not in _body(null.render(tree, "opencl", DeviceTraits(vector_bytes=4))[0])
    assert "neo_pack<float, 4>" in null.render(tree, "cuda")[0]


def test_float64_halves_the_vector(null):
    tree = WIDE["map64"](null)
    assert "vload2(" in null.render(tree, "opencl")[0]
    assert "vload8(" in null.render(tree, "opencl-cpu")[0]


@pytest.mark.parametrize("dialect", DEVICE)
def test_strided_operands_are_read_one_by_one(null, dialect):
    body = _body(null.render(TREES["map_strided"](null), dialect)[0])
    assert "vload" not in body
    assert "neo_pack" not in body


@pytest.mark.parametrize("dialect", ["opencl", "cuda"])
def test_transposed_operands_pass_through_local_memory(null, dialect):
    body = _body(null.render(TREES["map_turned"](null), dialect)[0])
    assert "LOCAL float turned0[1056];" in body or "LOCAL float turned1[1056];" in body
    assert body.count("BARRIER();") == 1
    assert "NEO_GROUP(256)" in body
    assert "turned" not in _body(null.render(TREES["map"](null), dialect)[0])


def test_transposed_operands_are_turned_in_registers_on_a_processor(null):
    body = _body(null.render(TREES["map_turned"](null), "opencl-cpu")[0])
    assert "NEO_TURN(float)" in body
    assert "neo_turn_float(turned" in body
    assert "vload16(0, turned" in body
    assert "LOCAL " not in body
    assert "BARRIER" not in body
    assert "NEO_TURN" not in null.render(TREES["map"](null), "opencl-cpu")[0]


def test_tiles_are_those_of_most_transposed_operands(null):
    a, b, c = (null.zeros((40, 40, 40)) for _ in range(3))
    one, other = (1, 2, 0), (2, 0, 1)  # neighbours lie along the middle axis, and the first one
    for most, least in ((one, other), (other, one)):
        tree = transpose(a, most) + transpose(b, most) * transpose(c, least)
        body = _body(null.render(tree, "opencl")[0])
        assert len(re.findall(r"LOCAL float turned", body)) == 2


@pytest.mark.parametrize("dialect", DEVICE)
def test_tiles_hold_halves_as_bits(null, dialect):
    (body,) = (
        text
        for text in map(_body, null.render(TREES["map_turned_dtypes"](null), dialect))
        if "turned" in text
    )
    assert re.search(r"ushort turned\d+\[", body)
    assert not re.search(r"half turned\d+\[", body)


def test_only_ragged_rows_have_a_scalar_rest(null):
    even, ragged = null.zeros((8, 64)), null.zeros((8, 63))
    assert "} else {" not in _body(null.render(even * 2, "opencl")[0])
    assert "} else {" in _body(null.render(null.zeros((1, 63)) * 2, "opencl")[0])
    assert "% 4;" in _body(null.render(null.sum(ragged, axis=1), "opencl")[0])
    assert "% 4;" not in _body(null.render(null.sum(even, axis=1), "opencl")[0])


def test_packs_need_aligned_rows(null):
    whole = null.zeros((8, 64))
    assert "neo_pack" in _body(null.render([(whole[:, :32], whole[:, 4:36] * 2)], "cuda")[0])
    assert "neo_pack" not in _body(null.render([(whole[:, :32], whole[:, 1:33] * 2)], "cuda")[0])
    assert "vload4(" in null.render([(whole[:, :32], whole[:, 1:33] * 2)], "opencl")[0]


def test_rows_meet_in_local_memory_and_columns_do_not(null):
    rows = null.render(TREES["softmax"](null), "opencl")[0]
    assert "LOCAL float tree[" in rows
    assert _body(rows).count("BARRIER();") == 6  # two reductions, three each
    columns = null.render(TREES["columns"](null), "opencl")[0]
    assert "BARRIER()" not in _body(columns)
    assert "LOCAL " not in _body(columns)


def test_a_work_item_that_is_a_loop_needs_no_barrier(null):
    body = _body(null.render(TREES["softmax"](null), "opencl-cpu")[0])
    assert "BARRIER" not in body
    assert "NEO_GROUP(1)" in body


def test_work_groups_of_any_size_hold_items_that_work_alone(null):
    traits = DeviceTraits(vector_bytes=64, group=1, cores=2, largest=8192)
    for name in ("map", "softmax", "columns", "long_rows"):
        body = _body(null.render(TREES[name](null), "opencl", traits)[0])
        assert "KERNEL NEO_ALONE void" in body
        assert not re.search("NEO_GROUP|GROUP_ID|LOCAL_ID", body)
    # single elements: drivers make vectors of them
    assert "NEO_GROUP(" in _body(null.render(TREES["map_strided"](null), "opencl", traits)[0])


@pytest.mark.parametrize("cores", [1, 2, 3, 64])
@pytest.mark.parametrize(
    ("items", "elements"),
    [
        (1, 6),
        (63, 1000),
        (30, 10**5),
        (50, 10**5),
        (100, 10**5),
        (6250, 10**5),
        (50, 10**7),
        (625_000, 10**7),
    ],
)
def test_cores_get_as_much_each(cores, items, elements):
    shape = LaunchShape(None, 1, 1, 1, 1, 1, elements, cores, 8192)
    groups, size = shape.groups(items, elements)
    assert (groups - 1) * size < items <= groups * size
    assert size <= 8192
    if elements <= 4096:
        assert groups == 1  # less than it costs to hand it out
    busiest = -(-groups // cores) * size * cores
    assert groups < cores or busiest <= 1.4 * items
    if (cores, elements) == (2, 10**5):
        assert busiest <= 1.04 * items
        assert groups <= 10  # each of them costs


def test_lanes_meet_as_vectors(null):
    body = _body(null.render(TREES["softmax"](null), "opencl-cpu")[0])
    assert body.count(".s89abcdef01234567") == 3  # one of the maximum, two of the sum
    assert "for (int l" not in body


def test_partials_take_turns_where_values_are_cheap(null):
    x, total = null.empty((64, 1000)), null.empty((64, 1))

    def text(value):
        return _body(null.render([(total, value)], "opencl-cpu")[0])

    assert re.search(r"x0b \+= v\d", text(null.sum(x * x, axis=1)))
    assert "x0b" not in text(null.sum(null.exp(x), axis=1))
    assert "x0b" not in text(null.var(x, axis=1))


def test_a_maximum_of_vectors_keeps_nan_without_a_second_choice(null):
    (source,) = null.render(TREES["softmax"](null), "opencl-cpu")
    functions = re.findall(r"neo_max_v?f32\(float\d* a.*?\}", source, re.DOTALL)
    assert ["a != a ? a : r" in f for f in functions] == [True, False]


@pytest.mark.parametrize("dialect", DEVICE)
@pytest.mark.parametrize("name", ["long_rows", "long_columns", "argmax_long"])
def test_few_long_rows_are_cut_and_combined(null, name, dialect):
    sources = null.render(TREES[name](null), dialect)
    assert _kernels(sources[0]) == ["neo_phase0", "neo_combine0"]


def test_a_row_result_that_is_used_again_comes_from_scratch(null):
    (source,) = null.render(TREES["long_rows_var"](null), "opencl")
    assert _kernels(source) == ["neo_phase0", "neo_combine0", "neo_phase1"]


@pytest.mark.parametrize("dialect", DEVICE)
def test_there_are_no_atomics_and_no_subgroups(null, dialect):
    for tree in TREES.values():
        for source in null.render(tree(null), dialect):
            assert not re.search(r"atom(ic)?_|sub_group|__shfl|atomicAdd", source)


def test_positions_have_32_bits_while_they_can(null):
    assert "typedef int neo_int;" in null.render(TREES["map"](null), "opencl")[0]
    huge = _huge(null)
    assert "typedef neo_i64 neo_int;" in null.render([(huge, huge * 2)], "opencl")[0]


def _huge(null):
    """A tensor of 4 G elements whose memory is never touched."""
    storage = null.allocate(64)
    shape = (1 << 16, 1 << 16)
    return null.wrap(storage, np.dtype("float32"), shape, (shape[1], 1), 0)


def test_learning_rates_are_arguments(null):
    w, g = null.zeros((4, 8)), null.zeros((4, 8))
    first = null.render([(w, w - 0.1 * g)], "cuda")
    assert first == null.render([(w, w - 0.02 * g)], "cuda")
    assert "const float c0" in first[0]


def test_half_is_only_a_storage_format(null):
    body = _body(null.render(TREES["columns_half"](null), "opencl")[0])
    assert "neo_load_half4(" in body
    assert "GLOBAL half *b0" in body
    assert not re.search(r"\bhalf\d* v\d", body)


@pytest.mark.parametrize("dialect", ["opencl", "cuda"])
def test_bfloat16_is_bits_in_memory_and_float32_in_computation(null, dialect):
    body = _body(null.render(TREES["columns_bfloat16"](null), dialect)[0])
    assert "neo_from_bf16" in body
    assert not re.search(r"ushort\d* v\d", body)


def test_an_unknown_dialect_is_named(null):
    with pytest.raises(ConfigurationError, match="'metal' is unknown"):
        null.render(TREES["map"](null), "metal")
