"""Instructions of a warp (engine/collectives.h)."""

from ..table import Row


def reduction(op: str, constant: str, type_: str) -> Row:
    return Row(f"redux.sync.{op}.{type_}", "d, a:u32, mask:u32",
               f"reduce(self, Reduction::{constant}, a, mask, at)")  # fmt: skip


ROWS = [
    Row(
        "shfl.sync.way.b32",
        "d|d2, a, b, c, mask",
        "{ const auto r = shuffle(self, way, a, b, c, mask, at); d = r.value; d2 = r.in_range; }",
        way=("up", "down", "bfly", "idx"),
    ),
    Row("vote.sync.any.pred", "d, a, mask:u32", "vote_any(self, a, mask, at)"),
    Row("vote.sync.all.pred", "d, a, mask:u32", "vote_all(self, a, mask, at)"),
    Row("vote.sync.uni.pred", "d, a, mask:u32", "vote_uniform(self, a, mask, at)"),
    Row("vote.sync.ballot.b32", "d, a:pred, mask:u32", "vote_ballot(self, a, mask, at)"),
    Row(
        "match.any.sync.type", "d, a, mask:u32", "match_any(self, a, mask, at)", type=("b32", "b64")
    ),
    Row(
        "match.all.sync.type",
        "d|d2, a, mask:u32",
        "{ const auto r = match_all(self, a, mask, at); d = r.mask; d2 = r.all; }",
        type=("b32", "b64"),
    ),
    reduction("add", "kAdd", "u32"),
    reduction("add", "kAdd", "s32"),
    reduction("min", "kMin", "u32"),
    reduction("min", "kMinSigned", "s32"),
    reduction("max", "kMax", "u32"),
    reduction("max", "kMaxSigned", "s32"),
    reduction("and", "kAnd", "b32"),
    reduction("or", "kOr", "b32"),
    reduction("xor", "kXor", "b32"),
    Row(
        "elect.sync",
        "d|d2, mask:u32",
        "{ const auto r = elect(self, mask, at); d = r.lane; d2 = r.self; }",
    ),
    Row("activemask.b32", "d", "active_mask(self)"),
]
