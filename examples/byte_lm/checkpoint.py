"""Checkpoints: written whole or not at all, read only when whole, ours and of this run."""

import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import torch

from .config import UserError, option

FORMAT = "halfword byte_lm checkpoint"
VERSION = 1
PARTS = {"config", "step", "batches", "rng", "sides"}


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace `path` by `state` in one rename: a crash leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=path.name + ".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save({"format": FORMAT, "version": VERSION, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_checkpoint(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Read a checkpoint of a run with the same `config`; nothing is restored here.

    Raises:
        UserError: the file is missing, damaged, foreign, or from a run with other settings.
    """
    state = read_checked(path)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{path}: not a checkpoint of this program")
    if state.get("version") != VERSION:
        raise UserError(f"{path}: checkpoint version {state.get('version')}; need {VERSION}")
    if missing := sorted(PARTS - state.keys()):
        raise UserError(f"{path}: damaged checkpoint, it lacks {', '.join(missing)}")
    if differences := compare_configs(state["config"], config):
        raise UserError(f"{path}: made with other settings: {differences}")
    return state


def read_checked(path: Path) -> Any:
    """The object in `path`, after every byte of the archive has met its checksum."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise UserError(f"{path}: damaged checkpoint, wrong checksum in {damaged}")
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no checkpoint to resume from") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except zipfile.BadZipFile:
        raise UserError(f"{path}: truncated, damaged or not a checkpoint") from None
    except UserError:
        raise
    except Exception as error:  # torch.load raises many kinds for a file it did not write
        raise UserError(f"{path}: not a checkpoint torch can load safely") from error


def compare_configs(saved: dict[str, Any], current: dict[str, Any]) -> str:
    """The settings that differ, each with both values, or an empty string."""
    names = [name for name in current | saved if saved.get(name) != current.get(name)]
    return ", ".join(
        f"{option(name)} {saved.get(name)} there and {current.get(name)} here" for name in names
    )
