"""What the product's CUDA kernels must do on the software GPU, whatever the adversary does.

Each check makes a problem, has the CPU's kernels solve it, and the CUDA kernels, and compares all
bits. ``test_product.py`` runs them under every adversary; ``test_planted_product.py`` sees which of
them a planted bug fails.
"""

import ctypes
from contextlib import contextmanager

import torch

from halfword import ops

from ..adam_problem import make
from ..cases.adam_step import BF16, F16, F32, WEIGHTS
from ..compare import assert_same_bits
from . import library
from .redirect import glue, redirected

TILE = 8192  # elements that a block takes at a time
ADVERSARIES = {
    "first-in": {"schedule": "first-in"},
    "last-in": {"schedule": "last-in", "seed": 2},
    "random": {"schedule": "random", "seed": 3},
    "priority": {"schedule": "priority", "seed": 4, "resident_blocks": 2},
    "race": {"schedule": "random", "seed": 5, "race": True},
}


def same_on_both(work, *lists):
    """Run ``work(*lists)`` by the CPU's kernels and, on copies, by the CUDA kernels; compare."""
    copies = [[_copy(t) for t in tensors] for tensors in lists]
    work(*lists)
    with redirected():
        work(*copies)
    for number, (ours, theirs) in enumerate(zip(copies, lists, strict=True)):
        for i, (got, wanted) in enumerate(zip(ours, theirs, strict=True)):
            assert_same_bits(got, wanted, f"list {number}, tensor {i}")


def _copy(tensor):
    """Of the same strides and alignment."""
    storage = tensor.untyped_storage().clone()
    place = (tensor.storage_offset(), tensor.shape, tensor.stride())
    return torch.empty(0, dtype=tensor.dtype).set_(storage, *place)


def gradients():
    """Whole tiles, parts of one, no elements; odd places, strides; all types."""
    return [
        torch.randn(2 * TILE + 300).half(),
        at_odd_place(torch.randn(TILE + 17)),
        torch.randn(TILE).bfloat16(),
        torch.randn(0),
        torch.randn(70, 130).t()[:, ::2],
        torch.randn(17),
    ]


def many_gradients():
    """More tiles than blocks run at the same time: some blocks take a second one."""
    return [torch.randn(n) for n in range(1, 40)]


def at_odd_place(tensor, skip=3):
    """The same, not aligned: before it come as many elements."""
    whole = torch.zeros(tensor.numel() + skip, dtype=tensor.dtype)
    return whole[skip:].copy_(tensor)


def norm_and_overflow():
    """unscale_check: written or not, with an overflow in one element or none."""
    for write in (False, True):
        for bad in (None, 0, 2):
            grads = gradients()
            if bad is not None:
                grads[bad].view(-1)[-1] = float("inf")
            out = [torch.zeros(1), torch.full((1,), -1.0)]

            def work(grads, out, write=write):
                ops.unscale_check(grads, torch.tensor([0.3]), out[0], norm=out[1], write=write)

            same_on_both(work, grads, out)


def norm_again():
    """A list once more, at another scale: its table is used again as a kernel left it."""
    norms = [torch.zeros(1), torch.zeros(1)]

    def work(grads, norms):
        for scale, norm in zip((0.3, 0.7), norms, strict=True):
            ops.unscale_check(grads, torch.tensor([scale]), torch.zeros(1), norm=norm, write=False)

    same_on_both(work, many_gradients(), norms)


def norm_bits():
    """Of few elements, at many scales: another order of additions shows in some, as it would not
    in the norm of a whole tile."""
    scales = [torch.tensor([0.3 + 0.1 * i]) for i in range(16)]
    tile = torch.zeros(TILE)
    tile.view(-1, 256)[:8, :16].normal_()  # two threads of each warp

    def work(grads, norms):
        for scale, norm in zip(scales, norms, strict=True):
            ops.unscale_check(grads, scale, torch.zeros(1), norm=norm, write=False)

    same_on_both(work, [tile], [torch.zeros(1) for _ in scales])


def problems():
    """Adam problems of every kind of weight; large, small, empty, at odd places, strided."""
    kinds = [WEIGHTS[0], WEIGHTS[4], WEIGHTS[5], WEIGHTS[6]]
    sizes = [TILE + 3000, 100, 0, 9]
    made = [make((n,), kinds[i % 4], (F32, F16, BF16)[i % 3]) for i, n in enumerate(sizes * 2)]
    made.append(_shifted(make((TILE - 2,), WEIGHTS[4], F16), 3))  # which makes it two tiles
    made.append(_shifted(make((500,), WEIGHTS[4], F16), None))
    strided = make((40, 30), WEIGHTS[4], BF16)
    strided.grad = strided.grad.t().contiguous().t()
    made.append(strided)
    for i, problem in enumerate(made):
        problem.step.add_(i)
    return made


