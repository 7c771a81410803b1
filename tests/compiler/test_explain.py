"""`be.explain`: text, numbers and drawing say what the plan is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from neonport.autodiff.autodiff import Autodiff
from neonport.backends import gen_backend
from neonport.compiler.execution_plan import make_plan
from neonport.compiler.lowering import Lowering
from neonport.errors import BackendMismatchError, ConfigurationError, ShapeError
from neonport.optree.node import apply


def softmax(be, x):
    e = be.exp(x - be.max(x, axis=1))
    return e / be.sum(e, axis=1)


def adam(be, p, g, m, v):
    first, second = m * 0.9 + g * 0.1, v * 0.999 + g * g * 0.001
    return [(m, first), (v, second), (p, p - 0.001 * first / (be.sqrt(second) + 1e-8))]


def named(be, shape, *names):
    return [be.zeros(shape, name=n) for n in names]


@pytest.fixture
def gradient_step(cpu):
    """An update of w and b by the gradient of a layer: calls, kernels and temporaries."""
    w, x, b = cpu.zeros((5, 7), name="w"), cpu.zeros((7, 9), name="x"), cpu.zeros((5, 1), name="b")
    loss = cpu.sum(cpu.tanh(cpu.dot(w, x) + b))
    dw, db = Autodiff(loss, cpu).get_grad_op_tree([w, b])
    return [(w, w - 0.1 * dw), (b, b - 0.1 * db)]


def test_the_text_of_a_softmax(cpu):
    (x,) = named(cpu, (100, 1000), "x")
    assert str(cpu.explain(softmax(cpu, x))) == (
        "reads   x float32 (100, 1000)\n"
        "writes  out float32 (100, 1000)\n"
        "1 kernel, 0 calls, 800,000 bytes, 500,000 operations\n"
        "\n"
        "1. kernel over (100, 1000), folds axis 1, 3 phases: 800,000 bytes, 500,000 operations\n"
        "   v1 = max(x, axis=1)\n"
        "   v2 = exp(x - v1)\n"
        "   v3 = sum(v2, axis=1)\n"
        "   out <- v2 / v3"
    )


def test_a_tree_tells_its_own_schedule(cpu):
    (x,) = named(cpu, (10, 20), "x")
    tree = softmax(cpu, x)
    assert str(tree.schedule(source=True)) == str(cpu.explain(tree, source=True))


def test_stores_come_after_all_values(cpu):
    p, g, m, v = named(cpu, (3, 4), "p", "g", "m", "v")
    (kernel,) = cpu.explain(adam(cpu, p, g, m, v)).kernels
    assert kernel.lines == (
        "v1 = (m * 0.9) + (g * 0.1)",
        "v2 = (v * 0.999) + ((g * g) * 0.001)",
        "m <- v1",
        "v <- v2",
        "p <- p - ((0.001 * v1) / (sqrt(v2) + 1e-08))",
    )


def test_bytes_and_operations_of_adam(cpu):
    found = cpu.explain(adam(cpu, *named(cpu, (100, 20), "p", "g", "m", "v")))
    assert found.bytes_moved == 7 * 2000 * 4
    assert found.operations == 2000 * (3 + 4 + 5)  # m, v, p: multiplications, sums, root, division


def test_row_values_cost_one_operation_a_row(cpu):
    x, g = cpu.zeros((10, 1000)), cpu.zeros((10, 1))
    assert cpu.explain(x * cpu.sqrt(g + 1.0)).operations == 10_000 + 2 * 10
    assert cpu.explain(cpu.sum(x * x, axis=1) * 0.5).operations == 20_000 + 10


@pytest.mark.parametrize(
    ("shapes", "operations"),
    [(((5, 7), (7, 9)), 2 * 5 * 7 * 9), (((3, 5, 7), (3, 7, 9)), 3 * 2 * 5 * 7 * 9)],
)
def test_a_product_costs_two_operations_a_term(cpu, shapes, operations):
    a, b = (cpu.zeros(s) for s in shapes)
    tree = cpu.dot(a, b) if a.ndim == 2 else apply("batched_dot", a, b, reduce=False)
    (call,) = cpu.explain(tree).calls
    assert call.operations == operations
    assert call.bytes_moved == 4 * sum(int(np.prod(s)) for s in (*shapes, tree.shape))


def test_the_steps_are_those_of_the_plan(cpu, gradient_step):
    found = cpu.explain(gradient_step)
    lowering = Lowering([s for _, tree in gradient_step for s in tree.scalars])
    planned = list(make_plan(lowering.build(gradient_step)).steps)
    assert [s.is_kernel for s in found.steps] == [hasattr(s, "kernel") for s in planned]
    assert [s.spec for s in found.steps] == planned


def test_what_passes_between_steps_has_one_name_and_a_size(cpu, gradient_step):
    found = cpu.explain(gradient_step)
    text = str(found)
    assert found.temporaries["tmp1"] == 5 * 9 * 4
    for name, size in found.temporaries.items():
        assert f"keeps   {name} ({size:,} bytes)" in text
        assert f"{name} <- " in text
        assert re.search(rf"(<-|=|\().*\b{name}\b", text)


def test_an_update_by_a_product_needs_no_copy(cpu, gradient_step):
    last = cpu.explain(gradient_step).steps[-1]
    assert re.fullmatch(r"w <- w - \(0\.1 \* tmp\d\)", last.lines[-1])


def test_names(cpu):
    x = cpu.zeros((4, 4), name="x")
    other, y = cpu.zeros((4, 4)), cpu.zeros((4, 4), name="x")  # a second x
    tree = x.T * x[::-1] + other + y
    (kernel,) = cpu.explain([(x, tree)]).kernels[:1]
    assert kernel.lines == ("tmp1 <- ((x.T * x[...]) + t1) + x1",)


def test_texts_do_not_grow_with_the_tree(cpu):
    shared = alone = x = cpu.zeros((2, 2), name="x")
    for _ in range(60):
        shared = shared * shared + x
        alone = cpu.tanh(alone + x)
    for tree in (shared, alone):
        text = str(cpu.explain(tree))
        assert max(map(len, text.splitlines())) < 120
        assert len(text) < 10_000


@pytest.mark.parametrize("value", [3.0, float("inf"), float("nan"), -0.0, 1 / 3])
def test_a_number_is_shown_as_it_would_be_typed(cpu, value):
    x = cpu.zeros((2, 2), name="x")
    text = str(cpu.explain([(x, x * value)]))
    (shown,) = re.findall(r"x <- x \* (\S+)", text)
    assert np.isclose(float(shown), value, rtol=1e-5, equal_nan=True)


def test_source_is_what_is_compiled_and_needs_no_run(cpu):
    x = cpu.zeros((300, 200), name="x")
    cpu.allocate = None  # nothing may be allocated
    (kernel,) = cpu.explain(cpu.exp(x) * 2, source=True).kernels
    assert "void neo_main(" in kernel.source
    assert "neo_exp_f32(" in kernel.source
    assert cpu.explain(cpu.exp(x) * 2).kernels[0].source == ""
    assert not cpu.bound


@pytest.mark.parametrize(
    ("dialect", "word"),
    [("c", "neo_word *a"), ("opencl", "vload"), ("opencl-cpu", "vload"), ("cuda", "#pragma")],
)
def test_null_shows_every_language(dialect, word):
    be = gen_backend("null", batch_size=2)
    be.dialect = dialect
    (kernel,) = be.explain(be.exp(be.zeros((64, 64))), source=True).kernels
    assert word in kernel.source
    be.cleanup_backend()


def test_an_unknown_language_is_an_error():
    be = gen_backend("null", batch_size=2)
    be.dialect = "fortran"
    with pytest.raises(ConfigurationError, match="fortran"):
        be.explain(be.exp(be.zeros((2, 2))), source=True)
    be.cleanup_backend()


def test_mistakes_are_those_of_the_assignment(cpu):
    x, y = cpu.zeros((2, 3)), cpu.zeros((4, 5))
    with pytest.raises(ShapeError, match="assign"):
        cpu.explain([(x, y + 1)])
    with pytest.raises(ConfigurationError, match="pairs"):
        cpu.explain(x)
    with pytest.raises(ShapeError, match="only known on assignment"):
        cpu.explain(cpu.onehot([1, 2], axis=0) + 1)
    with pytest.raises(ConfigurationError, match="no tensor"):
        cpu.rand(shape=(2, 2)).schedule()
    other = gen_backend("null", batch_size=2)
    with pytest.raises(BackendMismatchError, match="its own backend"):
        other.explain(y + 1)
    other.cleanup_backend()


def test_no_elements(cpu):
    found = cpu.explain(cpu.zeros((0, 3)) + 1)
    assert found.steps == ()
    assert str(found).endswith("no elements: nothing runs")
    assert "no elements" in found.mermaid()


# ---- the drawing -------------------------------------------------------------------------------


def _boxes(chart):
    """Title of each box -> its nodes (name -> label) and edges; dotted lines between boxes."""
    first, *lines = chart.splitlines()
    assert first == "flowchart TD"
    boxes, far, inside = {}, [], None
    for line in lines:
        if found := re.fullmatch(r'  subgraph \w+\["(.*)"\]', line):
            inside = boxes[found[1]] = ({}, [])
        elif line == "  end":
            inside = None
        elif found := re.fullmatch(r"    (n\d+) --> (n\d+)", line):
            inside[1].append(found.groups())
        elif found := re.fullmatch(r"  (n\d+) -\.-> (n\d+)", line):
            far.append(found.groups())
        else:
            found = re.fullmatch(r'    (n\d+)(?:\[\(|\(\[|\[\[)"(.*)"(?:\)\]|\]\)|\]\])', line)
            inside[0][found[1]] = found[2]
    return boxes, far


def test_every_step_is_a_box_with_nodes_of_its_own(cpu, gradient_step):
    found = cpu.explain(gradient_step)
    boxes, _ = _boxes(found.mermaid())
    assert [title.split()[0] for title in boxes] == [
        "kernel" if s.is_kernel else "call" for s in found.steps
    ]
    names = [name for nodes, _ in boxes.values() for name in nodes]
    assert len(set(names)) == len(names)
    for nodes, edges in boxes.values():
        assert {name for edge in edges for name in edge} <= set(nodes)
        for name in nodes:  # none is drawn for nothing
            assert any(name in edge for edge in edges)


def test_memory_between_kernels_is_a_dotted_line(cpu, gradient_step):
    found = cpu.explain(gradient_step)
    boxes, far = _boxes(found.mermaid())
    labels = {name: label for nodes, _ in boxes.values() for name, label in nodes.items()}
    assert sorted(labels[a] for a, _ in far) == sorted(found.temporaries)
    assert all(labels[a] == labels[b] for a, b in far)


def test_a_box_shows_what_its_step_computes(cpu):
    x, y = named(cpu, (4, 5), "x", "y")
    boxes, far = _boxes(cpu.explain([(y, cpu.exp(x) * 2.0 + x.T.T)]).mermaid())
    ((nodes, edges),) = boxes.values()
    shown = sorted((nodes[a], nodes[b]) for a, b in edges)
    assert shown == [
        ("exp(·)", "· * 2"), ("x", "exp(·)"), ("x", "· + ·"), ("· * 2", "· + ·"), ("· + ·", "y"),
    ]  # fmt: skip
    assert far == []


def test_a_copy_at_the_end_is_a_box_as_well(cpu):
    (x,) = named(cpu, (4, 4), "x")
    boxes, far = _boxes(cpu.explain([(x, x.T * 2)]).mermaid())
    assert list(list(boxes.values())[-1][0].values()) == ["tmp1", "x"]
    assert len(far) == 1


def test_the_drawing_is_the_same_every_time_and_escapes_names(cpu):
    x = cpu.zeros((4, 4), name='a<b&"c"')
    tree = softmax(cpu, x)
    assert cpu.explain(tree).mermaid() == cpu.explain(softmax(cpu, x)).mermaid()
    ((nodes, _),) = _boxes(cpu.explain(tree).mermaid())[0].values()
    assert {"a#60;b#38;#34;c#34;", "out", "exp(·)", "sum(·, axis=1)"} <= set(nodes.values())
