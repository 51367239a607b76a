"""Keys of a dock, bound on one layer while they are wanted."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from napari.utils.key_bindings import coerce_keybinding

__all__ = ["LayerKeys", "key_text"]

_TEXTS = {"Control": "Ctrl", "Escape": "Esc"}


class LayerKeys:
    """Binds keys on a layer and gives them back; where a tool of napari is in hand, it has them.

    Parameters
    ----------
    keys : mapping
        Key as napari writes it to the name of an action.
    press : callable
        A bound method, held weakly: given the name of an action.
    held : callable
        A bound method, held weakly: told that Space is held, and that it no longer is.
    """

    def __init__(
        self,
        keys: Mapping[str, str],
        press: Callable[[str], None],
        held: Callable[[bool], None],
    ) -> None:
        self._keys = dict(keys)
        self._press = weakref.WeakMethod(press)
        self._held = weakref.WeakMethod(held)
        self._layer: weakref.ref[Any] | None = None

    def bind(self, layer: Any) -> None:
        """Bind on this layer, and no longer on another; None for nowhere."""
        bound = None if self._layer is None else self._layer()
        if bound is layer:
            return
        if bound is not None:
            for key in (*self._keys, "Space"):
                bound.bind_key(key, None)
        self._layer = None
        if layer is None:
            return
        self._layer = weakref.ref(layer)
        for key, action in self._keys.items():
            layer.bind_key(key, self._pressed(key, action), overwrite=True)
        layer.bind_key("Space", self._space(), overwrite=True)

    def _pressed(self, key: str, action: str) -> Callable[[Any], None]:
        press = self._press

        def pressed(layer: Any) -> None:
            theirs = type(layer).class_keymap.get(coerce_keybinding(key))
            call = press()
            if str(layer.mode) != "pan_zoom" and theirs is not None and key in _SHARED:
                theirs(layer)
            elif call is not None:
                call(action)

        return pressed

    def _space(self) -> Callable[[Any], Iterator[None]]:
        held = self._held

        def hold(layer: Any) -> Iterator[None]:
            # as napari does: while it is held, a drag moves the picture
            mode = str(layer.mode)
            call = held()
            layer.mode = "pan_zoom"
            if call is not None:
                call(True)
            yield
            layer.mode = mode
            call = held()
            if call is not None:
                call(False)

        return hold


#: Keys that napari's polygon tool has as well.
_SHARED = ("Enter", "Escape")


def key_text(key: str) -> str:
    """Write a key as it stands on keyboards: "Ctrl+Shift+Z"."""
    return "+".join(_TEXTS.get(part, part) for part in key.split("-"))
