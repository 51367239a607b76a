"""Materials of the objects as a person sees and sets them: a table, colors, names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.edits.values import ColorMaterial, NameMaterial, SetMaterial, SetMaterials

if TYPE_CHECKING:
    from napari_samstar.session.corrections import Corrections
    from napari_samstar.session.image import ImageState

__all__ = [
    "COLORS",
    "MaterialRow",
    "Sureness",
    "color_of",
    "coloring",
    "colors_of",
    "examples",
    "material_image",
    "material_rows",
    "materials_now",
    "name_of",
    "names_of",
    "naming",
    "one_material",
    "sureness_of",
]

#: Okabe and Ito's colors, told apart with any color vision; material 1 has the first.
COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#56b4e9", "#d55e00")


@dataclass(frozen=True)
class Sureness:
    """What was found with the materials.

    Parameters
    ----------
    of : mapping of label to (material, confidence)
        Which material an object was found to be of, and how surely, 0 to 1.
    background : int
        Material that stands for vacuum or empty ground; 0 for none.
    sentence : str
        How many materials there are, and what nearly was the number.
    """

    of: Mapping[int, tuple[int, float]]
    background: int = 0
    sentence: str = ""


@dataclass(frozen=True)
class MaterialRow:
    """One line of the table of materials.

    Parameters
    ----------
    material : int
        Its number; 0 for the objects that are undecided.
    name : str
        As the user calls it.
    labels : tuple of int
        The objects of it.
    share : float
        Of the image's area, 0 to 1.
    confidence : float
        Mean over its objects' pixels, 0 to 1; NaN where nothing is known, or there is no other
        material that they could be of.
    color : str
        "#rrggbb"; empty for the usual one, see `color_of`.
    """

    material: int
    name: str
    labels: tuple[int, ...]
    share: float
    confidence: float
    color: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "color", self.color or color_of(self.material))


def color_of(material: int) -> str:
    """Usual color of a material, "#rrggbb"; undecided ones are white."""
    return "#ffffff" if material == 0 else COLORS[(material - 1) % len(COLORS)]


def name_of(state: ImageState, material: int) -> str:
    """How a material is called."""
    known = sureness_of(state)
    usual = "undecided" if material == 0 else f"material {material}"
    if known is not None and material and material == known.background:
        usual = "background"
    return names_of(state).get(material, usual)


def names_of(state: ImageState) -> Mapping[int, str]:
    """Return the names that a person gave: those of the corrections, once they have begun."""
    return state.material_names if state.corrections is None else state.corrections.names


def colors_of(state: ImageState) -> Mapping[int, str]:
    """Return the colors that a person chose: those of the corrections, once they have begun."""
    return state.material_colors if state.corrections is None else state.corrections.colors


def naming(state: ImageState, material: int, name: str) -> NameMaterial | None:
    """Call a material by another name, empty for its usual one; None where it is called so."""
    edit = NameMaterial(material, name)
    same = edit.name in (names_of(state).get(material, ""), name_of(state, material))
    return None if same else edit


def coloring(state: ImageState, material: int, color: str) -> ColorMaterial | None:
    """Show a material in another color; None where it is shown so."""
    edit = ColorMaterial(material, color)
    return None if edit.color == (colors_of(state).get(material) or color_of(material)) else edit


def material_rows(state: ImageState) -> list[MaterialRow]:
    """List the materials of the present objects, the undecided last; none before they are found."""
    found = _present(state)
    if not any(material for material, _ in found.values()):
        return []
    known = sureness_of(state)
    sure = {} if known is None else known.of
    by_material: dict[int, list[int]] = {}
    for label, (material, _) in found.items():
        by_material.setdefault(material, []).append(label)
    whole = float(np.prod(state.source.shape))
    alone = len(by_material.keys() - {0}) < 2
    chosen = colors_of(state)
    rows = []
    for material, labels in sorted(by_material.items(), key=lambda pair: (pair[0] == 0, pair[0])):
        told = [(found[k][1], sure[k][1]) for k in labels if sure.get(k, (-1, 0))[0] == material]
        weight = sum(area for area, _ in told)
        mean = float("nan")
        if weight and not alone:
            mean = sum(area * value for area, value in told) / weight
        share = sum(found[k][1] for k in labels) / whole
        name, color = name_of(state, material), chosen.get(material, "")
        rows.append(MaterialRow(material, name, tuple(sorted(labels)), share, mean, color))
    return rows


def materials_now(state: ImageState) -> dict[int, int]:
    """Material of each present object, 0 for unknown."""
    return {label: material for label, (material, _) in _present(state).items()}


def material_image(state: ImageState) -> NDArray[np.int32] | None:
    """Label image of materials (H, W), undecided objects as one more; None without materials."""
    of = materials_now(state)
    if not any(of.values()) or state.result is None:
        return None
    last = max(of.values()) + 1
    labels = state.result.segmentation.labels
    if state.corrections is not None:
        labels = state.corrections.labels
    table = np.zeros(int(max(of)) + 1, np.int32)
    for label, material in of.items():
        table[label] = material or last
    # what was painted this moment is not in the table yet
    return np.take(table, labels, mode="clip")


def examples(corrections: Corrections | None) -> dict[int, int]:
    """Objects that a person said the material of, one by one, and which."""
    if corrections is None:
        return {}
    told: dict[int, int] = {}
    for edit in corrections.done:
        if isinstance(edit, SetMaterial):
            told.update(dict.fromkeys(edit.labels, edit.material))
    now = corrections.materials
    return {label: m for label, m in told.items() if m and now.get(label) == m}


def one_material(state: ImageState, chosen: list[int]) -> SetMaterials | None:
    """Make one of the chosen materials; None where there is nothing to do."""
    known = [material for material in chosen if material]
    if len(chosen) < 2 or not known:
        return None
    into = known[0]
    labels = [k for k, m in materials_now(state).items() if m in chosen and m != into]
    return SetMaterials(dict.fromkeys(labels, into)) if labels else None


def sureness_of(state: ImageState) -> Sureness | None:
    """How sure the materials are: as found last, or as the result came with them."""
    if state.sureness is not None or state.result is None:
        return state.sureness
    selection: Any = state.result.selection
    if selection is None or getattr(selection, "confidence", None) is None:
        return None
    return sureness(selection, selection.material, np.arange(1, len(selection) + 1))


def sureness(made: Any, material: NDArray[Any], labels: NDArray[Any]) -> Sureness:
    """Tell how sure materials (K,) of the objects `labels` (K,) are, by whoever found them."""
    of = {
        int(label): (int(number), float(value))
        for label, number, value in zip(labels, material, made.confidence, strict=True)
    }
    text = f"{made.count} material{'' if made.count == 1 else 's'}"
    runner_up = int(made.evidence.get("runner_up", getattr(made, "runner_up", made.count)))
    if runner_up not in (made.count, 0):
        text += f"; {runner_up} would fit nearly as well"
    if made.background:
        text += "; the empty background is kept apart"
    return Sureness(of, int(made.background), text + ".")


def _present(state: ImageState) -> dict[int, tuple[int, float]]:
    """Material, 0 for unknown, and area in px of each object there is."""
    if state.corrections is not None:
        return {k: (row.material, row.area) for k, row in state.corrections.table.items()}
    if state.result is None:
        return {}
    table = state.result.table
    y, x = table.attrs["pixel_size"] or (1.0, 1.0)
    area = next(str(name) for name in table if str(name).startswith("area_"))
    materials = table["material"] if "material" in table else np.zeros(len(table), np.int64)
    return {
        int(label): (int(material), float(size) / (y * x))
        for label, material, size in zip(table["label"], materials, table[area], strict=True)
    }
