"""Is any correction lost when the program is killed? And what does a correction cost?

    python benchmarks/edits.py [--edits 10000] [--kills 50] [--side 256] [--write]

A program makes random edits, with undo and redo, and says a number once each is on disk. It is
killed at random moments. The journal must then give the state back that the same edits have in
memory, as many of them as were said, or one more. Ends with 1 where that ever fails.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from report import table, write_section

from napari_samstar import edits
from napari_samstar.types import SamStarError

SEED = 7


def grains(side: int, count: int) -> np.ndarray:
    """Label image of cells around random points, with some background."""
    from scipy.spatial import cKDTree

    chance = np.random.default_rng(SEED)
    points = chance.uniform(0, side, (count, 2))
    pixels = np.stack(np.mgrid[:side, :side], -1).reshape(-1, 2)
    labels = 1 + cKDTree(points).query(pixels)[1].reshape(side, side).astype(np.int32)
    labels[np.isin(labels, np.arange(1, count + 1, 5))] = 0
    return labels


def random_step(editor: edits.Editor, number: int) -> None:
    """Make the step of this number: one record in the journal, the same in every process."""
    chance = np.random.default_rng([SEED, number])
    height, width = editor.labels.shape
    while True:
        try:
            kind = chance.random()
            if kind < 0.2:
                if editor.undo() is None:
                    continue
                return
            if kind < 0.35:
                if editor.redo() is None:
                    continue
                return
            y, x = int(chance.integers(height)), int(chance.integers(width))
            label = int(editor.labels[y, x])
            mask = np.zeros((height, width), bool)
            size = chance.integers(2, max(3, height // 8), 2)
            mask[y : y + size[0], x : x + size[1]] = True
            labels = sorted(editor.table)
            if kind < 0.5 or not label:
                editor.do(edits.Add(edits.Mask.of(mask), over=bool(kind < 0.42)))
            elif kind < 0.55:
                editor.do(edits.Delete(label))
            elif kind < 0.65:
                editor.do(edits.Merge(label, int(chance.choice(labels))))
            elif kind < 0.8:
                x0, y0, x1, y1 = editor.table[label].box
                a, b = chance.uniform(y0, y1, 2)
                editor.do(edits.Split(label, line=((x0 - 1, a), (x1 + 1, b))))
            elif kind < 0.85:
                ys, xs = np.nonzero(editor.labels == label)
                i, j = chance.integers(ys.size, size=2)
                editor.do(edits.Split(label, points=((xs[i], ys[i]), (xs[j], ys[j]))))
            elif kind < 0.88:
                editor.do(edits.Split(label, parts=edits.Mask.of(mask)))
            elif kind < 0.92:
                editor.do(edits.Relabel(label, editor.free))
            elif kind < 0.95:
                editor.do(edits.SetMaterial(label, int(chance.integers(4))))
            elif kind < 0.97:
                name = str(chance.choice(["", "oxide", "glass"]))
                editor.do(edits.NameMaterial(int(chance.integers(1, 4)), name))
            else:
                editor.do(edits.SetStatus(label, "accepted"))
        except SamStarError:
            continue  # this one cannot be done here: another one
        return


def steps(path: Path) -> int:
    """Records of steps in a journal."""
    lines = (path / "edits.jsonl").read_bytes().split(b"\n")[:-1]
    return sum(line.startswith((b'{"do"', b'{"undo"', b'{"redo"')) for line in lines)


def child(path: Path, until: int) -> None:
    """Go on with a journal; say each number once the step is on disk."""
    first = steps(path)
    editor, _ = edits.restore(path)
    for number in range(first, until):
        random_step(editor, number)
        print(number + 1, flush=True)


def same(a: edits.Editor, b: edits.Editor) -> bool:
    """Whether labels, table, names and all that can be undone and redone are equal."""
    undone = [[step.edit for step in editor.history.undone] for editor in (a, b)]
    return (
        np.array_equal(a.labels, b.labels)
        and a.table == b.table
        and a.names == b.names
        and a.history.edits == b.history.edits
        and undone[0] == undone[1]
        and a.free == b.free
    )


def run_and_kill(path: Path, target: int, until: int, chance: np.random.Generator) -> int:
    """Run a child until it has said `target`, kill it soon after; return what it said last."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--child", str(path), "--edits", str(until)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = 0
    while said < target:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("The child ended by itself.")
        said = int(line)
    time.sleep(chance.uniform(0.0, 0.02))  # not right after a step, but anywhere in the next ones
    process.kill()
    rest = process.stdout.read().split("\n")[:-1]  # a number said by half was not said
    process.stdout.close()
    process.wait()
    return int(rest[-1]) if rest else said


