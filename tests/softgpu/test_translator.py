"""The translator: what it reads, what it refuses, and that every row of its table is needed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conformance.scalar_generate import CASES
from .translator.locations import Locations
from .translator.module import ModuleTranslator, translate
from .translator.names import Names
from .translator.operands import Operands, literal_bits
from .translator.parser import parse, split_commas
from .translator.rows import TABLE
from .translator.syntax import Instruction, Label, LabelList, Scope, TranslationError

ROOT = Path(__file__).parent
EXAMPLES = ROOT / "translator_cases" / "instructions.ptx"

HEADER = ".version 8.0\n.target sm_90a\n.address_size 64\n"


def kernel(body, before=""):
    registers = ".reg .pred %p<4>; .reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .b16 %h<4>;"
    return f"{HEADER}{before}\n.visible .entry k(.param .u64 p)\n{{\n{registers}\n{body}\n}}\n"


def instructions(scope):
    for statement in scope.statements:
        if isinstance(statement, Scope):
            yield from instructions(statement)
        elif isinstance(statement, Instruction):
            yield statement


def parsed(body, before=""):
    return parse(kernel(body, before)).functions[-1].body


# Reading.


def test_operands_are_split_outside_of_brackets():
    assert split_commas("{%r1, %r2}, [%rd1, {%r3, %r4}], 5") == [
        "{%r1, %r2}", "[%rd1, {%r3, %r4}]", "5",
    ]  # fmt: skip


def test_several_statements_on_a_line_and_one_on_several():
    found = list(instructions(parsed("{ mov.u32 %r1, 1;mov.u32 %r2,\n 2; } add.u32 %r1,\n%r1, 3;")))
    assert [(i.opcode, i.operands) for i in found] == [
        ("mov.u32", ["%r1", "1"]),
        ("mov.u32", ["%r2", "2"]),
        ("add.u32", ["%r1", "%r1", "3"]),
    ]


def test_a_guard_and_its_negation():
    found = list(instructions(parsed("@%p1 mov.u32 %r1, 1; @!%p2 mov.u32 %r1, 2;")))
    assert [i.guard for i in found] == ["%p1", "!%p2"]


def test_a_label_and_a_list_of_labels():
    body = parsed("L1: mov.u32 %r1, 1;\nlist: .branchtargets L1, L2;\nL2:\nret;")
    assert [s for s in body.statements if isinstance(s, Label)] == [Label("L1"), Label("L2")]
    assert LabelList("list", ["L1", "L2"]) in body.statements


def test_variables_of_a_module():
    text = HEADER + (
        ".visible .global .align 8 .b8 a[2][4] = {1, 2, 3};\n.const .f64 b = 0d3FF0000000000000;\n"
        ".extern .shared .align 1024 .b8 c[];\n.global .u64 d[2] = {generic(a)+4, 0};\n"
    )
    a, b, c, d = parse(text).variables
    assert (a.bytes, a.alignment, a.values) == (8, 8, ["1", "2", "3"])
    assert (b.space, b.bytes, b.alignment) == ("const", 8, 8)
    assert (c.count, c.alignment, c.extern) == (None, 1024, True)
    assert d.values == ["generic(a)+4", "0"]


def test_a_kernel_with_everything_in_its_header():
    text = HEADER + (
        ".visible .entry k(\n.param .u64 .ptr .global .align 16 k_0,\n"
        ".param .align 64 .b8 k_1[128]\n)\n.maxntid 32, 4, 2\n.minnctapersm 2\n"
        ".explicitcluster\n.reqnctapercluster 2, 1, 1\n{ ret; }\n"
    )
    (function,) = parse(text).functions
    assert [(p.name, p.bytes, p.alignment) for p in function.parameters] == [
        ("k_0", 8, 8),
        ("k_1", 128, 64),
    ]
    assert function.max_threads == 256
    assert function.cluster == (2, 1, 1)


@pytest.mark.parametrize(
    ("text", "type_", "bits"),
    [
        ("-1", "s16", 0xFFFF),
        ("0x10U", "u32", 16),
        ("017", "u32", 15),
        ("0f3F800000", "f32", 0x3F800000),
        ("0f3F800000", "b32", 0x3F800000),
        ("0f3F800000", "f64", 0x3FF0000000000000),
        ("0d3FF0000000000000", "f64", 0x3FF0000000000000),
        ("1.5", "f32", 0x3FC00000),
        ("2", "f32", 0x40000000),
    ],
)
def test_constants(text, type_, bits):
    assert literal_bits(text, type_) == bits


def test_an_inlined_line_is_the_callers_if_it_is_a_wrappers():
    locations = Locations(
        '.file 1 "/src/kernel.cu"\n.file 2 "/src/ptx.cuh"\n'
        '.file 3 "/opt/cuda/targets/x86_64-linux/include/cuda_fp16.hpp"\n.file 4 "/src/tile.cuh"\n'
    )
    places = []
    for directive in [
        ".loc 1 10 3",
        ".loc 2 5 1, function_name $L__info_string0, inlined_at 1 10 3",
        ".loc 3 7 1, function_name $L__info_string1, inlined_at 2 5 1",
        ".loc 4 9 2, function_name $L__info_string2, inlined_at 1 12 3",
        ".loc 1 0 3",
    ]:
        locations.advance(directive)
        places.append(f"{Path(locations.place.file).name}:{locations.place.line}")
    assert places == ["kernel.cu:10"] * 3 + ["tile.cuh:9"] * 2


# Matching.


def test_modifiers_may_come_in_another_order():
    one = TABLE.find("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", ["{%r1}", "[%r2]"])
    other = TABLE.find("ldmatrix.sync.aligned.x4.trans.m8n8.shared.b16", ["{%r1}", "[%r2]"])
    assert one == other is not None


def test_types_are_told_apart_by_their_order():
    _, matched = TABLE.find("cvt.rn.f32.s32", ["%r1", "%r2"])
    assert (matched["dtype"], matched["type"]) == ("f32", "s32")


@pytest.mark.parametrize(
    ("opcode", "operands"),
    [
        ("add.rn.s32", ["%r1", "%r2", "%r3"]),  # a modifier it does not have
        ("add.s32", ["%r1", "%r2"]),  # too few operands
        ("ld.global.b32", ["%r1", "%rd1"]),  # a value where an address belongs
        ("setmaxnreg.inc.sync.aligned.u32", ["36"]),  # not a multiple of 8
        ("setmaxnreg.dec.sync.aligned.u32", ["264"]),  # more than there are
        ("lop3.b32", ["%r1", "%r2", "%r3", "%r4", "256"]),  # a table of nine bits
    ],
)
def test_what_the_manual_does_not_have_matches_no_row(opcode, operands):
    assert TABLE.find(opcode, operands) is None


# Refusing.


def test_an_unknown_instruction_names_itself_its_line_and_its_kernel():
    text = kernel(".loc 1 42 3\nfrobnicate.b32 %r1, %r2;") + '.file 1 "/src/kernel.cu"\n'
    with pytest.raises(
        TranslationError,
        match=re.escape("kernel.cu:42: in k: unknown instruction: frobnicate.b32 %r1, %r2"),
    ):
        translate(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (kernel("mov.u32 %r1, %unheard_of;"), "unheard_of"),
        (kernel("bra nowhere;"), "nowhere is not a label"),
        (kernel("mov.u32 %r1, 5x;"), "5x"),
        (kernel("call.uni (%r1), %rd1, (%r2), prototype;"), "a call through a pointer"),
        (HEADER + ".extern .global .u32 elsewhere;\n", "elsewhere"),
        (HEADER + ".visible .entry k()\n.surprise 3\n{ ret; }\n", "surprise"),
        (HEADER + ".visible .entry k()\n{ ret;\n", "not closed"),
    ],
)
def test_what_is_not_understood_is_an_error(text, message):
    with pytest.raises(TranslationError, match=message):
        translate(text)


# Writing.


def test_scopes_have_registers_of_their_own():
    names = Names({})
    outer = parsed("{ .reg .b32 t; { .reg .b32 t; } }")
    (inner,) = (s for s in outer.statements if isinstance(s, Scope))
    (innermost,) = (s for s in inner.statements if isinstance(s, Scope))
    found = []
    for scope in (inner, innermost):
        names.open(scope)
        found.append(names.register("t").name)
    assert len(set(found)) == 2


def test_shared_addresses_wrap_at_32_bits_and_names_have_addresses():
    names = Names({})
    names.open(parsed(""))
    operands = Operands(names)
    assert operands.address("[%r1+-4]") == "r1 - 4"
    assert operands.value("!%p1", "pred") == "!p1"
    assert operands.value("%r1", "s32") == "int32_t(r1)"


def test_code_is_made_for_every_row():
    """Each row has an example in the scalar conformance list or in instructions.ptx."""
    module = ModuleTranslator(parse(EXAMPLES.read_text()))
    module.translate()
    used = set(module.rows_used)
    for case in CASES:
        text = re.sub(r"%(\d+)", r"%r\1", case.text).replace("{ .reg", "{ .reg ")
        for statement in instructions(parsed(text)):
            found = TABLE.find(statement.opcode, statement.operands)
            assert found, f"{case.name}: {statement}"
            used.add(found[0])
    assert [f"{row.syntax} {row.operand_text}" for row in TABLE.rows if row not in used] == []


@pytest.mark.skipif(shutil.which("ptxas") is None, reason="needs ptxas")
def test_the_examples_are_ptx():
    subprocess.run(["ptxas", "-arch=sm_90a", EXAMPLES, "-o", "/dev/null"], check=True)


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_code_of_the_examples_compiles(tmp_path):
    code = tmp_path / "instructions.cpp"
    code.write_text(translate(EXAMPLES.read_text()))
    flags = ["-std=c++20", "-fsyntax-only", "-w", f"-I{ROOT}"]
    done = subprocess.run(["g++", *flags, code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
