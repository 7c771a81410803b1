"""`neonport show`: expressions are read and never executed, scripts are run and shown."""

from __future__ import annotations

import os

import pytest

from neonport.backends import cleanup_backend, gen_backend
from neonport.cli.expression_reader import FUNCTIONS, Reader
from neonport.cli.main import main
from neonport.errors import ConfigurationError
from neonport.plugins.registry import create_backend


@pytest.fixture(autouse=True)
def _no_backend_left():
    yield
    cleanup_backend()


def show(capsys, *arguments):
    status = main(["show", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_an_expression(capsys):
    status, out, _ = show(capsys, "1/(1+be.exp(-x))", "--shape", "x=1000x1000")
    assert status == 0
    assert out == (
        "reads   x float32 (1000, 1000)\n"
        "writes  out float32 (1000, 1000)\n"
        "1 kernel, 0 calls, 8,000,000 bytes, 4,000,000 operations\n"
        "\n"
        "1. kernel over (1000, 1000), 1 phase: 8,000,000 bytes, 4,000,000 operations\n"
        "   out <- 1 / (1 + exp(-x))\n"
    )


def test_assignments_are_given_together(capsys):
    text = "m1 = 0.9*m + 0.1*g; m = m1; p = p - 0.01*m1"
    shapes = [word for name in "mgp" for word in ("--shape", f"{name}=8x8")]
    status, out, _ = show(capsys, text, *shapes)
    assert status == 0
    assert "1 kernel, 0 calls" in out
    assert out.endswith("   v1 = (0.9 * m) + (0.1 * g)\n   m <- v1\n   p <- p - (0.01 * v1)\n")


@pytest.mark.parametrize(
    ("dialect", "word"),
    [("c", "void neo_main(const neo_word"), ("opencl", "vload4"), ("cuda", "neo_pack<float, 4>")],
)
def test_sources_in_every_language(capsys, dialect, word):
    _, out, _ = show(capsys, "be.tanh(x)", "--shape", "x=64x64", "--source", "--dialect", dialect)
    assert word in out


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_dtype_belongs_to_the_shape(capsys, dtype):
    _, out, _ = show(capsys, "x * 2", "--shape", f"x=3x4:{dtype}")
    assert f"reads   x {dtype} (3, 4)" in out


def test_a_drawing(capsys, tmp_path):
    place = tmp_path / "tree.mmd"
    assert show(capsys, "x + 1", "--shape", "x=3x4", "--mermaid", str(place))[0] == 0
    assert place.read_text().startswith("flowchart TD\n")


def test_a_drawing_replaces_a_file_only_when_asked(capsys, tmp_path):
    place = tmp_path / "precious.md"
    place.write_text("precious")
    arguments = ["x + 1", "--shape", "x=3x4", "--mermaid", str(place)]
    status, out, err = show(capsys, *arguments)
    assert (status, out) == (1, "")
    assert "precious.md exists; --force replaces it" in err
    assert place.read_text() == "precious"
    assert show(capsys, *arguments, "--force")[0] == 0
    assert place.read_text().startswith("flowchart TD\n")
    arguments[-1] = os.devnull  # devices are written to, not replaced
    assert show(capsys, *arguments)[0] == 0


@pytest.mark.parametrize("text", [
    "__import__('os').system('true')", "be.__class__", "be.rng", "be.empty((2, 2))", "x.backend",
    "x.get()", "(lambda: x)()", "[x for x in x]", "be.exp(x, out=x)", "be.sum(*x)", "be.sum(**x)",
    "x @ x", "x if x else x", "be.exp", "import os", "x += 1", "x[x]", "'a' * 9", "x = y = 1 + x",
    "getattr(x, 'set')", "be.exp.__globals__", "f'{x}'", "x.T.set(1)", "True + x", "z + 1", "x", "",
    "1 +", "x < x < x", "9**9**9*x", "1/0*x", "x; 1", "be.be.exp(x)", "x + be.zeros((4, 4))",
    "x + be.exp(x, out=x)", "be.cleanup_backend() + x", "(x := x) + 1",
])  # fmt: skip
def test_what_is_not_in_the_language_is_a_usage_error(capsys, text):
    status, out, err = show(capsys, text, "--shape", "x=4x4")
    assert (status, out) == (2, "")
    assert "EXPRESSION" in err


@pytest.mark.parametrize(
    ("text", "reason"),
    [("x+" * 5000 + "x", "too deeply"), ("-" * 15_000 + "x", ""), ("x+" * 15_000 + "x", "a file")],
)
def test_depth_is_an_error_not_a_crash(capsys, text, reason):
    status, _, err = show(capsys, text, "--shape", "x=2x2")
    assert status == 2
    assert reason in " ".join(err.split())


def test_every_allowed_function_exists_and_runs_nothing():
    be = create_backend("null")
    assert all(callable(getattr(be, name)) for name in FUNCTIONS)
    assert not FUNCTIONS & {"empty", "array", "assign_many", "rng", "cleanup_backend", "scatter"}


def test_slices_transposes_and_parameters():
    be = create_backend("null")
    x = be.zeros((6, 4), name="x")
    read = Reader(be, {"x": x}).read
    assert read("x[1:3].T * 2").shape == (4, 2)
    assert read("x[0:6:2, 1:] + 0").shape == (3, 3)
    assert read("be.mean(x, axis=1)").shape == (6, 1)
    assert read("be.onehot([0, 2], axis=0, classes=5) * 1").shape == (5, 2)
    assert read("be.take(x, [0, 5], axis=0) * 1").shape == (2, 4)
    with pytest.raises(ConfigurationError, match="--shape y="):
        read("x + y")


@pytest.mark.parametrize("shape", ["x", "x=", "x=3xa", "x=3x4:text", "be=2x2", "1x=2x2", "x=-1x2"])
def test_a_bad_shape_is_a_usage_error(capsys, shape):
    status, _, err = show(capsys, "x + 1", "--shape", shape)
    assert status == 2
    assert "--shape" in err


SCRIPT = """
import sys
import helper
from neonport.backends import gen_backend
be = gen_backend("cpu", batch_size=4)
x, y = be.zeros((3, 4), name="x"), be.zeros((3, 4), name="y")
for rate in (3.0, 2.0):
    x[:] = x * rate + helper.ONE
y[:] = be.tanh(x)
print("arguments", sys.argv[1:], __name__, y.get()[0, 0] > 0)
"""


@pytest.fixture
def script(tmp_path):
    (tmp_path / "helper.py").write_text("ONE = 1.0\n")
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_a_script_is_run_and_every_statement_shown_once(capsys, script):
    status, out, err = show(capsys, str(script), "--", "one", "--two")
    assert status == 0
    assert "arguments ['one', '--two'] __main__ True" in out
    assert out.count("   x <- (x * 3) + 1") == 1
    assert out.count("   y <- tanh(x)") == 1
    assert "2 different statements, 2 kernels, 0 calls" in err


def test_a_script_in_another_language_and_with_drawings(capsys, script, tmp_path):
    place = tmp_path / "out.mmd"
    _, out, _ = show(capsys, str(script), "--source", "--dialect", "cuda", "--mermaid", str(place))
    assert out.count("neo_pack<float, 4>") >= 2
    assert sorted(p.name for p in tmp_path.glob("*.mmd")) == ["out-001.mmd", "out-002.mmd"]


def test_drawings_of_a_script_replace_files_only_when_asked(capsys, script, tmp_path):
    taken = tmp_path / "out-002.mmd"
    taken.write_text("precious")
    (tmp_path / "out-draft.mmd").write_text("another file")
    arguments = [str(script), "--mermaid", str(tmp_path / "out.mmd")]
    status, out, err = show(capsys, *arguments)
    assert (status, out) == (1, "")  # before the script was run
    assert "out-002.mmd exists; --force replaces it" in err
    assert taken.read_text() == "precious"
    assert show(capsys, *arguments, "--force")[0] == 0
    assert taken.read_text().startswith("flowchart TD\n")


def test_a_script_that_fails_still_shows_what_ran(capsys, script):
    script.write_text(SCRIPT + "\nraise RuntimeError('end')\n")
    status, out, err = show(capsys, str(script))
    assert status == 1
    assert "y <- tanh(x)" in out
    assert "RuntimeError: end" in err


def test_the_exit_status_of_a_script(capsys, script):
    script.write_text(SCRIPT + "\nsys.exit(3)\n")
    with pytest.raises(SystemExit) as end:
        show(capsys, str(script))
    assert end.value.code == 3
    assert "y <- tanh(x)" in capsys.readouterr().out


def test_wrong_usage(capsys, script):
    assert show(capsys, "missing.py")[0] == 2
    assert show(capsys, str(script), "--shape", "x=2x2")[0] == 2
    assert show(capsys, "x + 1", "y + 1", "--shape", "x=2x2")[0] == 2
    assert show(capsys, "x + 1", "--shape", "x=2x2", "--prelude")[0] == 2


@pytest.mark.parametrize("dialect", ["c", "opencl", "opencl-cpu", "cuda"])
def test_the_prelude_makes_it_all_that_a_compiler_gets(capsys, dialect):
    words = ["be.exp(x)", "--shape", "x=20x20", "--source", "--dialect", dialect]
    _, short, _ = show(capsys, *words)
    status, whole, _ = show(capsys, *words, "--prelude")
    assert status == 0
    assert len(whole) > 2 * len(short)
    null = gen_backend("null")
    (text,) = null.render(null.exp(null.zeros((20, 20))), dialect)
    assert "".join(text.split()) in "".join(whole.split())
    assert "".join(text.split()) not in "".join(short.split())


def test_the_prelude_of_a_script(capsys, script):
    _, short, _ = show(capsys, str(script), "--source")
    _, whole, _ = show(capsys, str(script), "--source", "--prelude")
    assert len(whole) > 2 * len(short)
