from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_samstar import edits
from napari_samstar.edits.recovery import sweep
from napari_samstar.recipe import ImageRecord
from napari_samstar.types import SamStarError

LABELS = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((5, 5), int)).astype(np.int32)
IMAGE = ImageRecord(name="film 1.dm4", hash="abc", pixel_size=(0.5, 0.5), unit="nm")


def _some_edits(editor: edits.Editor) -> None:
    editor.do(edits.Merge(1, 2))
    editor.do(edits.Split(6, line=((4, 7), (11, 7))))
    editor.do(edits.Split(1, points=((1, 2), (8, 2))))
    editor.undo()
    editor.do(edits.Add(edits.Mask.of(np.ones((3, 3)), 8, 8, LABELS.shape), material=2, over=True))
    editor.do(edits.NameMaterial(2, "oxide"))
    editor.do(edits.SetStatus((3, 4), "accepted"))
    editor.undo()


def _same(a: edits.Editor, b: edits.Editor) -> bool:
    return (
        np.array_equal(a.labels, b.labels)
        and a.table == b.table
        and a.names == b.names
        and a.colors == b.colors
        and a.history.edits == b.history.edits
        and [s.edit for s in a.history.undone] == [s.edit for s in b.history.undone]
        and (a.free, a.unsaved) == (b.free, b.unsaved)
    )


def _text(journal: edits.Journal) -> Path:
    return journal.path / "edits.jsonl"


def test_a_correction_does_not_wait_for_a_busy_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor, journal = edits.start(tmp_path, LABELS, IMAGE)
    asked, answers, sync = threading.Event(), threading.Event(), os.fsync

    def busy(descriptor: int) -> None:
        asked.set()
        assert answers.wait(30)
        sync(descriptor)

    monkeypatch.setattr("os.fsync", busy)
    editor.do(edits.Merge(1, 2))
    assert asked.wait(30)
    editor.do(edits.Merge(3, 4))  # the disk has not answered yet, and the line is there
    assert _text(journal).read_bytes().count(b'"Merge"') == 2
    answers.set()
    journal.close()
    again, second = edits.restore(journal.path)
    assert _same(editor, again)
    second.close()


def test_a_disk_that_refuses_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor, journal = edits.start(tmp_path, LABELS, IMAGE)

    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", broken)
        editor.do(edits.Merge(1, 2))
        journal._confirming.end()  # its answer is there
    with pytest.raises(SamStarError, match=r"could not be kept in .*Input/output error"):
        editor.do(edits.Merge(3, 4))
    editor.do(edits.Merge(3, 4))
    journal.close()
    again, second = edits.restore(journal.path)
    assert _same(editor, again)
    second.close()


def test_a_journal_gives_the_state_back_with_its_history(tmp_path: Path) -> None:
    table = edits.segment_table(LABELS, {3: 7}, {4: "reviewed"})
    looks = {7: edits.Look("glass", "#112233")}
    editor, journal = edits.start(tmp_path, LABELS, IMAGE, table, {"recipe": {"seed": 3}}, looks)
    _some_edits(editor)
    journal.close()
    again, second = edits.restore(journal.path)
    assert _same(editor, again)
    assert second.context == {"recipe": {"seed": 3}}
    assert again.table[3].material == 7
    assert again.names == {7: "glass", 2: "oxide"}
    assert second.notice == ""
    # and it can be gone on with, and undone to the first image
    again.redo()
    second.close()
    third, last = edits.restore(journal.path)
    assert _same(third, again)
    while third.undo():
        pass
    np.testing.assert_array_equal(third.labels, LABELS)
    assert third.names == {7: "glass"}
    assert third.colors == {7: "#112233"}
    last.close()


