"""One open image: a frozen state, replaced as a whole and told about."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_samstar.session import correct_steps, learning, material_steps, searching, steps
from napari_samstar.session.corrections import KEEP, Corrections
from napari_samstar.session.found import Found
from napari_samstar.session.repeating import settings_of
from napari_samstar.session.source import ImageSource
from napari_samstar.session.tools import NO_MODEL, Tools
from napari_samstar.settings import Prior, RunSettings, SearchSettings, SelectSettings, Settings
from napari_samstar.types import Progress, Proposals, SamStarError, Selection

if TYPE_CHECKING:
    from pathlib import Path

    from napari_samstar.edits.recovery import Recoverable
    from napari_samstar.pipeline import RunResult
    from napari_samstar.proposals.clicked import Prompter
    from napari_samstar.recipe import Recipe
    from napari_samstar.runs import MaskRuns
    from napari_samstar.search.pareto import Candidate
    from napari_samstar.session.materials import Sureness

__all__ = ["Changes", "Command", "ImageState", "OpenImage", "Prepared"]

#: New values for fields of `ImageState`: what every command returns.
Changes = Mapping[str, Any]
#: A command at work. Whoever drives it to its end hands what it returns to `OpenImage.update`, and
#: what it yields besides `Progress`, too: changes on the way.
Command = Generator[Any, None, Changes]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the network made of an image.

    Parameters
    ----------
    proposals : Proposals
        All masks on offer.
    sam : Any
        The model, for prompts; None where no network served.
    made_from : tuple
        See `ImageState.inputs`.
    prior : Prior
        What was known then, in pixels: it chose where the network was asked.
    lock : Lock
        Held by whoever selects: the table fills in what it measures as it is asked.
    """

    proposals: Proposals
    sam: Any
    made_from: tuple[Any, ...]
    prior: Prior
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@dataclass(frozen=True, eq=False)
class ImageState:
    """All that is known of one image at one moment; a thread that holds it sees no change.

    Parameters
    ----------
    source : ImageSource
        Pixels and calibration.
    settings : RunSettings
        Preprocessing, prompting, ranking, and what the microscopist knows (`prior`).
    model : str
        Name in the zoo, path, or "none" for classical regions alone.
    device : str
        "auto", "cuda", "mps" or "cpu".
    prepared : Prepared or None
        What the network made of it; it may be of older settings, see `ready`.
    result : RunResult or None
        Label image, table and recipe.
    search : SearchSettings
        Of the next search.
    front : Found or None
        Candidates of a search.
    candidate : Candidate or None
        The one of them that is shown.
    pinned : bool
        Whether a person chose it, rather than the importances.
    corrections : Corrections or None
        Edits of the result's objects, once they have begun.
    prompter : Prompter or None
        What answers clicks.
    prompts_from : tuple
        The inputs that `prompter` was made from.
    material_names : mapping of int to str
        As the user calls them, but for corrections, which have their own; see `names_of`.
    sureness : Sureness or None
        What was found with the materials.
    material_colors : mapping of int to str
        Colors that the user chose, "#rrggbb"; as with names, corrections have their own.
    """

    source: ImageSource
    settings: RunSettings = field(default_factory=partial(RunSettings, search=None))
    model: str = "samstar-tiny"
    device: str = "auto"
    prepared: Prepared | None = None
    result: RunResult | None = None
    search: SearchSettings = field(default_factory=SearchSettings)
    front: Found | None = None
    candidate: Candidate | None = None
    pinned: bool = False
    corrections: Corrections | None = None
    prompter: Prompter | None = None
    prompts_from: tuple[Any, ...] = ()
    material_names: Mapping[int, str] = field(default_factory=dict)
    sureness: Sureness | None = None
    material_colors: Mapping[int, str] = field(default_factory=dict)

    @property
    def clickable(self) -> bool:
        """Whether a click into the image is answered at once."""
        return self.prompter is not None and self.prompts_from == self.inputs

    @property
    def inputs(self) -> tuple[Any, ...]:
        """What the proposals depend on, the prior excepted."""
        chosen = self.settings
        seen = chosen.preprocess, chosen.view
        return *seen, chosen.decode, chosen.regions, chosen.prompts, self.model

    @property
    def ready(self) -> bool:
        """Whether what is prepared belongs to the present settings."""
        return self.prepared is not None and self.prepared.made_from == self.inputs

    @property
    def measured(self) -> bool:
        """Whether the result, if there is one, was measured with the present pixel size."""
        if self.result is None:
            return True
        then, now = self.result.segmentation.micrograph, self.source.micrograph
        return (then.pixel_size, then.unit) == (now.pixel_size, now.unit)

    @property
    def untouched(self) -> bool:
        """Whether nothing was made of it yet."""
        return self.prepared is None and self.result is None and self.front is None


