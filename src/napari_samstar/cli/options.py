"""Options that become settings: named ones, and `--set` for all others."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from napari_samstar.types import SamStarError

if TYPE_CHECKING:
    from napari_samstar.recipe import Recipe
    from napari_samstar.rewards.presets import Preset
    from napari_samstar.settings import RunSettings

__all__ = ["add_set", "add_settings", "list_settings", "pixel_size", "put_settings", "run_settings"]


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options that `run_settings` reads."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--prior", metavar="TOML", help="what you know of the sample")
    source.add_argument("--recipe", metavar="JSON", help="repeat a .recipe.json on these images")
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="what is true of most nanoparticles, grains, layers, pores or cells; what --prior or "
        "--recipe says replaces parts of it",
    )
    parser.add_argument(
        "--points-per-side", type=int, metavar="N", help="density of SAM's point grid"
    )
    parser.add_argument(
        "--budget",
        type=int,
        metavar="N",
        help="candidates that the search tries; 0: no search, with --recipe its chosen parameters",
    )
    parser.add_argument(
        "--reward",
        action="append",
        default=[],
        metavar="NAME[:KEY=VALUE,...]",
        help="one more reward, see samstar rewards; may be repeated",
    )
    parser.add_argument(
        "--no-boost", action="store_true", help="leave masks as selected: find no materials"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="for everything that draws")
    add_set(parser, "preprocess.denoise=median")


def add_set(parser: argparse.ArgumentParser, example: str) -> None:
    """Add the options that `put_settings` reads, and `--list-settings`."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"any other setting, such as {example}; may be repeated",
    )
    parser.add_argument(
        "--list-settings", action="store_true", help="print all settings with their bounds"
    )


def run_settings(args: argparse.Namespace) -> tuple[RunSettings, Recipe | None]:
    """Read the settings of this run, and the recipe that they came from.

    Raises
    ------
    SamStarError, ValueError
        If a file cannot be understood, or a value is out of its bounds.
    """
    from napari_samstar.recipe import Recipe
    from napari_samstar.settings import Prior, RunSettings

    recipe = Recipe.read(args.recipe) if args.recipe else None
    given = RunSettings() if recipe is None else recipe.run_settings()
    if recipe is not None and args.budget == 0:
        given = recipe.chosen_settings()
    values = given.model_dump()
    if args.prior:
        values["prior"] = Prior.from_toml(args.prior).model_dump()
    if args.preset:
        preset = _preset(args.preset)
        values["prior"] = preset.prior_with(Prior(**values["prior"])).model_dump()
        values["rewards"] = preset.rewards_with(values["rewards"])
    if args.points_per_side is not None:
        _put(values, "decode.points_per_side", args.points_per_side)
    if args.budget == 0:
        values["search"] = None
    elif args.budget is not None:
        if values["search"] is None:
            values["search"] = {"seed": values["seed"]}
        _put(values, "search.budget", args.budget)
    if args.seed is not None:
        values["seed"] = args.seed
        if values["search"] is not None:
            values["search"]["seed"] = args.seed
    if args.no_boost:
        values["boost"] = None
    values["rewards"] = (*values["rewards"], *map(_reward, args.reward))
    put_settings(values, args.set)
    return RunSettings.model_validate(values), recipe


def put_settings(values: dict[str, Any], assignments: list[str]) -> None:
    """Put what `--set` gave, "NAME=VALUE" each, into the values of settings.

    Raises
    ------
    SamStarError
        If there is no value, or the name leads into no group of settings.
    """
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise SamStarError(f"--set needs NAME=VALUE, not {assignment!r}.")
        _put(values, name.strip(), _value(text.strip()))


def _preset(name: str) -> Preset:
    from napari_samstar.rewards.presets import PRESETS

    if name not in PRESETS:
        raise SamStarError(f"There is no preset '{name}': known are {', '.join(PRESETS)}.")
    return PRESETS[name]


def _reward(text: str) -> tuple[str, dict[str, Any]]:
    """Read "size_band:low=5,high=20", and see that there is such a reward."""
    from napari_samstar.rewards.registry import make

    name, _, rest = text.partition(":")
    pairs = [pair.partition("=") for pair in rest.split(",") if pair]
    if not all(equals for _, equals, _ in pairs):
        raise SamStarError(f"--reward needs NAME:KEY=VALUE,..., not {text!r}.")
    parameters = {key.strip(): _value(value.strip()) for key, _, value in pairs}
    make(name, **parameters)
    return name, parameters


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    *groups, last = name.split(".")
    for group in groups:
        inner = values.get(group, name)
        if inner is None:  # a step that is left out by default
            inner = {}
        if not isinstance(inner, dict):
            raise SamStarError(
                f"There is no setting called {name}: see samstar run --list-settings."
            )
        values[group] = inner
        values = inner
    values[last] = value


def _value(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def list_settings(settings: BaseModel | None = None) -> str:
    """Every setting with default, bounds and meaning, one line each; those of a run by default."""
    from napari_samstar.settings import RunSettings

    return "\n".join(_lines(settings or RunSettings(), ""))


def _lines(settings: BaseModel, prefix: str) -> Iterator[str]:
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            if f"{prefix}{name}" != "select.reward_layer.prior":  # it follows `prior`
                yield from _lines(value, f"{prefix}{name}.")
            continue
        bounds = [
            f"{sign} {limit}"
            for item in field.metadata
            for sign, key in ((">=", "ge"), (">", "gt"), ("<=", "le"), ("<", "lt"))
            if (limit := getattr(item, key, None)) is not None
        ]
        choices = [str(v) for v in get_args(field.annotation) if isinstance(v, str)]
        about = [" | ".join(choices), ", ".join(bounds), field.description or ""]
        yield f"{prefix}{name}={json.dumps(value)}  " + "; ".join(part for part in about if part)


def pixel_size(text: str) -> tuple[float, str]:
    """Parse "0.5 nm" into 0.5 and "nm"."""
    match = re.fullmatch(r"\s*([-+0-9.eE]+)\s*(\D.*?)?\s*", text)
    try:
        value = float(match[1]) if match else None
    except ValueError:
        value = None
    if match is None or value is None:
        raise argparse.ArgumentTypeError(f'{text!r} is not a pixel size such as "0.5 nm"')
    return value, match[2]