def test_a_journal_of_before_there_were_names_is_read(tmp_path: Path) -> None:
    editor, journal = edits.start(tmp_path, LABELS, IMAGE)
    editor.do(edits.Merge(1, 2))
    journal.close()
    header, *rest = _text(journal).read_bytes().splitlines(keepends=True)
    known = json.loads(header)
    del known["names"]
    _text(journal).write_bytes(b"".join([json.dumps(known).encode() + b"\n", *rest]))
    again, second = edits.restore(journal.path)
    assert second.notice == ""
    assert _same(editor, again)
    assert again.names == {}
    again.do(edits.NameMaterial(1, "glass"))
    second.close()
    third, last = edits.restore(journal.path)
    last.close()
    assert third.names == {1: "glass"}


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_replay_equals_the_live_state_after_any_sequence(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    editor, journal = edits.start(tmp_path_factory.getbasetemp() / "any", LABELS)
    for _ in range(25):
        a, b = (int(v) for v in chance.choice(sorted(editor.table), 2, replace=False))
        x, y = (float(v) for v in chance.integers(0, 20, 2))
        match chance.integers(7):
            case 0:
                editor.do(edits.Merge(a, b))
            case 1:
                editor.undo()
            case 2:
                editor.redo()
            case 3:
                editor.do(edits.SetMaterial((a, b), 3))
            case 4:
                editor.do(edits.NameMaterial(a % 3 + 1, ("", "oxide", "glass")[b % 3]))
                editor.do(edits.ColorMaterial(b % 3 + 1, ("", "#123456", "#abcdef")[a % 3]))
            case _:
                try:
                    editor.do(edits.Split(a, line=((x, -1), (y, 21))))
                except SamStarError:
                    editor.do(edits.Relabel(a, editor.free))
    journal.close()
    again, second = edits.restore(journal.path)
    second.close(keep=False)
    assert _same(editor, again)


def test_every_edit_is_on_disk_when_the_call_returns(tmp_path: Path) -> None:
    editor, journal = edits.start(tmp_path, LABELS)
    for count in range(1, 4):
        editor.do(edits.Merge(16, count))
        assert len(_text(journal).read_bytes().splitlines()) == 1 + count
    journal.close()


@pytest.mark.parametrize("torn", [b'{"do":{"edit":"Del', b'{"undo":true}', b"\0\0\0\0\0\0"])
def test_a_line_torn_by_a_crash_is_dropped(tmp_path: Path, torn: bytes) -> None:
    editor, journal = edits.start(tmp_path, LABELS)
    _some_edits(editor)
    journal.close()
    with _text(journal).open("ab") as file:
        file.write(torn)
    again, second = edits.restore(journal.path)
    assert _same(editor, again)
    assert second.notice == ""
    again.redo()  # written where the torn line was
    second.close()
    third, last = edits.restore(journal.path)
    last.close()
    assert _same(third, again)


@pytest.mark.parametrize("bad", [b"#####\n", b'{"do":{"edit":"Delete","labels":[99]}}\n', b"[]\n"])
def test_a_damaged_line_costs_only_what_came_after_it_and_that_is_kept(
    tmp_path: Path, bad: bytes
) -> None:
    editor, journal = edits.start(tmp_path, LABELS)
    editor.do(edits.Merge(1, 2))
    journal.close()
    lines = _text(journal).read_bytes().splitlines(keepends=True)
    _text(journal).write_bytes(b"".join([*lines[:2], bad, b'{"undo":true}\n']))
    (offered,) = edits.recover(tmp_path)
    assert ("damaged" in offered.problem) == (b"Delete" not in bad)  # the latter shows on replay
    again, second = edits.restore(journal.path)
    second.close()
    assert _same(editor, again)
    assert "those before it are back" in second.notice
    assert (journal.path / "unread.jsonl").read_bytes() == bad + b'{"undo":true}\n'
    again, third = edits.restore(journal.path)
    third.close()
    assert third.notice == ""


def test_one_journal_has_one_window(tmp_path: Path) -> None:
    editor, journal = edits.start(tmp_path, LABELS)
    editor.do(edits.Merge(1, 2))
    with pytest.raises(SamStarError, match="open in another window"):
        edits.restore(journal.path)
    with pytest.raises(SamStarError, match="open in another window"):
        edits.discard(journal.path)
    assert edits.recover(tmp_path) == []
    code = f"from napari_samstar import edits; edits.restore({str(journal.path)!r})"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "open in another window" in other.stderr
    journal.close()
    edits.restore(journal.path)[1].close()


def test_unsaved_work_is_offered_and_only_that(tmp_path: Path) -> None:
    untouched = edits.start(tmp_path, LABELS, IMAGE)
    saved = edits.start(tmp_path, LABELS, IMAGE)
    saved[0].do(edits.Merge(1, 2))
    saved[0].saved("film.labels.tif")
    undone = edits.start(tmp_path, LABELS, IMAGE)
    undone[0].do(edits.Merge(1, 2))
    undone[0].undo()
    unsaved = edits.start(tmp_path, LABELS, IMAGE)
    unsaved[0].do(edits.Merge(1, 2))
    unsaved[0].saved("film.labels.tif")
    unsaved[0].do(edits.Merge(3, 4))
    for _, journal in (untouched, saved, undone, unsaved):
        journal.close()
    (found,) = edits.recover(tmp_path)
    assert (found.path, found.image, found.problem) == (unsaved[1].path, IMAGE, "")
    assert (found.corrections, found.closed) == (2, True)
    edits.discard(found.path)
    assert edits.recover(tmp_path) == []
    assert not found.path.exists()


def test_what_holds_nothing_is_swept_up_and_nothing_else(tmp_path: Path) -> None:
    _, empty = edits.start(tmp_path, LABELS, IMAGE)
    empty.close(keep=True)
    editor, saved = edits.start(tmp_path, LABELS, IMAGE)
    editor.do(edits.Merge(1, 2))
    editor.saved("out")
    saved.close(keep=True)
    editor, kept = edits.start(tmp_path, LABELS, IMAGE)
    editor.do(edits.Merge(1, 2))
    kept.close(keep=True)
    _, opened = edits.start(tmp_path, LABELS, IMAGE)
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {kept.path.name, opened.path.name}
    opened.close()


def test_closing_for_good_leaves_nothing(tmp_path: Path) -> None:
    editor, journal = edits.start(tmp_path, LABELS)
    journal.close(keep=editor.unsaved)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SamStarError, match="closed"):
        editor.do(edits.Merge(1, 2))


