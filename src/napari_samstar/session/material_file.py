"""The table of materials as a file beside an export: numbers, names, areas, confidence."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from napari_samstar.atomic import write_text_atomic
from napari_samstar.edits.checks import is_color
from napari_samstar.session.materials import MaterialRow

__all__ = ["ENDING", "read_colors", "read_names", "write_rows"]

#: End of the file's name.
ENDING = "materials.csv"


def write_rows(path: Path, rows: Sequence[MaterialRow]) -> None:
    """Write one line for each material."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["material", "name", "color", "objects", "area_fraction", "confidence"])
    for row in rows:
        sure = "" if math.isnan(row.confidence) else f"{row.confidence:.4f}"
        known = row.material, row.name, row.color, len(row.labels)
        out.writerow([*known, f"{row.share:.6f}", sure])
    write_text_atomic(path, text.getvalue())


def read_names(path: Path) -> dict[int, str]:
    """Read the names of the materials; none where there is no such file, or it is damaged."""
    return _column(path, "name")


def read_colors(path: Path) -> dict[int, str]:
    """Read their colors, "#rrggbb", as `read_names` does."""
    return {k: color for k, color in _column(path, "color").items() if is_color(color)}


def _column(path: Path, name: str) -> dict[int, str]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {int(row["material"]): row[name] for row in rows if int(row["material"]) > 0}
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}
