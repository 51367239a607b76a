from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from numpy.typing import NDArray

from napari_samstar import edits
from napari_samstar.types import SamStarError

SIDE = 12
_number = st.integers(1, 9)
_place = st.integers(0, SIDE - 1)
_point = st.tuples(_place, _place)


def _window(corner: tuple[int, int], size: tuple[int, int]) -> edits.Mask:
    dense = np.zeros((SIDE, SIDE), bool)
    dense[corner[1] : corner[1] + size[1], corner[0] : corner[0] + size[0]] = True
    return edits.Mask.of(dense)


_mask = st.builds(_window, _point, st.tuples(st.integers(0, 7), st.integers(0, 7)))
_edit = st.one_of(
    st.builds(lambda a: edits.Merge(*a), st.lists(_number, min_size=2, max_size=3, unique=True)),
    st.builds(lambda a: edits.Delete(*a), st.lists(_number, min_size=1, max_size=2)),
    st.builds(edits.Add, _mask, st.none() | _number, st.integers(0, 3), st.booleans()),
    st.builds(lambda a, b, c: edits.Split(a, line=(b, c)), _number, _point, _point),
    st.builds(lambda a, b, c: edits.Split(a, points=(b, c)), _number, _point, _point),
    st.builds(lambda a, m: edits.Split(a, parts=m), _number, _mask),
    st.builds(
        lambda pairs: edits.Paint(*zip(*pairs, strict=True)),
        st.lists(st.tuples(_mask, st.integers(0, 12)), min_size=1, max_size=3),
    ),
    st.builds(edits.Relabel, _number, st.integers(1, 30)),
    st.builds(edits.SetMaterial, _number, st.integers(0, 3)),
    st.builds(
        edits.SetMaterials, st.dictionaries(_number, st.integers(0, 3), min_size=1, max_size=3)
    ),
    st.builds(edits.NameMaterial, st.integers(1, 3), st.sampled_from(["", "oxide", "α β"])),
    st.builds(edits.ColorMaterial, st.integers(1, 3), st.sampled_from(["", "#123456", "#ABCDEF"])),
    st.builds(edits.SetStatus, _number, st.sampled_from(["open", "reviewed", "accepted"])),
)


class AnySequence(RuleBasedStateMachine):
    """An editor beside the plain list of states it should have been in."""

    @initialize(seed=st.integers(0, 99))
    def begin(self, seed: int) -> None:
        chance = np.random.default_rng(seed)
        blocks = chance.integers(0, 6, (4, 4)).astype(np.int32)
        self.first = np.kron(blocks, np.ones((3, 3), np.int32))
        self.names = {1: "glass"} if seed % 2 else {}
        self.editor = edits.Editor(self.first, looks=edits.looks_of(self.names, None))
        self.states = [self._state()]
        self.at = 0
        self.used = set(self.editor.table)

    def _state(self) -> tuple[NDArray[np.int32], dict[int, edits.Segment], list[dict[int, str]]]:
        said = [self.editor.names, self.editor.colors]
        return self.editor.labels.copy(), dict(self.editor.table), said

    @rule(edit=_edit)
    def do(self, edit: edits.Edit) -> None:
        try:
            delta = self.editor.do(edit)
        except SamStarError:
            return
        if isinstance(edit, edits.Split):  # its new numbers were never used, not even undone
            new = set(delta.rows_after) - {edit.label}
            assert not new & self.used
        self.used |= set(delta.rows_after)
        del self.states[self.at + 1 :]
        self.states.append(self._state())
        self.at += 1

    @rule(times=st.integers(1, 4))
    def undo(self, times: int) -> None:
        for _ in range(times):
            assert (self.editor.undo() is None) == (self.at == 0)
            self.at = max(0, self.at - 1)

    @rule(times=st.integers(1, 4))
    def redo(self, times: int) -> None:
        for _ in range(times):
            assert (self.editor.redo() is None) == (self.at == len(self.states) - 1)
            self.at = min(len(self.states) - 1, self.at + 1)

    @invariant()
    def is_exactly_where_it_should_be(self) -> None:
        if not hasattr(self, "editor"):
            return
        labels, table, said = self.states[self.at]
        np.testing.assert_array_equal(self.editor.labels, labels)
        assert dict(self.editor.table) == table
        assert [self.editor.names, self.editor.colors] == said
        materials = {k: row.material for k, row in table.items()}
        statuses = {k: row.status for k, row in table.items()}
        assert edits.segment_table(labels, materials, statuses) == table

    def teardown(self) -> None:
        if not hasattr(self, "editor"):
            return
        # the edits that stand are all it takes, whatever was undone in between
        replayed = edits.apply(self.first, self.editor.history.edits)
        np.testing.assert_array_equal(replayed, self.editor.labels)
        while self.editor.undo():
            pass
        np.testing.assert_array_equal(self.editor.labels, self.first)
        assert self.editor.names == self.names
        assert self.editor.colors == {}


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


