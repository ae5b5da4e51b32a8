"""The CUDA kernels that pack 4-bit weights, on the software GPU: the bytes of the layouts under
every adversary."""

import pytest

from .product_int4 import ADVERSARIES, CHECKS


@pytest.mark.parametrize("adversary", ADVERSARIES.values(), ids=ADVERSARIES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_bytes_are_those_of_the_layouts(softgpu, check, adversary):
    with softgpu.adversary(**adversary):
        check()
