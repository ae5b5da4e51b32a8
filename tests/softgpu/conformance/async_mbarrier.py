"""mbarriers in Python, from the PTX manual, and random programs for them."""

from dataclasses import dataclass, field

# enum Operation of conformance/async_mbarrier_sm90a.cu
(ARRIVE, ARRIVE_NO_COMPLETE, ARRIVE_DROP, EXPECT_TX, COMPLETE_TX, ARRIVE_EXPECT_TX, TEST_WAIT,
 TEST_WAIT_PARITY, TRY_WAIT, TRY_WAIT_PARITY, PENDING_COUNT, COPY_THEN_ARRIVE,
 COPY_THEN_ARRIVE_AND_ADD) = range(13)  # fmt: skip


@dataclass
class MBarrier:
    """The state machine of an mbarrier."""

    expected: int
    pending: int = 0
    bytes: int = 0
    phase: int = 0
    tokens: dict[int, tuple[int, int]] = field(default_factory=dict)  # step -> phase, pending

    def __post_init__(self) -> None:
        self.pending = self.expected

    def _finish(self) -> None:
        if self.pending == 0 and self.bytes == 0:
            self.phase += 1
            self.pending = self.expected

    def arrive(self, step: int, count: int = 1) -> None:
        self.tokens[step] = self.phase, self.pending
        self.pending -= count
        self._finish()

    def arrive_drop(self, step: int) -> None:
        self.expected -= 1
        self.arrive(step)

    def expect(self, count: int) -> None:
        self.bytes += count

    def complete(self, count: int) -> None:
        self.bytes -= count
        self._finish()

    def is_done(self, step: int) -> bool:
        return self.phase != self.tokens[step][0]

    def parity_done(self, parity: int) -> bool:
        return self.phase % 2 != parity


class Program:
    """Random steps that are all defined, and what those that ask must answer."""

    def __init__(self, rng, count: int, length: int):
        self.model = MBarrier(count)
        self.steps: list[tuple[int, int]] = []
        self.answers: dict[int, int] = {}
        while len(self.steps) < length:
            operation = int(rng.choice([*self.ARRIVALS, *self.TRANSACTIONS, *self.QUESTIONS]))
            part = next(p for p in self.PARTS if operation in getattr(self, p))
            argument = getattr(self, part.lower())(operation, rng)
            if argument is not None:
                self.steps.append((operation, argument))

    ARRIVALS = (ARRIVE, ARRIVE_NO_COMPLETE, ARRIVE_DROP, ARRIVE_EXPECT_TX)
    TRANSACTIONS = (EXPECT_TX, COMPLETE_TX)
    QUESTIONS = (TEST_WAIT, TEST_WAIT_PARITY, TRY_WAIT, TRY_WAIT_PARITY, PENDING_COUNT)
    PARTS = ("ARRIVALS", "TRANSACTIONS", "QUESTIONS")

    # Each returns the step's argument, or None if the step would be undefined now.

    def arrivals(self, operation: int, rng) -> int | None:
        model, step = self.model, len(self.steps)
        most = model.pending - (operation == ARRIVE_NO_COMPLETE)
        if most < 1 or (operation == ARRIVE_DROP and model.expected < 3):
            return None
        if operation == ARRIVE_DROP:
            model.arrive_drop(step)
            return 0
        if operation == ARRIVE_EXPECT_TX:
            count = int(rng.integers(1, 100))
            model.expect(count)
            model.arrive(step)
            return count
        count = int(rng.integers(1, most + 1))
        model.arrive(step, count)
        return count

    def transactions(self, operation: int, rng) -> int | None:
        model = self.model
        if operation == EXPECT_TX and model.pending > 0:
            count = int(rng.integers(1, 100))
            model.expect(count)
            return count
        if operation == COMPLETE_TX and model.bytes > 0:
            count = int(rng.choice([model.bytes, rng.integers(1, model.bytes + 1)]))
            model.complete(count)
            return count
        return None

    def questions(self, operation: int, rng) -> int | None:
        model, step = self.model, len(self.steps)
        recent = [s for s, (phase, _) in model.tokens.items() if model.phase - phase <= 1]
        if operation in (TEST_WAIT_PARITY, TRY_WAIT_PARITY):
            argument = int(rng.integers(2))
            answer = int(model.parity_done(argument))
        elif not recent:
            return None
        else:
            argument = int(rng.choice(recent))
            is_count = operation == PENDING_COUNT
            answer = model.tokens[argument][1] if is_count else int(model.is_done(argument))
        if operation in (TRY_WAIT, TRY_WAIT_PARITY) and not answer:
            return None  # it would wait, and nobody else arrives
        self.answers[step] = answer
        return argument
