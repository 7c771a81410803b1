"""Kernels are compiled with what they need of the prelude."""

from __future__ import annotations

import subprocess

import pytest

from neonport.backends.host.jit.choice import find_compiler
from neonport.compiler.codegen.cpu.dialect import c_dialect
from neonport.compiler.codegen.cpu.sections import NAME, Sections

PRELUDE = c_dialect().prelude
SECTIONS = Sections(PRELUDE)
TEXTS = {text.splitlines()[0].strip("/* -"): text for text, *_ in SECTIONS._sections}


def test_all_names_need_all_of_it():
    assert SECTIONS.needed_by(" ".join(NAME.findall(PRELUDE))) == PRELUDE


def test_a_text_without_names_needs_the_start():
    assert PRELUDE.startswith(SECTIONS.start)
    assert SECTIONS.needed_by("void main_(void) {}") == SECTIONS.start
    assert 0 < len(SECTIONS.start) < len(PRELUDE) / 8


def test_a_name_brings_its_section_and_what_that_uses():
    needed = SECTIONS.needed_by("x = neo_tanh_f32(y);")
    assert "neo_tanh_f32(float x)" in needed
    assert "neo_expm1_tail_f32(float r)" in needed, "which tanh calls"
    assert "neo_philox" not in needed


@pytest.mark.parametrize(
    ("name", "definition"),
    [("neo_sqrt_f64", "NEO_FN T neo_sqrt_##S"), ("neo_erf_f32", "NEO_LIBRARY(neo_erf_, erf)")],
)
def test_names_that_macros_put_together(name, definition):
    assert definition in SECTIONS.needed_by(f"x = {name}(y);")
    assert definition not in SECTIONS.needed_by("x = neo_exp_f32(y);")


def test_a_section_without_such_names_is_always_needed():
    mine = "/* ---- mine ---- */\nfloat twice(float x) { return 2 * x; }\n"
    assert Sections(PRELUDE + mine).needed_by("y = twice(x);") == SECTIONS.start + mine
    assert Sections(mine).needed_by("y = twice(x);") == mine


def check_syntax(tmp_path, text):
    choice = find_compiler()
    if not choice.command:
        pytest.skip(choice.reason)
    path = tmp_path / "section.c"
    path.write_text(text)
    flags = ["-std=gnu11", "-fopenmp-simd", "-Wno-psabi", "-Werror", "-fsyntax-only"]
    subprocess.run([*choice.command, *flags, str(path)], check=True)


@pytest.mark.parametrize("title", TEXTS)
def test_a_section_compiles_with_what_it_needs_alone(tmp_path, title):
    text = SECTIONS.needed_by(TEXTS[title])
    assert TEXTS[title] in text
    check_syntax(tmp_path, text)


def test_expressions_from_outside_may_call_the_c_library(tmp_path):
    call = "double f(double x, double y) { return sin(x) + fmod(x, y) + sinf(x) + erff(y); }\n"
    check_syntax(tmp_path, SECTIONS.needed_by(call) + call)