def test_a_new_edit_forgets_what_was_undone() -> None:
    editor = edits.Editor(np.array([[1, 2, 3]]))
    editor.do(edits.Merge(1, 2))
    editor.undo()
    editor.do(edits.Merge(1, 3))
    assert editor.redo() is None
    assert editor.labels.tolist() == [[1, 2, 1]]


def test_nobody_paints_behind_the_back_of_the_history() -> None:
    editor = edits.Editor(np.array([[1, 2]]))
    with pytest.raises(ValueError, match="read-only"):
        editor.labels[0, 0] = 5


def test_saved_work_is_unsaved_again_after_undo() -> None:
    editor = edits.Editor(np.array([[1, 2, 3]]))
    assert not editor.unsaved
    editor.do(edits.Merge(1, 2))
    editor.saved("a.tif")
    assert not editor.unsaved
    editor.undo()
    assert editor.unsaved
    editor.redo()
    assert not editor.unsaved


def test_a_name_is_undone_and_redone_and_leaves_the_objects_alone() -> None:
    editor = edits.Editor(np.array([[1, 2, 3]]), looks=edits.looks_of({1: "glass"}, None))
    before = dict(editor.table)
    editor.do(edits.NameMaterial(2, " oxide,\n wet "))
    editor.do(edits.NameMaterial(1, ""))
    assert editor.names == {2: "oxide, wet"}
    assert editor.table == before
    assert editor.unsaved
    editor.undo()
    assert editor.names == {1: "glass", 2: "oxide, wet"}
    editor.undo()
    assert editor.names == {1: "glass"}
    editor.redo()
    assert editor.names == {1: "glass", 2: "oxide, wet"}


@pytest.mark.parametrize(("material", "name"), [(0, "x"), (1, "x" * 101), (1, 5), ("a", "x")])
def test_what_is_no_name_gets_a_sentence(material: object, name: object) -> None:
    with pytest.raises(SamStarError):
        edits.NameMaterial(material, name)  # type: ignore[arg-type]


def test_a_color_and_a_name_of_one_material_are_taken_back_one_by_one() -> None:
    editor = edits.Editor(np.array([[1, 2, 3]]))
    editor.do(edits.NameMaterial(2, "oxide"))
    editor.do(edits.ColorMaterial(2, "#ABCDEF"))
    editor.do(edits.NameMaterial(2, ""))
    assert (editor.names, editor.colors) == ({}, {2: "#abcdef"})
    editor.undo()
    assert (editor.names, editor.colors) == ({2: "oxide"}, {2: "#abcdef"})
    editor.undo()
    assert (editor.names, editor.colors) == ({2: "oxide"}, {})


@pytest.mark.parametrize("color", ["red", "#12345", "#12345g", 5, "#123456 "])
def test_what_is_no_color_gets_a_sentence(color: object) -> None:
    with pytest.raises(SamStarError, match="rrggbb"):
        edits.ColorMaterial(1, color)  # type: ignore[arg-type]


def test_undo_keeps_little() -> None:
    labels = np.kron(np.arange(1, 5).reshape(2, 2), np.ones((500, 500), int))
    editor = edits.Editor(labels)
    delta = editor.do(edits.Merge(1, 4))
    assert delta.changed_pixels == 250_000
    assert delta.nbytes < 5000  # 500 runs of 8 bytes
