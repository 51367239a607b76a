"""What an error means to somebody at a command line: one sentence and an exit code."""

from __future__ import annotations

from pydantic import ValidationError

from napari_samstar.types import SamStarError

__all__ = ["FAILED", "OK", "STOPPED", "USER", "explain"]

OK, FAILED, USER, STOPPED = 0, 1, 2, 130


def explain(err: Exception) -> tuple[str, int]:
    """One sentence and the exit code for `err`.

    Only an error that nobody foresaw gives `FAILED`.
    """
    if isinstance(err, ValidationError):
        return _settings(err), USER
    if isinstance(err, SamStarError):
        return _one_line(str(err)), USER
    if isinstance(err, MemoryError):
        return (
            "There is not enough memory for this image: close other programs, choose a smaller "
            "image or --set decode.points_per_batch=16."
        ), USER
    if isinstance(err, OSError):
        where = f"{err.filename}: " if err.filename else ""
        return _one_line(f"{where}{err.strerror or err}."), USER
    if isinstance(err, ValueError):
        return _one_line(str(err)), USER
    return (
        f"Unexpected {type(err).__name__}: {_one_line(str(err))} "
        "Please report it with the output of samstar --debug."
    ), FAILED


def _settings(err: ValidationError) -> str:
    """Say the first thing that is wrong with settings, without pydantic's own layout."""
    first = err.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or err.title
    reason = first["msg"].removeprefix("Value error, ").rstrip(".")
    if first["type"] == "extra_forbidden":
        command = "synth" if err.title == "SynthSettings" else "run"
        return f"There is no setting called {name}: see samstar {command} --list-settings."
    if first["type"] == "value_error":
        return f"{reason}."
    return f"{name} cannot be {first['input']!r}: {reason[0].lower()}{reason[1:]}."


def _one_line(text: str) -> str:
    return " ".join(text.split())
