"""Calls, local arrays, branch tables, variables, parameters, special registers and barrier
reductions of translated kernels.
"""

import ctypes
import math
from itertools import product

import numpy

from .library import check, load

THREADS = range(64)
CALLS, BRANCH_TABLE, SCOPES, VARIABLES, PARAMETER, DYNAMIC, REDUCTIONS, REGISTERS = range(8)


def run(form, count):
    out = numpy.zeros(count, numpy.uint32)
    check(load("softgpu_scalar").run_form(form, ctypes.c_void_p(out.ctypes.data), count))
    return out.tolist()


def test_functions_take_and_return_structures_and_recurse():
    out = numpy.reshape(run(CALLS, 256), (64, 4))
    for i in THREADS:
        values = [1, 2, 3, 4]
        values[i & 3] += i
        digits = sum(10**k * v for k, v in enumerate(values))
        assert out[i].tolist() == [i * i + digits, math.factorial(i % 10), 3 * (i ^ 1), 2 * i * i]


def test_a_branch_table_goes_to_the_chosen_label():
    assert run(BRANCH_TABLE, 64) == [5 + i % 4 for i in THREADS]


def test_inner_scopes_have_registers_and_labels_of_their_own():
    inner = [100 + (i > 3) for i in THREADS]
    assert run(SCOPES, 64)[1:] == [2 * x + 1 for x in inner][1:]


def test_variables_have_their_values_and_addresses():
    wanted = [(30, 40)[i % 2] + (1, 3, 5)[i % 3] + ord("abc"[i % 3]) for i in THREADS]
    assert run(VARIABLES, 64) == wanted


def test_a_parameter_can_be_read_by_address():
    assert run(PARAMETER, 64) == [7 + 1 + i % 5 for i in THREADS]


def test_dynamic_shared_memory_has_its_alignment():
    assert run(DYNAMIC, 64) == [2 * (63 - i) for i in THREADS]


def test_barriers_reduce_predicates():
    assert run(REDUCTIONS, 192) == [22, 1, 1] * 64


def test_special_registers_say_where_a_thread_is():
    out = numpy.reshape(run(REGISTERS, 27 * 12 * 60), (12, 60, 27))
    for (by, bx), (tz, ty, tx) in product(
        product(range(3), range(4)), product(range(5), range(3), range(4))
    ):
        thread = tx + 4 * (ty + 3 * tz)
        lane = thread % 32
        assert out[bx + 4 * by, thread].tolist() == [
            *(tx, ty, tz, 4, 3, 5, bx, by, 0, 4, 3, 1, lane),
            *(bx // 2, by, 2, bx % 2, 2, bx % 2, 2),
            *(1 << lane, (1 << lane) - 1, (2 << lane) - 1),
            *(2**32 - (2 << lane), 2**32 - (1 << lane), 128, 1),
        ]