def survival(side: int, count: int, kills: int, folder: Path) -> dict[str, object]:
    """Kill a program again and again; compare each time with the same edits in memory."""
    chance = np.random.default_rng(SEED)
    first = grains(side, max(8, side * side // 600))
    _, journal = edits.start(folder, first)
    journal.close()
    mirror = edits.Editor(first)
    made = lost = wrong = torn = ahead = 0
    targets = np.sort(chance.choice(np.arange(1, count), kills, replace=False)).tolist()
    rounds = 0
    for target in [*targets, count]:
        if made == count:
            break  # the last kill came too late
        rounds += target < count
        said = run_and_kill(journal.path, max(target, made + 1), count, chance)
        torn += not (journal.path / "edits.jsonl").read_bytes().endswith(b"\n")
        found = steps(journal.path)
        lost += found < said
        ahead += found > said
        while made < found:
            random_step(mirror, made)
            made += 1
        started = time.process_time()
        editor, again = edits.restore(journal.path)
        replay = time.process_time() - started
        again.close()
        wrong += found > said + 1 or again.notice != "" or not same(editor, mirror)
    kept = sum(step.delta.nbytes for step in (*editor.history.done, *editor.history.undone))
    stands = len(editor.history.done)
    editor.log = None
    while editor.undo():
        pass
    wrong += not np.array_equal(editor.labels, first)
    size = (journal.path / "edits.jsonl").stat().st_size
    return {
        "steps": made,
        "kills": rounds,
        "acknowledged steps lost": lost,
        "states that differ": wrong,
        "kills inside a step (written, not yet acknowledged)": ahead,
        "lines torn": torn,
        "edits that stand at the end": stands,
        "journal, KB": size / 1000,
        "replay of all, CPU s": replay,
        "changes kept for undo, MB": kept / 1e6,
    }


def costs(side: int = 2048) -> list[dict[str, object]]:
    """CPU time of single edits, of their undo, and memory of the changes."""
    labels = grains(side, 2000)
    editor = edits.Editor(labels)
    large = edits.Editor(np.where(labels > 0, 1 + (labels > 1000), 0))  # two, ragged, all over
    square = np.zeros((side, side), bool)
    square[side // 4 : side // 2, side // 4 : side // 2] = True
    line = ((0.0, side / 2), (float(side), side / 2 + 9))
    ys, xs = np.nonzero(labels == 3)
    points = ((xs[0], ys[0]), (xs[-1], ys[-1]))
    cases = [
        ("merge two grains", editor, edits.Merge(3, 4)),
        ("merge two segments that fill the image", large, edits.Merge(1, 2)),
        ("split a grain by a line", editor, _across(editor, 3)),
        ("split a grain by two points", editor, edits.Split(3, points=points)),
        ("split half of the image by a line", large, edits.Split(1, line=line)),
        (
            "add a mask of a quarter of the side",
            editor,
            edits.Add(edits.Mask.of(square), over=True),
        ),
        ("delete a grain", editor, edits.Delete(3)),
    ]
    rows: list[dict[str, object]] = []
    for name, of, edit in cases:
        there, back = [], []
        for _ in range(9):
            started = time.process_time()
            delta = of.do(edit)
            done = time.process_time()
            of.undo()
            there.append(done - started)
            back.append(time.process_time() - done)
        rows.append(
            {
                "edit": name,
                "ms": 1e3 * float(np.median(there)),
                "undo, ms": 1e3 * float(np.median(back)),
                "kept for undo, KB": delta.nbytes / 1e3,
            }
        )
    return rows


def _across(editor: edits.Editor, label: int) -> edits.Edit:
    x0, y0, x1, y1 = editor.table[label].box
    return edits.Split(label, line=((x0 - 1, (y0 + y1) / 2), (x1 + 1, (y0 + y1) / 2)))


def writing(folder: Path, count: int = 200) -> tuple[float, float]:
    """Median time to hand a line to the system, and for the disk to confirm it, ms."""
    handed, confirmed = [], []
    with (folder / "lines").open("wb", buffering=0) as file:
        for _ in range(count):
            started = time.perf_counter()
            file.write(b"x" * 150)
            written = time.perf_counter()
            os.fsync(file.fileno())
            handed.append(written - started)
            confirmed.append(time.perf_counter() - written)
    return 1e3 * float(np.median(handed)), 1e3 * float(np.median(confirmed))


def main() -> int:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edits", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    parser.add_argument("--brief", action="store_true", help="the kills alone")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.edits)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = survival(options.side, options.edits, options.kills, Path(folder))
        bad = bool(found["acknowledged steps lost"] or found["states that differ"])
        body = table([{"": name, "found": value} for name, value in found.items()])
        if not options.brief:
            body += (
                f"\n\nOn 2048 x 2048 px, CPU time:\n\n{table(costs())}\n\n"
                "A line of the journal is handed to the system in {:.2g} ms and confirmed by the "
                "disk in {:.2g} ms.".format(*writing(Path(folder)))
            )
    print(body)
    if options.write:
        write_section("Corrections", body)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
