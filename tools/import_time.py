"""What does `import halfword` add to `import torch`? Prints the median over fresh processes."""

import statistics
import subprocess
import sys

RUNS = 15
SCRIPT = """
import time, torch
start = time.perf_counter()
import halfword
print(time.perf_counter() - start)
"""


def main() -> None:
    """Run it a few times; the first run, which fills the caches, does not count."""
    command = [sys.executable, "-c", SCRIPT]
    times = [float(subprocess.check_output(command)) * 1e3 for _ in range(RUNS + 1)][1:]
    low, middle, high = statistics.quantiles(times, n=4)
    print(f"import halfword: median {middle:.1f} ms, quartiles {low:.1f} to {high:.1f} ms")


if __name__ == "__main__":
    main()
