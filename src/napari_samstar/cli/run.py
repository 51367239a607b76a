"""`samstar run`: images in, label images, tables and overlays out."""

from __future__ import annotations

import argparse
import glob
import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_samstar.cli.errors import OK, STOPPED, explain
from napari_samstar.cli.options import add_settings, list_settings, pixel_size, run_settings
from napari_samstar.cli.progress import drain, say
from napari_samstar.types import SamStarError

if TYPE_CHECKING:
    from napari_samstar.pipeline import RunResult
    from napari_samstar.recipe import Recipe
    from napari_samstar.settings import RunSettings

__all__ = ["add_parser", "headline"]

DEFAULT_MODEL = "samstar-tiny"
NO_MODEL = "none"  # classical regions alone


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser(
        "run",
        help="segment and measure images",
        description="Segment and measure images; write label images, tables, overlays and recipes.",
    )
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="micrographs in any format read")
    parser.add_argument("--out", metavar="DIR", help="folder to write into")
    parser.add_argument(
        "--model",
        metavar="NAME|PATH",
        help=f"see samstar models list; {NO_MODEL}: classical regions alone ({DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda", "mps"),
        help="where the network runs (%(default)s)",
    )
    parser.add_argument(
        "--pixel-size", type=pixel_size, metavar="SIZE", help='such as "0.5 nm"; else the file\'s'
    )
    parser.add_argument("--frame", type=int, metavar="N", help="frame of a stack, from 0")
    add_settings(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON line an image")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Segment all images; those that fail do not stop the others."""
    if args.list_settings:
        print(list_settings())
        return OK
    if not args.images or not args.out:
        raise SamStarError("samstar run needs at least one IMAGE and --out DIR.")
    images = _images(args.images)
    settings, recipe = run_settings(args)

    model = _model(args, recipe)
    worst = OK
    done = 0
    try:
        for image in images:
            start = time.perf_counter()
            try:
                result, files = _one(image, args, settings, model)
            except Exception as err:
                if args.debug:
                    raise
                message, code = explain(err)
                worst = max(worst, code)
                say(f"{image}: {message}" if str(image) not in message else message)
                if args.json:
                    _print({"image": str(image), "ok": False, "error": message})
                continue
            done += 1
            seconds = time.perf_counter() - start
            if args.json:
                _print(_record(image, result, files, seconds))
            else:
                print(f"{image}: {headline(result)}, {seconds:.1f} s; {files['overlay']}")
    except KeyboardInterrupt:
        say(f"Stopped; {done} of {len(images)} images are done.")
        return STOPPED
    return worst


def _model(args: argparse.Namespace, recipe: Recipe | None) -> Any:
    """Load the network; None where none is wanted."""
    from napari_samstar.sam.base import model_hash
    from napari_samstar.sam.zoo import load_model

    name = args.model
    if name is None:
        name = DEFAULT_MODEL
        if recipe is not None:
            name = recipe.model.name if recipe.model else NO_MODEL
    if name == NO_MODEL:
        return None
    model = load_model(name, device=args.device)
    wanted = recipe.model if recipe is not None and args.model is None else None
    if wanted is not None and model_hash(model) != wanted.hash:
        raise SamStarError(
            f"The recipe was made with other weights of {name} than those installed here: its "
            f"result cannot be repeated; give --model {name} to run it all the same."
        )
    say(f"{name} on {model.device}", quiet=args.quiet)
    return model


def _images(given: list[str]) -> list[Path]:
    """Expand patterns, which not every shell does, and see that no two write the same files."""
    images: list[Path] = []
    for text in given:
        found = [] if Path(text).exists() else sorted(glob.glob(text, recursive=True))
        images += [Path(one) for one in found or [text]]
    stem, count = Counter(image.stem for image in images).most_common(1)[0]
    if count > 1:
        raise SamStarError(
            f"{count} of the images would be written as {stem}.labels.tif: run them one by one, "
            "each with its own --out."
        )
    return images


def _one(
    image: Path, args: argparse.Namespace, settings: RunSettings, model: Any
) -> tuple[RunResult, dict[str, Path]]:
    from napari_samstar.cache import Store
    from napari_samstar.io.read import load_micrograph
    from napari_samstar.pipeline import segment_steps
    from napari_samstar.results import write_result

    size, unit = args.pixel_size or (None, None)
    micrograph = load_micrograph(image, frame=args.frame, pixel_size=size, unit=unit)
    steps = segment_steps(micrograph, model, settings, store=Store())
    result = drain(steps, image.name, quiet=args.quiet)
    return result, write_result(result, args.out, image.stem)


def headline(result: RunResult) -> str:
    """Say what was found in one phrase: count, median size, coverage, what is doubtful."""
    from napari_samstar.measurements.summary import summarize

    summary = summarize(result.table)
    unit = result.segmentation.micrograph.unit
    count = f"{summary['n']} object{'' if summary['n'] == 1 else 's'}"
    column = next((c for c in summary["columns"] if c.startswith("equivalent_diameter")), "")
    median = summary["columns"].get(column, {}).get("median")
    parts = [count]
    if median is not None:
        parts.append(f"median diameter {median:.3g} {unit}")
    if summary["coverage"] is not None:
        parts.append(f"{100 * summary['coverage']:.3g} % covered")
    doubtful = [str(one["label"]) for one in summary.get("doubtful", ())]
    if doubtful:
        named = ", ".join(doubtful[:3]) + ", ..." * (len(doubtful) > 3)
        parts.append(f"{len(doubtful)} doubtful (label {named})")
    return ", ".join(parts)


def _record(
    image: Path, result: RunResult, files: dict[str, Path], seconds: float
) -> dict[str, Any]:
    from napari_samstar.measurements.summary import summarize

    micrograph = result.segmentation.micrograph
    return {
        "image": str(image),
        "ok": True,
        "objects": len(result.table),
        "pixel_size": micrograph.pixel_size,
        "unit": micrograph.unit,
        "summary": summarize(result.table),
        "seconds": round(seconds, 3),
        "files": {kind: str(path) for kind, path in files.items()},
    }


def _print(record: dict[str, Any]) -> None:
    print(json.dumps(record), flush=True)
