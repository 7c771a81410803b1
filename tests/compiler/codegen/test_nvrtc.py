"""Every CUDA C++ text compiles to machine code with NVIDIA's compiler, which needs no GPU.

The texts: every kernel that the conformance suite and the tests of the layers run, rendered as the
cuda backend renders them; statements that reach every form of a kernel; hand-written kernels.

Each goes through both generations of the compiler, and becomes machine code in the newer one. That
builds for two architectures: a text goes to one of them, each instruction that any text becomes
goes to both, and to the one of the older generation.
`test_texts_become_the_same_for_both_architectures` shows why that is enough.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from neonport.backends import gen_backend
from neonport.backends.gpu.all_variants import hand_written
from neonport.compiler.codegen.gpu.dialects import cuda_dialect
from tests.compiler.codegen import nvrtc
from tests.compiler.codegen.cuda_texts import BESIDE, ROOT, RUN
from tests.compiler.codegen.nvrtc_worker import Compiler
from tests.compiler.codegen.render_trees import TREES, WIDE

pytestmark = pytest.mark.nvrtc
OPTIONS = cuda_dialect().options


def run_by_tests(folder: Path) -> dict[str, str]:
    """Texts of the kernels that tests run on the cpu backend, by name.

    A run of these tests with CUDA_TEXTS has left them in that folder; else they run now.
    """
    if BESIDE and any(BESIDE[0].glob("*.cu")):
        folder = BESIDE[0]
    else:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--cuda-texts", str(folder)]
        done = subprocess.run([*command, *RUN], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:]
    return {f"of a test, {path.stem}": path.read_text() for path in folder.glob("*.cu")}


def rendered() -> dict[str, str]:
    """Texts of statements that reach every form of a kernel, by name."""
    null = gen_backend("null", batch_size=4)
    try:
        return {
            f"{name}, kernel {i}": text
            for name, make in {**TREES, **WIDE}.items()
            for i, text in enumerate(null.render(make(null), "cuda"))
        }
    finally:
        null.cleanup_backend()


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    by_hand = dict(hand_written(cuda_dialect()))
    named = {**run_by_tests(tmp_path_factory.mktemp("texts")), **rendered(), **by_hand}
    found = {text: name for name, text in named.items()}
    assert len(found) > 2000
    return {name: text for text, name in found.items()}


@pytest.mark.parametrize("generation", nvrtc.TARGETS)
def test_every_text_compiles(texts, generation, capsys):
    found = nvrtc.complaints(texts, nvrtc.TARGETS[generation], generation, OPTIONS)
    assert not found, f"{len(found)} of {len(texts)} texts by NVRTC {generation}: {found[0]}"
    with capsys.disabled():
        print(f" {len(texts)} kernels ", end="", flush=True)


def test_no_text_asks_for_the_architecture(texts):
    """Such a text would have to be compiled for each."""
    asking = [
        name for name, text in texts.items() if re.search("__CUDA_ARCH|__has_|#include", text)
    ]
    assert not asking


def test_texts_become_the_same_for_both_architectures():
    """The PTX of every form of a kernel: it differs in the line that names the target alone.

    So an architecture has a say in one thing: which instructions its assembler takes.
    """
    (generation,) = (g for g, archs in nvrtc.TARGETS.items() if len(archs) > 1)
    path = nvrtc.library(generation)
    assert path is not None
    compiler = Compiler(str(path))
    for some in (
        list(rendered().values()),
        [text for _, text in hand_written(cuda_dialect())][::90],
    ):
        source, _ = nvrtc.program(some)
        first, second = (
            compiler.ptx(source, [*OPTIONS, f"-arch=compute_{arch}"]).splitlines()
            for arch in nvrtc.TARGETS[generation]
        )
        lines = [
            line.split()
            for pair in zip(first, second, strict=True)
            if len(set(pair)) > 1
            for line in pair
        ]
        assert lines == [[".target", f"sm_{arch}"] for arch in nvrtc.TARGETS[generation]]


@pytest.mark.parametrize("generation", nvrtc.TARGETS)
def test_the_text_at_fault_is_named(generation):
    some = dict(list(rendered().items())[:6])
    name = list(some)[3]
    some[name] = some[name].replace("neo_int p0", "neo_nonsense p0")
    (found,) = nvrtc.complaints(some, nvrtc.TARGETS[generation], generation, OPTIONS)
    assert found.startswith(f"{name}: ")
    assert "undefined" in found


def text_of(before: str, value: str) -> str:
    """A text with one kernel."""
    kernel = f"KERNEL void neo_main(int *x) {{ x[0] = {value}; }}"
    return "\n".join([cuda_dialect().prelude, before, kernel])


def test_each_instruction_goes_to_each_architecture():
    """One that sm_80 lacks is found in a text that goes to sm_90."""
    text = text_of("", '1; asm volatile("barrier.cluster.arrive.aligned;")')
    some = {f"for {i}": f"{text}// {i}" for i in range(20)}
    arch = {part.names: part.arch for part in nvrtc.parts(some, (80, 90))}
    assert sorted(arch.values()) == [80, 90]
    for names, of in arch.items():
        name = names[0]
        plain = {f"plain {i:02}": text_of("", str(i)) for i in range(40)}
        found = nvrtc.complaints({**plain, name: some[name]}, (80, 90), 13, OPTIONS)
        assert [words.partition(": ")[0] for words in found] == [name], (of, found)
        assert "sm_80" in found[0]
    assert not nvrtc.complaints(some, (90,), 13, OPTIONS)


def test_each_instruction_is_assembled_where_texts_become_ptx_only():
    """The assembler of sm_70 is the first to know that it lacks what sm_80 has."""
    text = text_of("", '1; asm volatile("redux.sync.add.s32 %0, 1, -1;" : "=r"(x[1]))')
    plain = {f"plain {i:02}": text_of("", str(i)) for i in range(40)}
    assert not any(part.machine for part in nvrtc.parts(plain, (70,), machine=False))
    assert not nvrtc.complaints(plain, (70,), 12, OPTIONS)
    (found,) = nvrtc.complaints({**plain, "sm_80": text}, (70,), 12, OPTIONS)
    assert found.startswith("sm_80: ")
    assert "sm_70: " in found


def test_a_text_does_not_see_its_neighbours():
    first = text_of("#define THREE 3\nNEO_FN int three() { return THREE; }", "three()")
    for word in ("three()", "THREE"):
        found = nvrtc.complaints({"a": first, "b": text_of("", word)}, (80,), 13, OPTIONS)
        assert [words.partition(":")[0] for words in found] == ["b"]
    assert not nvrtc.complaints({"a": first, "b": first}, (80,), 13, OPTIONS)


def test_every_kernel_is_in_the_machine_code():
    nothing = text_of("", "1").replace("KERNEL void", "NEO_FN void")
    (found,) = nvrtc.complaints({"nothing": nothing}, (80,), 13, OPTIONS)
    assert "not in the machine code" in found


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "died with status -11"),
        ("import time; time.sleep(60)", "no answer in 0.5 s"),
    ],
)
def test_a_compiler_that_dies_costs_one_text(tmp_path, monkeypatch, fault, words):
    """A compiler that cannot bear one text, and takes all others."""
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import sys\nfor line in sys.stdin:\n"
        f"    if 'deadly' in line: {fault}\n"
        "    print('[\"\", []]', flush=True)\n"
    )
    monkeypatch.setattr(nvrtc, "WORKER", worker)
    monkeypatch.setattr(nvrtc, "LIMIT", 0.5)
    texts = {f"text {i:03}": f"{cuda_dialect().prelude}// {i}" for i in range(100)}
    texts["text 050"] += " deadly"
    (found,) = nvrtc.complaints(texts, (80,), 13, OPTIONS)
    assert found.startswith("text 050: ")
    assert words in found
