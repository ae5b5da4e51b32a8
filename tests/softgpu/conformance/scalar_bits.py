"""Bit counting, fields, logic, shifts and permutations."""

from .scalar_case import cases

WORDS = ("b32", "b64")
BITS = ("b16", "b32", "b64")
FIELDS = ("u32", "s32", "u64", "s64")
INTEGERS = ("u16", "s16", "u32", "s32", "u64", "s64")
SHIFTS = (0, 1, 5, 8, 15, 16, 31, 32, 33, 63, 64, 65, 100, 255, 256, 2**31, 2**32 - 1)
FIELD = (0, 1, 4, 7, 8, 16, 24, 30, 31, 32, 33, 48, 63, 64, 200, 255)
TABLES = (0x00, 0x01, 0x1E, 0x80, 0x96, 0xCA, 0xE8, 0xEA, 0xFE, 0xFF)


def leading(case, a):
    a = ~a if a < 0 else a
    return a.bit_length() - 1 if a else -1


def shift_amount(case, a):
    bit = leading(case, a)
    return case.width - 1 - bit if bit >= 0 else -1


def nth_set(_, mask, base, offset):
    if offset == 0:
        return base if base < 32 and mask >> base & 1 else -1
    step = 1 if offset > 0 else -1
    if base >= 32:
        return -1
    found = [i for i in range(base, 32 if step > 0 else -1, step) if mask >> i & 1]
    return found[abs(offset) - 1] if len(found) >= abs(offset) else -1


def extract(case, a, position, length):
    position, length = position & 255, length & 255
    top = min(position + length - 1, case.width - 1)
    unsigned = a & (1 << case.width) - 1
    sign = case.operands[0][0] == "s" and length > 0 and unsigned >> top & 1
    bits = [
        unsigned >> (i + position) & 1 if i < length and i + position < case.width else sign
        for i in range(case.width)
    ]
    return sum(b << i for i, b in enumerate(bits))


def insert(case, a, b, position, length):
    position, length = position & 255, length & 255
    for i in range(length):
        if position + i < case.width:
            bit = 1 << (position + i)
            b = b & ~bit | (a >> i & 1) * bit
    return b


def sign_extended(case, a, width):
    if case.values["mode"] == "clamp":
        if width >= 32:
            return a
    else:
        width &= 31
    if not width:
        return 0
    a &= (1 << width) - 1
    return a - (1 << width) if case.values["t"] == "s32" and a >> (width - 1) else a


def mask(case, position, width):
    if case.values["mode"] == "wrap":
        position, width = position & 31, width & 31
    return ((1 << min(width, 32)) - 1) << min(position, 32)


def table_of(case):
    return int(case.values["table"])


def look_up(case, a, b, c):
    bits = (table_of(case) >> ((a >> i & 1) * 4 + (b >> i & 1) * 2 + (c >> i & 1)) & 1
            for i in range(32))  # fmt: skip
    return sum(bit << i for i, bit in enumerate(bits))


def look_up_with(case, a, b, c, q):
    result = look_up(case, a, b, c)
    return result, bool(result) and q if case.values["op"] == "and" else bool(result) or q


def funnel(case, a, b, n):
    n = n & 31 if case.values["mode"] == "wrap" else min(n, 32)
    both = b << 32 | a
    return both << n >> 32 if case.values["way"] == "l" else both >> n


def chosen_bytes(mode, c):
    low = c & 3
    return {
        "f4e": [low + i for i in range(4)],
        "b4e": [(low - i) % 8 for i in range(4)],
        "rc8": [low] * 4,
        "ecl": [max(i, low) for i in range(4)],
        "ecr": [min(i, low) for i in range(4)],
        "rc16": [(low & 1) * 2 + i % 2 for i in range(4)],
    }[mode]


def permute(case, a, b, c):
    data = (b << 32 | a).to_bytes(8, "little")
    mode = case.values.get("special")
    if mode:
        return int.from_bytes(bytes(data[i] for i in chosen_bytes(mode, c)), "little")
    chosen = []
    for i in range(4):
        selector = c >> 4 * i & 15
        byte = data[selector & 7]
        chosen.append((0xFF if byte & 0x80 else 0) if selector & 8 else byte)
    return int.from_bytes(bytes(chosen), "little")


def conditional(op, a, b):
    return {"and": a & b, "or": a | b, "xor": a ^ b}[op]


CASES = [
    *cases("popc.{t}", "u32", "{t}", lambda _, a: bin(a).count("1"), t=WORDS),
    *cases("clz.{t}", "u32", "{t}", lambda k, a: k.width - a.bit_length(), t=WORDS),
    *cases("brev.{t}", "{t}", "{t}", lambda k, a: int(f"{a:0{k.width}b}"[::-1], 2), t=WORDS),
    *cases("bfind.{t}", "u32", "{t}", leading, t=FIELDS),
    *cases("bfind.shiftamt.{t}", "u32", "{t}", shift_amount, t=FIELDS),
    *cases("fns.b32", "b32", "b32 u32 s32", nth_set,
           operand_values=(None, tuple(range(32)), (0, 1, 2, 3, 7, 2**32 - 1, 2**32 - 4))),
    *cases("bfe.{t}", "{t}", "{t} u32 u32", extract, t=FIELDS,
           operand_values=(None, FIELD, FIELD)),
    *cases("bfi.{t}", "{t}", "{t} {t} u32 u32", insert, t=WORDS,
           operand_values=(None, None, FIELD, FIELD)),
    *cases("szext.{mode}.{t}", "{t}", "{t} u32", sign_extended, mode=("wrap", "clamp"),
           t=("u32", "s32"), operand_values=(None, SHIFTS)),
    *cases("bmsk.{mode}.b32", "b32", "u32 u32", mask, mode=("wrap", "clamp"),
           operand_values=(SHIFTS, SHIFTS)),
    *cases("{op}.{t}", "{t}", "{t} {t}", lambda k, a, b: conditional(k.values["op"], a, b),
           op=("and", "or", "xor"), t=(*BITS, "pred")),
    *cases("not.{t}", "{t}", "{t}", lambda _, a: ~a, t=BITS),
    *cases("not.pred", "pred", "pred", lambda _, a: not a),
    *cases("cnot.{t}", "{t}", "{t}", lambda _, a: a == 0, t=BITS),
    *cases("lop3.b32 {table}", "b32", "b32 b32 b32", look_up, table=map(str, TABLES)),
    *cases("lop3.{op}.b32 {table}", "b32 pred", "b32 b32 b32 pred", look_up_with, arch=90,
           op=("and", "or"), table=("128", "1"),
           text="{{ .reg .pred p, q; setp.ne.u32 q, %5, 0; "
                "lop3.{op}.b32 %0|p, %2, %3, %4, {table}, q; selp.u32 %1, 1, 0, p; }}"),
    *cases("shl.{t}", "{t}", "{t} u32", lambda _, a, n: a << min(n, 64), t=BITS,
           operand_values=(None, SHIFTS)),
    *cases("shr.{t}", "{t}", "{t} u32", lambda _, a, n: a >> n, t=BITS + INTEGERS,
           operand_values=(None, SHIFTS)),
    *cases("shf.{way}.{mode}.b32", "b32", "b32 b32 u32", funnel, way=("l", "r"),
           mode=("wrap", "clamp"), operand_values=(None, None, SHIFTS)),
    *cases("prmt.b32", "b32", "b32 b32 b32", permute),
    *cases("prmt.b32.{special}", "b32", "b32 b32 b32", permute,
           special=("f4e", "b4e", "rc8", "ecl", "ecr", "rc16")),
]  # fmt: skip