def test_unreadable_journals_are_named_not_hidden(tmp_path: Path) -> None:
    editor, journal = edits.start(tmp_path, LABELS)
    editor.do(edits.Merge(1, 2))
    journal.close()
    header = json.loads(_text(journal).read_text().splitlines()[0])
    _text(journal).write_text(json.dumps({**header, "version": 99}) + "\n")
    (found,) = edits.recover(tmp_path)
    assert "later napari-samstar" in found.problem
    with pytest.raises(SamStarError, match="later napari-samstar"):
        edits.restore(journal.path)
    _text(journal).write_text("film\n")
    with pytest.raises(SamStarError, match="not a journal"):
        edits.restore(journal.path)
    with pytest.raises(SamStarError, match="There is no journal"):
        edits.restore(tmp_path / "elsewhere")


def test_another_label_image_is_not_taken_for_the_first(tmp_path: Path) -> None:
    _, journal = edits.start(tmp_path, LABELS)
    _, other = edits.start(tmp_path, LABELS + 1)
    journal.close()
    other.close()
    (other.path / "labels.npz").replace(journal.path / "labels.npz")
    with pytest.raises(SamStarError, match="not the label image"):
        edits.restore(journal.path)
    (journal.path / "labels.npz").write_bytes(b"PK")
    with pytest.raises(SamStarError, match="damaged"):
        edits.restore(journal.path)


def _sentence_or_sound(journal: Path, states: list[NDArray[np.int32]]) -> bool:
    """Whether a journal can be restored; if so, to a state that it had."""
    for found in edits.recover(journal.parent):
        assert found.corrections or found.problem
    try:
        editor, again = edits.restore(journal)
    except SamStarError:
        return False
    again.close()
    assert any(np.array_equal(editor.labels, state) for state in states)
    return True


def _journal_and_states(folder: Path) -> tuple[edits.Journal, list[NDArray[np.int32]]]:
    editor, journal = edits.start(folder, LABELS, IMAGE)
    states = [editor.labels.copy()]
    mask = edits.Mask.of(np.ones((3, 3)), 8, 8, LABELS.shape)
    for edit in (edits.Merge(1, 2), edits.Split(6, line=((4, 7), (11, 7))), edits.Add(mask, 3)):
        editor.do(replace(edit, over=True) if isinstance(edit, edits.Add) else edit)
        states.append(editor.labels.copy())
    journal.close()
    return journal, states


def test_a_damaged_label_image_is_told_of_in_a_sentence(tmp_path: Path) -> None:
    journal, states = _journal_and_states(tmp_path)
    file = journal.path / "labels.npz"
    whole, text = file.read_bytes(), _text(journal).read_bytes()
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        assert "damaged" in edits.recover(tmp_path)[0].problem
        assert not _sentence_or_sound(journal.path, states)
    for position in range(0, len(whole), 3):
        for bits in (0x01, 0x80, 0xFF):
            damaged = bytearray(whole)
            damaged[position] ^= bits
            file.write_bytes(damaged)
            _sentence_or_sound(journal.path, states)
            _text(journal).write_bytes(text)
    file.write_bytes(whole)
    assert edits.recover(tmp_path)[0].problem == ""
    assert _sentence_or_sound(journal.path, states)


def test_damaged_records_leave_a_state_that_was(tmp_path: Path) -> None:
    journal, _ = _journal_and_states(tmp_path)
    whole = _text(journal).read_bytes()
    chance = np.random.default_rng(7)
    infinite = whole.replace(b'"size":[20,20]', b'"size":[Infinity,20]')
    assert infinite != whole
    trials = [infinite, *(whole[:length] for length in range(0, len(whole), 29))]
    for position in range(whole.index(b"\n"), len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] = chance.choice(list(b'0123456789e.-[]{}",:tN\n\xff'))
        trials.append(bytes(damaged))
    for trial in trials:
        _text(journal).write_bytes(trial)
        try:
            editor, again = edits.restore(journal.path)
        except SamStarError:
            continue
        again.close()
        # a number that became another one may be a correction as good as the first
        assert edits.segment_table(editor.labels).keys() == editor.table.keys()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_a_full_disk_refuses_the_edit_and_spoils_nothing(tmp_path: Path) -> None:
    import resource

    editor, journal = edits.start(tmp_path, LABELS)
    editor.do(edits.Merge(1, 2))
    before: NDArray[np.int32] = editor.labels.copy()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = os.path.getsize(_text(journal)) + 10  # half a line fits
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limit[1]))
    try:
        with pytest.raises(SamStarError, match="correction was not made"):
            editor.do(edits.Merge(3, 4))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    np.testing.assert_array_equal(editor.labels, before)
    editor.do(edits.Merge(5, 6))
    journal.close()
    again, second = edits.restore(journal.path)
    second.close()
    assert _same(editor, again)


def test_journals_lie_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMSTAR_HOME", str(tmp_path))
    assert edits.journals_folder() == tmp_path / "journals"
    assert edits.recover(edits.journals_folder()) == []
