"""The trained model with weights of fewer bits, side by side: ``--quantize int8 int4``.

Each form is written to a file, and what is measured is the model that was read back from it.
"""

import copy
import json
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import torch
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from halfword.quant import Int4WeightOnly, Int8Dynamic

from .config import Config
from .model import ByteGPT
from .report import finite, machine
from .sample import extend, printable
from .side import bits_per_byte, empty_model
from .train import Run

FORMS = {"int8": Int8Dynamic(), "int4": Int4WeightOnly(group_size=32)}
BATCHES = (1, 32)
UNTIMED_ROUNDS = 1  # packs weights; pages and caches get ready
ROUNDS = 7

Entry = dict[str, Any]


def compare_forms(
    run: Run, forms: list[str], prompt: str, length: int, out: Path, console: Console
) -> Entry:
    """Write and measure the trained model as it is and in these forms.

    Returns:
        What is in ``quantized.json``, too: of each form size, bits per byte, tokens a second for
        each of `BATCHES`, with the speedup over the model as it is, and greedy text.
    """
    base = run.config.precision
    models, found = {}, {}
    for form in (base, *forms):
        path = out / f"model-{form}.safetensors"
        save(run.sides[0].model, form, path)
        models[form] = load(run.config, form, path)
        found[form] = sizes(models[form], path) | {
            "bits_per_byte": bits_per_byte(models[form], *run.test, run.config.batch)
        }
    speeds = measure_speed(models, run.test[0], console)
    start = torch.tensor([list(prompt.encode())], device=run.config.torch_device)
    for form, model in models.items():
        found[form] |= {"tokens_per_s": speeds[form]}
        found[form] |= {"text": printable(bytes(extend(model, start, length)[0].tolist()))}
    result = {
        "bench": "byte-lm-quantized",
        "settings": run.settings(),
        "steps_done": run.step,
        "machine": machine(run.config.torch_device),
        "recipes": {form: repr(FORMS[form]) for form in forms},
        "forms": found,
    }
    (out / "quantized.json").write_text(json.dumps(finite(result), indent=1) + "\n")
    plot(out / "quantized.png", found)
    return result


def in_form(model: ByteGPT, form: str) -> ByteGPT:
    """The model itself, its layers exchanged for those of a form."""
    return model.freeze(FORMS[form]) if form in FORMS else model


def save(model: ByteGPT, form: str, path: Path) -> None:
    """Write a copy of a model in a form; the file says which, and the sizes of the model."""
    state = in_form(copy.deepcopy(model), form).state_dict()
    about = {
        "format": "halfword byte_lm model",
        "form": form,
        "sizes": json.dumps(asdict(model.config)),
    }
    save_file({name: x.cpu().contiguous() for name, x in state.items()}, path, about)


def load(config: Config, form: str, path: Path) -> ByteGPT:
    """Read a model that `save` wrote."""
    model = in_form(empty_model(config).to_mixed(config.dtype), form)
    model.load_state_dict(load_file(path, device=config.torch_device.type))
    return model.requires_grad_(False).eval()


def sizes(model: ByteGPT, path: Path) -> Entry:
    """Bytes on disk, and of the linear layers of the blocks, which are what a form changes."""
    return {"file_bytes": path.stat().st_size, "linear_bytes": state_bytes(model.blocks)}


def state_bytes(module: nn.Module) -> int:
    """Bytes of all tensors of a module."""
    return sum(x.nbytes for x in module.state_dict().values())


def measure_speed(models: dict[str, ByteGPT], text: Tensor, console: Console) -> dict[str, Entry]:
    """Tokens a second of each model at each batch size, from rounds in which each takes a turn.
    Whatever else the machine does in a round slows them all, so speedups are taken in a round."""
    seconds: dict[tuple[str, int], list[float]] = {(f, b): [] for f in models for b in BATCHES}
    rounds = track(
        range(UNTIMED_ROUNDS + ROUNDS), "speed", console=console, transient=True,
        disable=not console.is_terminal,
    )  # fmt: skip
    for number in rounds:
        for (form, batch), taken in seconds.items():
            spent = generating(models[form], text, batch)
            if number >= UNTIMED_ROUNDS:
                taken.append(spent)
    base = next(iter(models))
    found: dict[str, Entry] = {form: {} for form in models}
    for (form, batch), taken in seconds.items():
        tokens = batch * (models[form].config.context - 1)
        ratios = [one / own for one, own in zip(seconds[base, batch], taken, strict=True)]
        found[form][str(batch)] = {"median": tokens / median(taken), "speedup": median(ratios)}
    return found


def generating(model: ByteGPT, text: Tensor, batch: int) -> float:
    """Seconds that this many texts take, from a byte of each to as many as the model can read."""
    rows = torch.arange(batch, device=text.device) % len(text)
    start = text[rows, :1]
    began = time.perf_counter()
    extend(model, start, model.config.context - 1).cpu()  # waits for the device
    return time.perf_counter() - began


def table(result: Entry) -> Table:
    """Forms side by side; it fits 80 columns. A kB is 1,000 bytes."""
    forms = result["forms"]
    base = next(iter(forms))
    shown = Table(
        title=f"the trained model, {result['steps_done']} steps",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=0,
    )
    headings = ["", "bits per\nbyte", "file\nkB", "linear\nkB", f"of\n{base}"]
    headings += [each for b in BATCHES for each in (f"tokens/s,\nbatch {b}", "speed")]
    for heading in headings:
        shown.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for form, its in forms.items():
        speeds = [its["tokens_per_s"][str(batch)] for batch in BATCHES]
        shown.add_row(
            form,
            f"{its['bits_per_byte']:.4f}",
            f"{its['file_bytes'] / 1e3:,.0f}",
            f"{its['linear_bytes'] / 1e3:,.0f}",
            f"{its['linear_bytes'] / forms[base]['linear_bytes']:.3f}x",
            *(text for s in speeds for text in (f"{s['median']:,.0f}", f"{s['speedup']:.2f}x")),
        )
    return shown


def show_texts(result: Entry, console: Console) -> None:
    """Greedy text of each form."""
    for form, its in result["forms"].items():
        console.rule(f"greedy, {form}")
        console.out(its["text"], highlight=False)
    console.rule()


def plot(path: Path, forms: dict[str, Entry]) -> None:
    """Draw quality, size and speed of each form."""
    panels = {
        "held-out bits per byte": [its["bits_per_byte"] for its in forms.values()],
        "file, kB": [its["file_bytes"] / 1e3 for its in forms.values()],
    }
    for batch in BATCHES:
        panels[f"tokens/s, batch {batch}"] = [
            its["tokens_per_s"][str(batch)]["median"] for its in forms.values()
        ]
    figure = Figure(figsize=(3 * len(panels), 3.5), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        bars = axes.bar(list(forms), values, color=["grey", "tab:blue", "tab:orange"][: len(forms)])
        axes.bar_label(bars, fmt="{:.4g}" if max(values) < 100 else "{:,.0f}")
        axes.set(title=title, yticks=[], ylim=(0, 1.12 * max(values)))
        axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(path, dpi=120)
