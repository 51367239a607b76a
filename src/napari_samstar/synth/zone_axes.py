"""Crystals seen along a zone axis: projected cells from structure, direction and pixel size."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_samstar.synth.lattices import Cell
from napari_samstar.synth.textures import Texture

__all__ = ["STRUCTURES", "Structure", "phase_texture", "project"]

_EXPONENT = 1.7  # of the atomic number, in HAADF (Pennycook, Ultramicroscopy 30, 58, 1989)
_FAINTEST = 0.02  # of the brightest column; fainter ones are left out


@dataclass(frozen=True)
class Structure:
    """A cubic crystal.

    Parameters
    ----------
    space_group : str
        Hermann-Mauguin symbol.
    a_nm : float
        Lattice constant, nm.
    atoms : tuple
        Atomic number and fractional x, y, z of each atom in the conventional cell.
    """

    space_group: str
    a_nm: float
    atoms: tuple[tuple[int, float, float, float], ...]


def _perovskite(a_nm: float, large: int, small: int) -> Structure:
    oxygen = ((8, 0.5, 0.5, 0.0), (8, 0.5, 0.0, 0.5), (8, 0.0, 0.5, 0.5))
    return Structure("Pm-3m", a_nm, ((large, 0.0, 0.0, 0.0), (small, 0.5, 0.5, 0.5), *oxygen))


def _face_centered(
    group: str, a_nm: float, basis: tuple[tuple[int, float, float, float], ...]
) -> Structure:
    centers = ((0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0))
    atoms = tuple((z, x + i, y + j, w + k) for z, x, y, w in basis for i, j, k in centers)
    return Structure(group, a_nm, atoms)


def _diamond(a_nm: float, element: int) -> Structure:
    return _face_centered("Fd-3m", a_nm, ((element, 0, 0, 0), (element, 0.25, 0.25, 0.25)))


#: Crystals of thin-film work; distorted perovskites by their pseudocubic cell.
STRUCTURES: dict[str, Structure] = {
    "SrTiO3": _perovskite(0.3905, 38, 22),
    "BaTiO3": _perovskite(0.4000, 56, 22),
    "LaFeO3": _perovskite(0.3926, 57, 26),
    "LaMnO3": _perovskite(0.3880, 57, 25),
    "LaAlO3": _perovskite(0.3790, 57, 13),
    "WO3": Structure("Pm-3m", 0.3800, ((74, 0.5, 0.5, 0.5), *_perovskite(0.38, 1, 1).atoms[2:])),
    "Si": _diamond(0.5431, 14),
    "Ge": _diamond(0.5658, 32),
    "MgO": _face_centered("Fm-3m", 0.4212, ((12, 0, 0, 0), (8, 0.5, 0.5, 0.5))),
    "Pt": _face_centered("Fm-3m", 0.3924, ((78, 0, 0, 0),)),
}


def project(structure: Structure, zone_axis: tuple[int, int, int]) -> tuple[Cell, float]:
    """Project a crystal along a zone axis.

    Parameters
    ----------
    structure : Structure
        See there.
    zone_axis : tuple of int
        Direction of view [u v w].

    Returns
    -------
    cell : Cell
        Vectors in units of the first one's length, and columns with their brightness.
    length_nm : float
        Length of the first vector, nm.
    """
    view = np.asarray(zone_axis, np.float64)
    view /= np.linalg.norm(view)
    helper = np.eye(3)[np.abs(view).argmin()]
    across = np.cross(view, helper)
    across /= np.linalg.norm(across)
    plane = np.stack([np.cross(view, across), across])  # rows: y and x of the image
    first, second = _plane_lattice(plane)
    inverse = np.linalg.inv(np.stack([first, second], 1))
    columns: list[tuple[NDArray[np.float64], float]] = []
    for element, *place in structure.atoms:
        fraction = np.round(inverse @ (plane @ np.array(place)), 6) % 1.0
        weight = float(element) ** _EXPONENT
        for k, (other, brightness) in enumerate(columns):
            apart = fraction - other
            if np.abs(apart - np.round(apart)).max() < 1e-3:
                columns[k] = (other, brightness + weight)
                break
        else:
            columns.append((fraction, weight))
    brightest = max(brightness for _, brightness in columns)
    length = float(np.linalg.norm(first))
    vectors = tuple((np.concatenate([first, second]) / length).tolist())
    basis = tuple(
        (float(f[0]), float(f[1]), b / brightest) for f, b in columns if b >= _FAINTEST * brightest
    )
    return ((vectors[0], vectors[1], vectors[2], vectors[3]), basis), length * structure.a_nm


def _plane_lattice(plane: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shortest two vectors (2,) that span the projection of the cubic lattice of constant 1."""
    steps = np.mgrid[-3:4, -3:4, -3:4].reshape(3, -1)
    points = (plane @ steps).T
    points = points[np.linalg.norm(points, axis=1) > 1e-6]
    points = points[np.lexsort((np.round(points @ [1.0, 0.1], 6), np.round((points**2).sum(1), 6)))]
    first = points[0]
    area = np.abs(points[:, 0] * first[1] - points[:, 1] * first[0])
    smallest = area[area > 1e-6].min()
    second = points[np.flatnonzero(np.abs(area - smallest) < 1e-6)[0]]
    return first, second


def phase_texture(name: str, pixel_nm: float) -> Texture:
    """Texture of a phase as a microscopist names it.

    Parameters
    ----------
    name : str
        A crystal and its zone axis, "SrTiO3 [001]" or "Ge [1 -1 0]"; or "amorphous" and what it is,
        "amorphous Pt/C".
    pixel_nm : float
        Size of a pixel, nm.

    Raises
    ------
    ValueError
        If the name is not understood or the crystal not known.
    """
    if name.lower().startswith("amorphous"):
        return Texture("amorphous", 0.5, 0.06, max(0.15 / pixel_nm, 1.2))
    found = re.fullmatch(r"\s*(\w+)\s*\[\s*(-?\d)\s*(-?\d)\s*(-?\d)\s*\]\s*", name)
    if found is None or found[1] not in STRUCTURES:
        raise ValueError(
            f"'{name}' is not a phase such as 'SrTiO3 [001]' or 'amorphous Pt/C'; known crystals "
            f"are {', '.join(STRUCTURES)}."
        )
    axis = (int(found[2]), int(found[3]), int(found[4]))
    if not any(axis):
        raise ValueError(f"'{name}' has no direction: [000] is not a zone axis.")
    cell, length = project(STRUCTURES[found[1]], axis)
    return Texture("crystal", 0.5, 0.12, length / pixel_nm, 0.0, cell, 0.22)