def _shifted(problem, skip):
    """The same, starting at an element: `skip`, or a different one in each tensor."""
    for i, name in enumerate(("param", "grad", "m", "v", "v_max", "master")):
        tensor = getattr(problem, name)
        here = i + 1 if skip is None else skip
        if tensor.numel():
            setattr(problem, name, at_odd_place(tensor, here))
    return problem


def adam_lists(made):
    """The lists of the op; a parameter without master has an empty one."""
    masters = [p.master if p.types.master != "none" else torch.zeros(0) for p in made]
    fields = ("param", "grad", "m", "v", "v_max", "step")
    return [*([getattr(p, f) for p in made] for f in fields), masters]


def adam_work(scalars):
    """An AMSGrad step on such lists."""

    def work(params, grads, m, v, v_max, step, masters):
        ops.adam_step(
            params, grads, m, v, max_exp_avg_sqs=v_max, masters=masters, step=step, lr=0.1,
            betas=(0.9, 0.99), weight_decay=0.1, seed=7, **scalars,
        )  # fmt: skip

    return work


def adam_step():
    """A list of everything at once, with masks, and a step that the flags of two ranks skip."""
    for found_inf, masked in ((0.0, False), (0.0, True), (2.0, False)):
        made = [p for p in problems() if p.types.master != "none" or p.types.param == F32]
        scalars = {"found_inf": torch.tensor([found_inf]), "clip_coef": torch.tensor([0.7])}
        if masked:
            scalars["masks"] = [torch.rand(p.param.shape) < 0.5 for p in made]
        same_on_both(adam_work(scalars), *adam_lists(made))


def adam_step_rounded():
    """Without masters, parameters and moments rounded stochastically."""
    made = [make((n,), WEIGHTS[2], BF16, BF16) for n in (5000, 21)]
    made.append(_shifted(make((333,), WEIGHTS[2], BF16, BF16), 5))

    def work(params, grads, m, v, step):
        ops.adam_step(
            params, grads, m, v, step=step, lr=0.1, weight_decay=0.1, stochastic_params=True, seed=9
        )

    fields = ("param", "grad", "m", "v", "step")
    same_on_both(work, *([getattr(p, f) for p in made] for f in fields))


def shared_step():
    """One step counter for many parameters, whose table takes two uploads, moves once."""
    made = [make((5 if i % 8 == 0 else 0,), WEIGHTS[0]) for i in range(320)]
    fields = ("param", "grad", "m", "v")
    lists = [[getattr(p, f) for p in made] for f in fields]

    def work(params, grads, m, v, step):
        ops.adam_step(params, grads, m, v, step=step, lr=0.1)

    same_on_both(work, *lists, [torch.tensor([3.0])])


def accumulate_grads():
    """Gradients of all types into FP32, all at once; two tiles where it is one of elements."""
    grads = [*gradients(), *many_gradients(), at_odd_place(torch.randn(TILE))]
    mains = [torch.randn(g.shape) for g in grads]
    mains[-1] = at_odd_place(mains[-1])
    same_on_both(lambda m, g: ops.accumulate_grads(m, g, alpha=0.3), mains, grads)


def update_scale():
    """Growth, back-off with hysteresis, and the counter of skipped steps."""
    for found in (0.0, 1.0, float("nan")):
        scale, skipped = [torch.tensor([1024.0])], [torch.tensor([5])]
        trackers = [torch.tensor([n], dtype=torch.int32) for n in (1, 2)]

        def work(scale, trackers, skipped, found=found):
            ops.update_scale(
                scale[0], trackers[0], torch.tensor([found]), growth_interval=2, hysteresis=2,
                hysteresis_tracker=trackers[1], skipped=skipped[0],
            )  # fmt: skip

        same_on_both(work, scale, trackers, skipped)


def lists_that_change():
    """Tables are kept on the device: the same list, other gradients, another list of that size."""
    first, second = ([make((n,), WEIGHTS[4], F16) for n in (300, 70, 9000)] for _ in range(2))
    lists, others = adam_lists(first), adam_lists(second)
    more = [[torch.randn_like(g) for g in lists[1]] for _ in range(2)]

    def work(*tensors):
        step, mine, theirs = adam_work({}), tensors[:7], tensors[7:14]
        for grads in (mine[1], mine[1], tensors[14], tensors[15]):
            step(mine[0], grads, *mine[2:])
            step(*theirs)

    same_on_both(work, *lists, *others, *more)


@contextmanager
def deferred():
    """Ops return before their work is done, as on a real device, until the end of the block."""
    glued = glue()
    glued.softgpu_defer_ops(1)
    try:
        yield
        library.check(glued.softgpu_finish_ops())
    finally:
        glued.softgpu_defer_ops(0)


@contextmanager
def stream(create=True):
    """A new stream as the current one."""
    runtime, handle = library.runtime(), ctypes.c_void_p()
    library.check(runtime.cudaStreamCreateWithFlags(ctypes.byref(handle), 1))
    runtime.softgpu_set_current_stream.argtypes = (ctypes.c_int, ctypes.c_void_p)
    runtime.softgpu_set_current_stream(0, handle)
    try:
        yield handle
    finally:
        runtime.softgpu_set_current_stream(0, None)


