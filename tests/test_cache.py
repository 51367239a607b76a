from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_samstar.cache import Store, content_key, home

PARTS = st.lists(st.one_of(st.text(max_size=5), st.binary(max_size=5)), max_size=4)

# the key is the key of the bytes themselves, so that whoever reads an entry can tell if it is whole
WRITER = """
import os, sys
from pathlib import Path
from napari_samstar.cache import Store, content_key
store = Store(Path(sys.argv[1]), disk_bytes=int(sys.argv[2]))
for _ in range(int(sys.argv[3])):
    data = os.urandom(int(sys.argv[4]))
    key = content_key(data)
    print(key, flush=True)
    store.put(key, data)
    if store.get(key) != data:
        sys.exit("a value came back changed")
"""


def _writer(folder: Path, limit: int, count: int, size: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(limit), str(count), str(size)],
        stdout=subprocess.PIPE,
        text=True,
    )


def _files(folder: Path) -> list[Path]:
    return list(folder.glob("*/*.bin"))


@given(PARTS, PARTS)
def test_different_parts_have_different_keys(a: list[str | bytes], b: list[str | bytes]) -> None:
    plain = [[p.encode() if isinstance(p, str) else p for p in parts] for parts in (a, b)]
    assert (content_key(*a) == content_key(*b)) == (plain[0] == plain[1])


def test_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert home() == tmp_path / "samstar-home"
    monkeypatch.delenv("SAMSTAR_HOME")
    assert home().name.lower() in ("napari-samstar", "cache")


def test_a_value_outlives_the_object_that_stored_it() -> None:
    Store().put("key", b"value")
    assert Store().get("key") == b"value"
    assert Store().get("other") is None


def test_empty_value_is_a_value(tmp_path: Path) -> None:
    Store(tmp_path).put("empty", b"")
    assert Store(tmp_path).get("empty") == b""


@pytest.mark.parametrize("damage", ["cut", "flip", "foreign", "nothing"])
def test_damaged_file_counts_as_missing_and_is_removed(tmp_path: Path, damage: str) -> None:
    Store(tmp_path).put("key", bytes(range(256)) * 10)
    (path,) = _files(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(
        {
            "cut": raw[:-7],
            "flip": raw[:100] + bytes([raw[100] ^ 1]) + raw[101:],
            "foreign": b"not one of ours",
            "nothing": b"",
        }[damage]
    )
    assert Store(tmp_path).get("key") is None
    assert not path.exists()


def test_disk_keeps_what_was_used_last(tmp_path: Path) -> None:
    store = Store(tmp_path, memory_bytes=0, disk_bytes=3_200)
    for age, name in enumerate(("first", "second", "third")):
        store.put(name, b"x" * 1000)
        os.utime(tmp_path / name[:2] / f"{name}.bin", (1000.0 + age, 1000.0 + age))
    assert store.get("first") is not None
    store.put("fourth", b"x" * 1000)
    assert store.size() <= 3_200
    assert [store.get(k) is not None for k in ("first", "second", "third", "fourth")] == [
        True,
        False,
        True,
        True,
    ]


def test_memory_stays_within_its_limit(tmp_path: Path) -> None:
    store = Store(tmp_path, memory_bytes=2_500)
    for name in ("aa", "bb", "cc"):
        store.put(name, b"x" * 1000)
    store.put("huge", b"x" * 5000)
    for path in _files(tmp_path):
        path.unlink()
    assert [store.get(k) is not None for k in ("aa", "bb", "cc", "huge")] == [
        False,
        True,
        True,
        False,
    ]


def test_clear_empties_memory_and_disk(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("key", b"value")
    assert store.size() > 0
    store.clear()
    assert store.size() == 0
    assert store.get("key") is None


def test_limit_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Store().disk_bytes == 5_000_000_000
    monkeypatch.setenv("SAMSTAR_CACHE_GB", "0.5")
    assert Store().disk_bytes == 500_000_000
    monkeypatch.setenv("SAMSTAR_CACHE_GB", "0")
    Store().put("key", b"value")
    assert Store().get("key") is None


def test_disk_that_cannot_be_written_only_costs_speed(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_bytes(b"")
    store = Store(blocker / "cache")
    store.put("key", b"value")
    assert store.get("key") == b"value"
    assert store.size() == 0


def test_keys_cannot_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a cache key"):
        Store(tmp_path).put("../escape", b"")


def test_two_processes_share_a_folder_and_its_limit(tmp_path: Path) -> None:
    writers = [_writer(tmp_path, 1_000_000, 60, 50_000) for _ in range(2)]
    for writer in writers:
        writer.communicate(timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0]
    store = Store(tmp_path, disk_bytes=1_000_000)
    assert 500_000 < store.size() <= 1_000_000
    for path in _files(tmp_path):
        data = store.get(path.stem)
        assert data is not None
        assert content_key(data) == path.stem


def test_killed_writers_leave_no_corrupt_entry(tmp_path: Path) -> None:
    chance = random.Random(7)
    seen: list[str] = []
    for _ in range(20):
        writer = _writer(tmp_path, 10**9, 10**6, 3_000_000)
        assert writer.stdout is not None
        # a key is printed before its value is written: kill somewhere in the writing
        seen += [writer.stdout.readline().strip() for _ in range(chance.randint(1, 8))]
        time.sleep(chance.uniform(0.0, 0.003))
        writer.kill()
        seen += writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
    store = Store(tmp_path, memory_bytes=0)
    found = 0
    for key in seen:
        data = store.get(key)
        found += data is not None
        assert data is None or content_key(data) == key
    assert found >= 20  # the writers did write
    assert all(path.stem in seen for path in _files(tmp_path))


def test_temporaries_of_dead_writers_are_swept(tmp_path: Path) -> None:
    folder = tmp_path / "ab"
    folder.mkdir()
    dead = folder / "abcd-0123.tmp"
    dead.write_bytes(b"x" * 900)
    os.utime(dead, (0, 0))
    Store(tmp_path, disk_bytes=1000).put("key", b"x" * 500)
    assert not dead.exists()
    assert Store(tmp_path).get("key") is not None
