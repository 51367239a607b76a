from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xxhash

from napari_samstar.atomic import atomic_folder, atomic_path, write_bytes_atomic
from napari_samstar.types import SamStarError

# the last 16 bytes are the digest of the rest, so that a reader can tell a whole file
WRITER = """
import os, sys, xxhash
from napari_samstar.atomic import write_bytes_atomic
for i in range(10**6):
    data = os.urandom(300_000)
    print(i, flush=True)
    write_bytes_atomic(f"{sys.argv[1]}/{i % 3}.bin", data + xxhash.xxh3_128_digest(data))
"""


def test_the_new_file_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.csv"
    write_bytes_atomic(path, b"old")
    write_bytes_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_the_temporary_name_is_hidden_and_keeps_the_ending(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.png") as temporary:
        temporary.touch()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        assert temporary.name.startswith(".")


def test_an_error_leaves_what_stood_there(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half of th")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    for name in ("one", "two"):
        with atomic_folder(path) as temporary:
            (temporary / name).write_bytes(b"x")
    assert [p.name for p in path.iterdir()] == ["two"]

    def fail() -> None:
        with atomic_folder(path) as temporary:
            (temporary / "three").write_bytes(b"x")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert [p.name for p in path.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [path]


def test_what_dead_writers_left_is_swept_by_the_next(tmp_path: Path) -> None:
    young, old, other = (
        tmp_path / f".{name}-0123456789{k}b.tmp.csv" for k, name in enumerate(("a[1]", "a[1]", "b"))
    )
    for path in (young, old, other):
        path.touch()
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    write_bytes_atomic(tmp_path / "a[1].csv", b"")
    assert (young.exists(), old.exists(), other.exists()) == (True, False, True)


def test_a_disk_that_refuses_is_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SamStarError, match=r"out\.csv could not be written: ") as caught:
        write_bytes_atomic(tmp_path / "file" / "out.csv", b"")
    assert "\n" not in str(caught.value)


def test_killed_writers_leave_no_torn_file(tmp_path: Path) -> None:
    chance = random.Random(11)
    for _ in range(20):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(chance.randint(1, 6)):
            writer.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.003))
        writer.kill()
        writer.wait()
        writer.stdout.close()
        for path in tmp_path.glob("[0-9].bin"):
            raw = path.read_bytes()
            assert xxhash.xxh3_128_digest(raw[:-16]) == raw[-16:]
    assert (tmp_path / "0.bin").exists()
