"""Instructions of a whole warp: references are of lists, a value for each lane."""

from .scalar_case import cases

LANES = range(32)
FEW = (0, 1, 5, 2**31, 2**32 - 1)
REDUCTIONS = {
    "add.u32": sum, "add.s32": sum, "min.u32": min, "min.s32": min, "max.u32": max,
    "max.s32": max,
}  # fmt: skip


def source_lane(way, lane, b, c):
    """The lane that is read, and whether it is in the segment."""
    segment, clamp = c >> 8 & 31, c & 31
    first = lane & segment
    last = first | clamp & ~segment & 31
    if way == "up":
        return lane - b, lane - b >= last
    found = {"down": lane + b, "bfly": lane ^ b, "idx": first | b & ~segment & 31}[way]
    return found, found <= last


def shuffled(case, a, b):
    way, c = case.values["way"], int(case.values["c"])
    found = [source_lane(way, lane, b[lane] & 31, c) for lane in LANES]
    values = [a[source] if inside else a[lane] for lane, (source, inside) in enumerate(found)]
    return values, [inside for _, inside in found]


def ballot(_, p):
    return [sum(bool(x) << i for i, x in enumerate(p))] * 32


def match_any(_, a):
    return [sum((x == y) << i for i, y in enumerate(a)) for x in a]


def match_all(_, a):
    same = len(set(a)) == 1
    return [2**32 - 1 if same else 0] * 32, [same] * 32


def reduced(case, a):
    return [REDUCTIONS[case.values["op"]](a)] * 32


def folded(case, a):
    total = a[0]
    for x in a[1:]:
        total = {"and": total & x, "or": total | x, "xor": total ^ x}[case.values["op"]]
    return [total] * 32


CASES = [
    *cases("shfl.sync.{way}.b32 {c}", "b32 pred", "b32 b32", shuffled, warp=True,
           way=("down", "bfly", "idx"), c=("31", "7199", "4111"),  # whole, fours, by 16
           text="{{ .reg .pred p; shfl.sync.{way}.b32 %0|p, %2, %3, {c}, -1; "
                "selp.u32 %1, 1, 0, p; }}"),
    *cases("shfl.sync.{way}.b32 {c}", "b32 pred", "b32 b32", shuffled, warp=True,
           way=("up",), c=("0", "7168", "4096"),
           text="{{ .reg .pred p; shfl.sync.{way}.b32 %0|p, %2, %3, {c}, -1; "
                "selp.u32 %1, 1, 0, p; }}"),
    *cases("vote.sync.any.pred -1", "pred", "pred", lambda _, p: [any(p)] * 32, warp=True),
    *cases("vote.sync.all.pred -1", "pred", "pred", lambda _, p: [all(p)] * 32, warp=True),
    *cases("vote.sync.uni.pred -1", "pred", "pred", lambda _, p: [len(set(p)) == 1] * 32,
           warp=True),
    *cases("vote.sync.ballot.b32 -1", "b32", "pred", ballot, warp=True),
    *cases("match.any.sync.{t} -1", "b32", "{t}", match_any, t=("b32", "b64"), warp=True,
           operand_values=(FEW,)),
    *cases("match.all.sync.{t} -1", "b32 pred", "{t}", match_all, t=("b32", "b64"), warp=True,
           operand_values=((7,),)),
    *cases("match.all.sync.{t} -1, of several", "b32 pred", "{t}", match_all, t=("b32", "b64"),
           warp=True, operand_values=(FEW,),
           text="{{ .reg .pred p; match.all.sync.{t} %0|p, %2, -1; selp.u32 %1, 1, 0, p; }}"),
    *(
        case
        for op in REDUCTIONS
        for case in cases("redux.sync.{op} -1", op[4:], op[4:], reduced, op=(op,), warp=True)
    ),
    *cases("redux.sync.{op}.b32 -1", "b32", "b32", folded, op=("and", "or", "xor"), warp=True),
]  # fmt: skip