def whole_step(grads, flags, trackers, *lists):
    """Check, Adam with the flag, loss scale: what a trainer does, with no wait in between."""
    found, scale, inverse, norm = flags
    ops.unscale_check(grads, inverse, found, norm=norm, write=False)
    adam_work({"found_inf": found, "inv_scale": inverse})(lists[0], grads, *lists[1:])
    ops.update_scale(scale, trackers[0], found, growth_interval=1)


def step_lists():
    """Of a whole step: gradients, flags, trackers, and the rest of the Adam lists."""
    lists = adam_lists([make((n,), WEIGHTS[4], F16) for n in (TILE + 100, 33)])
    flags = [torch.zeros(1), torch.tensor([4.0]), torch.tensor([0.25]), torch.zeros(1)]
    trackers = [torch.zeros(1, dtype=torch.int32)]
    return [lists[1], flags, trackers, lists[0], *lists[2:]]


def side_stream():
    """A whole step on a stream of its own, nothing waited for until the end."""
    wanted, ours = step_lists(), None
    ours = [[_copy(t) for t in tensors] for tensors in wanted]
    for _ in range(2):
        whole_step(*wanted)
    with redirected(), stream(), deferred():
        for _ in range(2):
            whole_step(*ours)
    _assert_same(ours, wanted)


def two_streams():
    """Lists of the same shapes on two streams, neither of which waits for the other."""
    lists = [[torch.randn(TILE), torch.randn(90)] for _ in range(2)]
    scale, found = torch.ones(1), torch.zeros(1)
    ours, wanted = ([torch.zeros(1) for _ in lists] for _ in range(2))
    for grads, norm in zip(lists, wanted, strict=True):
        ops.unscale_check(grads, scale, found, norm=norm, write=False)
    with redirected(), deferred():
        for grads, norm in zip(lists, ours, strict=True):
            with stream():
                ops.unscale_check(grads, scale, found, norm=norm, write=False)
    _assert_same([ours], [wanted])


def graph():
    """A whole step captured once, replayed with other gradients, scales and learning rates; in
    between, steps that are not."""
    wanted = step_lists()
    lr = torch.tensor([0.1])
    ours, our_lr = [[_copy(t) for t in tensors] for tensors in wanted], lr.clone()
    runtime = library.runtime()

    def step(lists, lr):
        grads, flags, _, *rest = lists
        ops.unscale_check(grads, flags[2], flags[0], norm=flags[3], write=False)
        ops.adam_step(
            rest[0], grads, *rest[1:3], masters=rest[5], step=rest[4], lr=lr, found_inf=flags[0],
            inv_scale=flags[2],
        )  # fmt: skip

    def step_beside(grads):
        """Of the same lists but for the gradients."""
        step([grads or ours[0], *ours[1:]], our_lr)
        library.check(runtime.cudaStreamSynchronize(handle))
        step_on_cpu(step, [grads or wanted[0], *wanted[1:]], lr)

    graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
    others = [torch.randn_like(grad) for grad in wanted[0]]
    with redirected(), stream() as handle, deferred():
        step_beside(None)
        library.check(runtime.cudaStreamBeginCapture(handle, 0))
        step(ours, our_lr)
        library.check(runtime.cudaStreamEndCapture(handle, ctypes.byref(graph)))
        library.check(runtime.cudaGraphInstantiate(ctypes.byref(executable), graph, 0))
        for replay in range(3):
            library.check(runtime.cudaGraphLaunch(executable, handle))
            library.check(runtime.cudaStreamSynchronize(handle))
            step_on_cpu(step, wanted, lr)
            _assert_same([*ours, [our_lr]], [*wanted, [lr]])
            step_beside(others)
            for lists, rate in ((wanted, lr), (ours, our_lr)):
                torch.manual_seed(replay)
                for grad in lists[0]:
                    grad.normal_()
                lists[1][2].fill_(0.5 + replay)
                rate.fill_(0.01 * replay)


def step_on_cpu(step, lists, lr):
    """By the CPU's kernels, though inside :func:`redirected`."""
    from .redirect import original

    with original():
        step(lists, lr)


def _assert_same(ours, wanted):
    for number, (got_list, wanted_list) in enumerate(zip(ours, wanted, strict=True)):
        for i, (got, want) in enumerate(zip(got_list, wanted_list, strict=True)):
            assert_same_bits(got, want, f"list {number}, tensor {i}")


CHECKS = [
    norm_and_overflow,
    norm_again,
    norm_bits,
    adam_step,
    adam_step_rounded,
    shared_step,
    accumulate_grads,
    update_scale,
    lists_that_change,
    side_stream,
    two_streams,
    graph,
]
