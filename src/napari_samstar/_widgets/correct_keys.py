"""Keys of the page Correct."""

from __future__ import annotations

from napari_samstar._widgets.keys import key_text

__all__ = ["KEYS", "KEY_OF", "key_table"]

#: Key, action, and what it does.
KEYS: tuple[tuple[str, str, str], ...] = (
    ("Q", "choose", "choose objects by clicking"),
    ("G", "merge", "merge: click one, then others"),
    ("C", "split", "cut: draw a line across"),
    ("S", "add", "add: click into what is missing"),
    ("Enter", "take", "add the mask that is shown"),
    ("O", "other", "show another mask for the same clicks"),
    ("Escape", "drop", "drop clicks, then what is chosen"),
    ("D", "delete", "delete what is chosen or pointed at"),
    ("T", "material", "set its material"),
    ("I", "renumber", "give it the number"),
    ("N", "next", "go to the most doubtful object"),
    ("A", "accept", "accept it and go on"),
    ("R", "reject", "reject it (delete) and go on"),
    ("Control-Z", "undo", "undo"),
    ("Control-Shift-Z", "redo", "do again"),
)
#: Action to its key, as it is written.
KEY_OF = {action: key_text(key) for key, action, _ in KEYS}


def key_table() -> str:
    """Write the keys as a table of HTML."""
    rows = [(key_text(key), what) for key, _, what in KEYS]
    rows.append(("Space", "hold to move the picture"))
    lines = (f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{what}</td></tr>" for key, what in rows)
    return f"<table>{''.join(lines)}</table>"
