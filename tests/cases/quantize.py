"""Matrices cut in blocks, shared by the tests of all ops that take a Spec."""

from dataclasses import dataclass, replace

from halfword.quant import Spec


@dataclass(frozen=True)
class Case:
    shape: tuple[int, ...]
    spec: Spec
    why: str

    def __str__(self) -> str:
        return self.why.replace(" ", "-")


CASES = [
    Case((37, 107), Spec(), "rows with a tail"),
    Case((3, 5, 64), Spec(), "rows of whole vectors"),
    Case((70, 5), Spec(), "rows shorter than a vector"),
    Case((2, 4100), Spec(), "rows longer than scratch"),
    Case((37, 107), Spec(axis="column"), "columns"),
    Case((90, 1), Spec(axis="column"), "one column"),
    Case((1, 90), Spec(axis="column"), "one row"),
    Case((19, 107), Spec(axis="tensor"), "one scale"),
    Case((1000,), Spec(axis="tensor"), "a vector"),
    Case((), Spec(), "a scalar"),
    Case((5, 107), Spec(group_size=7), "groups narrower than a vector"),
    Case((3, 2, 107), Spec(group_size=33), "groups wider than a vector"),
    Case((3, 2080), Spec(group_size=1), "groups of one"),
    Case((3, 107), Spec(group_size=500), "groups wider than a row"),
    Case((17, 107), Spec(block=(4, 9)), "narrow blocks"),
    Case((17, 107), Spec(block=(5, 40)), "wide blocks"),
    Case((17, 20), Spec(block=(50, 60)), "blocks larger than the matrix"),
    Case((0, 8), Spec(), "no rows"),
    Case((8, 0), Spec(), "no columns"),
    Case((0, 8), Spec(axis="column"), "columns of no rows"),
    Case((0, 8), Spec(axis="tensor"), "one scale of nothing"),
    Case((8, 0), Spec(group_size=4), "groups of no columns"),
]
# Past what a CPU core's cache holds, and past what one thread takes.
LARGE = [
    Case((300, 620), Spec(axis="column"), "columns longer than a cache"),
    Case((300, 620), Spec(axis="tensor"), "a tensor larger than a cache"),
    Case((3, 140_000), Spec(axis="tensor"), "rows longer than a part"),
    Case((150, 3000), Spec(block=(64, 64)), "bands cut in strips"),
    Case((500, 700), Spec(block=(450, 300)), "blocks larger than a cache"),
]
MAPPINGS = {
    "symmetric": {},
    "affine": {"symmetric": False},
    "log2": {"mapping": "log2"},
    "stochastic": {"rounding": "stochastic"},
    "affine-stochastic": {"symmetric": False, "rounding": "stochastic"},
}


def with_mapping(spec: Spec, name: str, bits: int = 8) -> Spec:
    return replace(spec, bits=bits, **MAPPINGS[name])
