"""`front.csv`, `front.png` and `front.html` of one search."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_samstar.atomic import atomic_path, write_text_atomic
from napari_samstar.io.overlay import overlay
from napari_samstar.io.preprocess import to_rgb
from napari_samstar.io.write import write_table_csv
from napari_samstar.report.picture import draw_front
from napari_samstar.report.wording import describe
from napari_samstar.search.sensitivity import sensitivity
from napari_samstar.types import Selection

if TYPE_CHECKING:
    import pandas as pd

    from napari_samstar.pipeline import RunResult, SelectionFront
    from napari_samstar.search.pareto import Candidate

__all__ = ["front_table", "marks", "write_front"]

_THUMBNAIL = 360  # longest side, px
#: Ends of the names of what `write_front` writes, by kind.
ENDINGS = {"front": "front.csv", "front_picture": "front.png", "front_page": "front.html"}


def marks(front: SelectionFront, chosen: Candidate | None = None) -> dict[str, Candidate]:
    """Candidates worth looking at, by what they are called.

    Parameters
    ----------
    front : SelectionFront
        A search's result, with at least one candidate.
    chosen : Candidate, optional
        The one that was taken.

    Returns
    -------
    dict
        "chosen", "knee", "default", and "best <objective>" for each objective.
    """
    found: dict[str, Candidate] = {}
    if chosen is not None:
        found["chosen"] = chosen
    found["knee"] = front.knee
    if front.default is not None:
        found["default"] = front.default
    for name, candidate in front.best_per_objective.items():
        found[f"best {name}"] = candidate
    return found


def front_table(front: SelectionFront, chosen: Candidate | None = None) -> pd.DataFrame:
    """All candidates of a search, one row each.

    Parameters
    ----------
    front : SelectionFront
        A search's result.
    chosen : Candidate, optional
        The one that was taken.

    Returns
    -------
    DataFrame
        ``candidate``, ``generation``, ``on_front``, ``marks`` (see `marks`, joined by "; "), one
        column for each objective (0 to 1, more is better) and for each parameter, ``error``.
    """
    import pandas as pd

    on_front = {c.index for c in front.candidates}
    called: dict[int, list[str]] = {}
    if front.candidates:
        for name, candidate in marks(front, chosen).items():
            called.setdefault(candidate.index, []).append(name)
    rows = []
    for candidate in front.evaluated:
        rows.append(
            {
                "candidate": candidate.index,
                "generation": candidate.generation,
                "on_front": candidate.index in on_front,
                "marks": "; ".join(called.get(candidate.index, [])),
                **dict(zip(front.objectives, candidate.rewards, strict=True)),
                **{name: _plain(value) for name, value in candidate.genes.items()},
                "error": candidate.error,
            }
        )
    return pd.DataFrame(rows)


def write_front(result: RunResult, folder: str | Path, stem: str) -> dict[str, Path]:
    """Write table, picture and page of the search that made `result`.

    Parameters
    ----------
    result : RunResult
        With a front.
    folder : path
        Must be there.
    stem : str
        Start of the file names.

    Returns
    -------
    dict
        ``front``, ``front_picture``, ``front_page`` to their paths; empty without a search.

    Raises
    ------
    SamStarError
        If the disk refuses.
    """
    front, chosen = result.front, result.candidate
    if front is None or not front.candidates:
        return {}
    paths = {kind: Path(folder) / f"{stem}.{ending}" for kind, ending in ENDINGS.items()}
    write_table_csv(paths["front"], front_table(front, chosen))
    picture = draw_front(front, marks(front, chosen))
    with atomic_path(paths["front_picture"]) as temporary:
        Path(temporary).write_bytes(picture)
    write_text_atomic(paths["front_page"], _page(result, front, chosen, picture, stem))
    return paths


def _plain(value: Any) -> Any:
    return "+".join(value) if isinstance(value, tuple) else value


def _page(
    result: RunResult,
    front: SelectionFront,
    chosen: Candidate | None,
    picture: bytes,
    stem: str,
) -> str:
    """One page that stands alone, pictures within."""
    rgb = to_rgb(result.segmentation.micrograph, result.recipe.preprocess)
    selections: dict[int, Selection] = {}

    def kept(candidate: Candidate) -> Selection:
        if candidate.index not in selections:
            selections[candidate.index] = front.selection(candidate)
        return selections[candidate.index]

    called: dict[int, list[str]] = {}
    for name, candidate in marks(front, chosen).items():
        called.setdefault(candidate.index, []).append(name)
    start = front.default or front.evaluated[0]
    cards = []
    for index, names in called.items():
        candidate = front.evaluated[index]
        line = describe(start.genes, candidate.genes, len(kept(start)), len(kept(candidate)))
        scores = ", ".join(
            f"{name} {value:.2f}"
            for name, value in zip(front.objectives, candidate.rewards, strict=True)
        )
        thumbnail = _thumbnail(rgb, kept(candidate).labels())
        cards.append(
            f"<figure><img src='{_embed(thumbnail)}' alt='masks of candidate {index}'>"
            f"<figcaption><b>{html.escape(', '.join(names))}</b> (candidate {index}, "
            f"{len(kept(candidate))} objects)<br>{html.escape(scores)}<br>"
            f"<small>Against the default: {html.escape(line)}</small></figcaption></figure>"
        )
    return _PAGE.format(
        title=html.escape(f"Search of {stem}"),
        summary=html.escape(
            f"{len(front.evaluated)} candidates, {len(front.candidates)} on the Pareto front. "
            f"{front.finished}"
        ),
        picture=_embed(picture),
        cards="\n".join(cards),
        mattered=_mattered(sensitivity(front)),
    )


def _mattered(importance: Mapping[str, Mapping[str, float]], most: int = 10) -> str:
    """Rows of a table: how much each parameter mattered to each objective."""
    objectives = list(importance)
    names = list(next(iter(importance.values()), {}))
    names.sort(key=lambda name: -max(importance[o][name] for o in objectives))
    head = "".join(f"<th>{html.escape(o)}</th>" for o in objectives)
    rows = []
    for name in names[:most]:
        cells = "".join(f"<td>{importance[o][name]:.2f}</td>" for o in objectives)
        rows.append(f"<tr><th>{html.escape(name)}</th>{cells}</tr>")
    return f"<tr><th>parameter</th>{head}</tr>" + "".join(rows)


def _thumbnail(rgb: NDArray[np.uint8], labels: NDArray[Any]) -> bytes:
    image = Image.fromarray(overlay(rgb, labels))
    image.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()


def _embed(data: bytes) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1200px }}
main {{ display: flex; flex-wrap: wrap; gap: 1em }}
figure {{ margin: 0; width: 360px }} img {{ max-width: 100% }}
table {{ border-collapse: collapse }} td, th {{ padding: .2em .7em; text-align: right }}
th:first-child {{ text-align: left }} tr:nth-child(even) {{ background: #8881 }}
</style></head><body>
<h1>{title}</h1>
<p>{summary}</p>
<p><img src="{picture}" alt="Pareto front and hypervolume"></p>
<h2>Candidates worth a look</h2>
<main>
{cards}
</main>
<h2>Which parameter mattered</h2>
<p>Share of the variation of each reward that a parameter explains, over all candidates.</p>
<table>{mattered}</table>
</body></html>
"""
