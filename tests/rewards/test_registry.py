"""Terms by name: the built-in ones, and those that other packages bring."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_samstar.rewards import RewardWarning, make, scores, terms
from napari_samstar.rewards.registry import BUILT_IN, GROUP
from napari_samstar.types import SamStarError
from tests.rewards.scenes import lattice, micrograph, paint, rod, selected

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "custom_reward"
Install = Callable[[str, dict[str, str], str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Lay a package down as pip does: its module, and what it says of itself."""
    modules = []

    def _install(name: str, points: dict[str, str], source: str) -> None:
        site = tmp_path / name
        site.mkdir()
        module = name.replace("-", "_")
        modules.append(module)
        (site / f"{module}.py").write_text(source)
        info = site / f"{module}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
        lines = [f"{point} = {target}" for point, target in points.items()]
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n" + "\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(str(site))

    yield _install
    for module in modules:
        sys.modules.pop(module, None)


def test_the_example_package_adds_its_reward(install: Install) -> None:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    module = project["name"].replace("-", "_")
    source = EXAMPLE / "src" / module / "__init__.py"
    assert "elongation" not in terms()
    install(project["name"], project["entry-points"][GROUP], source.read_text())
    assert "elongation" in terms()
    term = make("elongation", expected=4)
    assert [p.name for p in term.parameters()][-1] == "expected"
    shape = (120, 120)
    rods = [rod(shape, y, 60, 24, 6, 0) for y in (30, 60, 90)]
    gray = paint(rods, shape)
    discs = lattice(shape)
    values = scores([term], selected(rods, gray), micrograph(gray))
    assert values[0] == pytest.approx(1, abs=0.06)
    assert scores([term], selected(discs, gray), micrograph(gray))[0] < 0.35


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import not_there_at_all\n", "ModuleNotFoundError"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("Term = 3\n", "not a class"),
        ("class Term:\n    name = 'other'\n", "named 'other'"),
        ("class Term:\n    name = 'broken'\n", "lacks family"),
        (
            "from napari_samstar.rewards import Term as Base\n"
            "class Term(Base):\n    name = 'broken'\n    family = 'size'\n",
            "lacks a score",
        ),
        ("", "AttributeError"),
    ],
)
def test_a_broken_package_harms_only_itself(install: Install, source: str, reason: str) -> None:
    install("bad-lab", {"broken": "bad_lab:Term"}, source)
    with pytest.warns(RewardWarning, match=f"'broken' of the package 'bad-lab'.*{reason}"):
        known = terms()
    assert set(known) == {term.name for term in BUILT_IN}
    with pytest.raises(SamStarError, match="bad-lab"):
        make("broken")
    assert make("solidity").name == "solidity"


def test_a_built_in_name_is_not_taken_over(install: Install) -> None:
    source = (
        "from napari_samstar.rewards import Term as Base\nclass Mine(Base):\n    name='count'\n"
    )
    install("greedy-lab", {"count": "greedy_lab:Mine"}, source)
    with pytest.warns(RewardWarning, match=r"'greedy-lab' offers a reward 'count'.*renamed"):
        known = terms()
    assert known["count"].__module__ == "napari_samstar.rewards.size"


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("size_bnd", {}, "There is no reward 'size_bnd': known are size_band"),
        ("size_band", {"lo": 3}, "lo: Extra inputs"),
        ("size_band", {"low": -1.0}, "low: Input should be greater"),
        ("size_band", {"low": 9.0, "high": 3.0}, "low = 9.0 is above high = 3.0"),
        ("size_band", {"unit": "parsec"}, "no unit of length"),
        ("contrast", {"polarity": "blue"}, "polarity: Input should be"),
    ],
)
def test_what_cannot_be_made_is_said_in_a_sentence(name, parameters, message) -> None:
    with pytest.raises(SamStarError, match=message) as caught:
        make(name, **parameters)
    assert "\n" not in str(caught.value)


def test_every_built_in_term_can_fill_a_form() -> None:
    for name, term in terms().items():
        assert term.name == name
        assert term.__doc__
        assert "Bias" in term.__doc__, name
        for parameter in term.parameters():
            assert parameter.description, (name, parameter.name)
            value = parameter.default
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            assert parameter.low is not None, (name, parameter.name)
            assert parameter.low <= value <= parameter.high, (name, parameter.name)


def test_a_term_is_made_again_from_its_values() -> None:
    for name in terms():
        term = make(name)
        again = make(name, **term.values())
        assert again == term
    band = make("size_band", low=8, high=30, unit="µm")
    assert band.values()["unit"] == "um"
    assert band.needs_pixel_size
    assert not make("size_band").needs_pixel_size


def test_a_failing_term_is_named(install: Install) -> None:
    source = (
        "from napari_samstar.rewards import Term\n"
        "class Odd(Term):\n    name = 'odd'\n    family = 'size'\n    fail: bool = False\n"
        "    def score(self, selection, micrograph):\n"
        "        return 1 / 0 if self.fail else float('nan')\n"
    )
    install("odd-lab", {"odd": "odd_lab:Odd"}, source)
    gray = paint(lattice(), (200, 240))
    selection = selected(lattice(), gray)
    assert scores([make("odd")], selection, micrograph(gray)).tolist() == [0.0]
    with pytest.raises(SamStarError, match="The reward 'odd' failed \\(ZeroDivisionError"):
        scores([make("odd", fail=True)], selection, micrograph(gray))
    assert np.isfinite(scores([make("count")], selection, micrograph(gray))).all()