class OpenImage:
    """One image of a session: holds its state, tells of changes, and makes commands.

    A command is a generator that works on the state as it was when it was asked for, in any thread,
    and returns the fields to change; only `update`, called in the thread of the window, changes
    the state.

    Parameters
    ----------
    source : ImageSource
        The image.
    tools : Tools
        Models and cache, shared by the images of a session.
    """

    #: Names of the fields of `ImageState` that have changed; "name" where only the source's has.
    changed = Signal(frozenset)

    def __init__(self, source: ImageSource, tools: Tools) -> None:
        self.state = ImageState(source)
        self.tools = tools

    def update(self, **changes: Any) -> None:
        """Replace fields of the state; what stays equal is not told of.

        With a new `front` comes the candidate of it that is shown, where none is given. Corrections
        belong to one result: with another they end, unless they come with it, and leave the names
        and colors of materials behind.
        """
        if changes.get("front") is not None and "candidate" not in changes:
            changes |= self._shown_on(changes["front"])
        if changes.get("corrections") is KEEP:
            changes["corrections"] = self.state.corrections
        elif "result" in changes and changes["result"] is not self.state.result:
            changes.setdefault("corrections", None)
            changes.setdefault("sureness", None)
        before = self.state.corrections
        if before is not None and changes.get("corrections", before) is None:
            changes.setdefault("material_names", before.names)
            changes.setdefault("material_colors", before.colors)
        names = {f.name for f in fields(ImageState)}
        if not changes.keys() <= names:
            raise TypeError(f"An image has no {sorted(changes.keys() - names)}.")
        told = frozenset(k for k, v in changes.items() if not _same(getattr(self.state, k), v))
        if told:
            self.state = replace(self.state, **changes)
            if before is not None and before is not self.state.corrections:
                before.close()
            self.changed.emit(told)

    def begin_like(self, other: ImageState) -> None:
        """Take over what was chosen for another image, and nothing that was made of it."""
        self.update(
            settings=other.settings, model=other.model, device=other.device, search=other.search
        )

    def close(self) -> None:
        """End what is open on disk; the image is gone."""
        if self.state.corrections is not None:
            self.state.corrections.close()

    def set_settings(self, **sections: Any) -> None:
        """Replace sections of the settings: ``preprocess=...``, ``prior=...``."""
        self.update(settings=self.state.settings.model_copy(update=sections))

    def set_pixel_size(self, size: float | tuple[float, float] | None, unit: str | None) -> None:
        """Calibrate; None for an image whose pixel size is not known.

        Raises
        ------
        SamStarError
            If the size is not positive or the unit no length.
        """
        from napari_samstar.units import user_calibration

        source = self.state.source
        if size is None:
            made = source.calibrated(None, "px")
        else:
            y, x = (size, size) if isinstance(size, int | float) else size
            (y, _), name = user_calibration(y, unit)
            made = source.calibrated((y, user_calibration(x, unit)[0][0]), name)
        if (made.pixel_size, made.unit) != (source.pixel_size, source.unit):
            self.update(source=made)

    def rename(self, name: str) -> None:
        """Call the image otherwise, in what is written from now on; nothing is read again."""
        if name != self.state.source.name:
            self.state = replace(self.state, source=self.state.source.renamed(name))
            self.changed.emit(frozenset({"name"}))  # its place and size are what they were

    def use_recipe(self, recipe: Recipe) -> None:
        """Take over the settings and the model of a result, so that it can be repeated."""
        self.update(
            settings=settings_of(recipe),
            model=recipe.model.name if recipe.model else NO_MODEL,
            search=recipe.search or self.state.search,
        )

    @property
    def importances(self) -> dict[str, float]:
        """Importance of each objective that somebody has set."""
        return dict(self.state.settings.importances)

    def set_importance(self, objective: str, value: float) -> None:
        """Say how important an objective is; the preferred candidate is shown at once."""
        changed = {**self.importances, objective: value}
        settings = self.state.settings.model_copy(update={"importances": tuple(changed.items())})
        found = self.state.front
        shown = {} if found is None else {"candidate": found.preferred(changed), "pinned": False}
        self.update(settings=settings, **shown)

    def show(self, candidate: Candidate | None) -> None:
        """Show a candidate that a person chose; None goes back to the preferred one."""
        found = self.state.front
        if candidate is not None:
            self.update(candidate=candidate, pinned=True)
        elif found is not None:
            self.update(candidate=found.preferred(self.importances), pinned=False)

    def _shown_on(self, found: Found) -> dict[str, Any]:
        pinned = self.state.candidate if self.state.pinned else None
        kept = None if pinned is None else found.follow(pinned)
        if kept is not None:
            return {"candidate": kept, "pinned": True}
        return {"candidate": found.preferred(self.importances), "pinned": False}

    def prepare_steps(self) -> Command:
        """Let the network look at the image; returns `prepared`."""
        return steps.prepare(self.state, self.tools)

    def segment_steps(self) -> Command:
        """Rank, select and measure; prepares first where that is not done. Returns `result`."""
        quick = self.state.settings.model_copy(update={"search": None})
        return steps.segment(replace(self.state, settings=quick), self.tools)

    def repeat_steps(self) -> Command:
        """Do all that the settings say, a search included; returns `result`."""
        return steps.segment(self.state, self.tools)

    def search_steps(self) -> Command:
        """Search for better settings; `front` comes as it fills, and prepares first if need be."""
        return searching.search(self.state, self.tools)

    def take_steps(self) -> Command:
        """Make the result of the candidate that is shown; returns `result`."""
        return searching.take(self.state)

    def agreement_steps(self) -> Generator[Progress, None, NDArray[np.float32] | None]:
        """Count where the best candidates agree: the share of them, (h, w), 0 to 1."""
        return searching.agree(self.state)

    def measure_steps(self, labels: NDArray[Any]) -> Command:
        """Measure a label image that was corrected; returns `result`."""
        return steps.measure(self.state, np.array(labels))

    def recalibrate_steps(self) -> Command:
        """Measure the present result again with the present pixel size; returns `result`."""
        return steps.recalibrate(self.state)

    def correct_steps(self) -> Command:
        """Begin to correct the result; returns `corrections`."""
        return correct_steps.begin_steps(self.state)

    def corrected_steps(self) -> Command:
        """Measure the objects as they are corrected now; returns `result`."""
        corrections = self.state.corrections
        if corrections is None:
            raise SamStarError("Nothing was corrected yet.")
        return correct_steps.measure(self.state, correct_steps.Snapshot.of(corrections))

    def offers_steps(self) -> Generator[Progress, None, list[Recoverable]]:
        """List corrections of this image that were not exported, such as those before a crash."""
        return correct_steps.offers(self.state)

    def bring_back_steps(self, path: str | Path) -> Command:
        """Go on with corrections that were offered."""
        return correct_steps.bring_back_steps(self.state, path)

    def boost_steps(self) -> Command:
        """Clean up the masks of the result and find materials; returns `result`."""
        return material_steps.boost(self.state, self.tools)

    def sort_steps(self) -> Command:
        """Find the materials of the objects as they are; returns `edit` and `sureness`."""
        return material_steps.sort(self.state, self.tools)

    def sort_like_steps(self) -> Command:
        """Find them as the objects show whose material a person said; returns the same."""
        return material_steps.sort_like(self.state)

    def learn_steps(
        self, examples: Sequence[MaskRuns]
    ) -> Generator[Progress, None, Mapping[str, Any]]:
        """Learn what is known of the objects from a few; returns `known`, fields of the prior."""
        return learning.learn(self.state, examples)

    def prompter_steps(self) -> Command:
        """Make the image ready to be clicked at; returns `prompter`."""
        return correct_steps.prompter(self.state, self.tools)

    def reopen_steps(self, recipe_path: str | Path) -> Command:
        """Go on from an export: its ``.recipe.json`` and the label image beside it."""
        return steps.reopen(self.state, recipe_path)

    def view_steps(self) -> Generator[Progress, None, NDArray[np.uint8]]:
        """Make what the network will see, (H, W, 3) uint8."""
        return steps.view(self.state)

    def export_steps(self, folder: str | Path) -> Generator[Progress, None, dict[str, Path]]:
        """Write everything that belongs to the result; returns the files by their kind."""
        corrections = self.state.corrections
        if corrections is None:
            return steps.export(self.state, folder)
        return correct_steps.export(self.state, correct_steps.Snapshot.of(corrections), folder)

    def seconds_to_prepare(self) -> float | None:
        """Estimate how long preparing takes; None where the network has not run here yet."""
        return steps.seconds_to_prepare(self.state, self.tools)

    def select_now(self, settings: SelectSettings) -> Selection:
        """Select from what is prepared, at once; milliseconds, after the first time.

        Raises
        ------
        SamStarError
            If nothing is prepared, or it was prepared for other settings.
        """
        if self.state.prepared is None:
            raise SamStarError("Press Prepare first: the network has not seen this image yet.")
        from napari_samstar.proposals.select import select

        return select(self.state.prepared.proposals, settings)


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, Settings | str) and isinstance(new, Settings | str):
        return bool(old == new)
    return old is new
