from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pooch
import pytest
import xxhash

from napari_samstar.sam.cards import ModelCard
from napari_samstar.sam.download import OFFLINE_FOLDER, fetch, fetch_model, is_sound, progress_bar
from napari_samstar.sam.resuming import ResumingDownloader, size_of
from napari_samstar.types import SamStarError

from .model_server import closed_port, serve

CONTENT = random.Random(5).randbytes(1_500_000)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(OFFLINE_FOLDER, raising=False)


@pytest.fixture
def server():
    with serve(CONTENT) as behavior:
        yield behavior


@pytest.fixture
def card(server):
    return card_for(server.url)


def card_for(url: str, content: bytes = CONTENT) -> ModelCard:
    return ModelCard(
        name="test_model",
        architecture="vit_b",
        url=url,
        licence="CC0-1.0",
        good_for="Tests.",
        sha256=hashlib.sha256(content).hexdigest(),
        xxh128=xxhash.xxh3_128(content).hexdigest(),
        size=len(content),
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_a_model_arrives_with_progress_in_bytes(server, card, tmp_path):
    seen = []
    path = fetch(card, tmp_path, seen.append)
    assert path == tmp_path / "test_model.pth"
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == {"test_model.pth"}
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert (seen[-1].done, seen[-1].total) == (len(CONTENT), len(CONTENT))
    assert "test_model" in seen[0].stage
    fetch(card, tmp_path)
    assert len(server.asked) == 1  # what is here is not asked for again


@pytest.mark.parametrize("digest", ["sha256", "xxh128"])
def test_either_digest_is_enough(server, card, tmp_path, digest):
    other = {"sha256": "xxh128", "xxh128": "sha256"}[digest]
    only = dataclasses.replace(card, **{other: None})
    assert fetch(only, tmp_path).read_bytes() == CONTENT


def test_a_stopped_download_goes_on_where_it_was(server, card, tmp_path):
    class Stopped(Exception):
        pass

    def stop_half_way(progress):
        if progress.done > len(CONTENT) // 2:
            raise Stopped

    with pytest.raises(Stopped):
        fetch(card, tmp_path, stop_half_way)
    assert names(tmp_path) == {"test_model.pth.part"}
    kept = (tmp_path / "test_model.pth.part").stat().st_size
    assert kept > len(CONTENT) // 2
    assert fetch(card, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={kept}-"]


def test_a_connection_that_keeps_breaking_still_arrives(server, card, tmp_path):
    server.cut = 400_000
    assert fetch(card, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 4


def test_a_server_without_ranges_sends_all_of_it_again(server, card, tmp_path):
    server.ranges = False
    (tmp_path / "test_model.pth.part").write_bytes(CONTENT[:300_000])
    assert fetch(card, tmp_path).read_bytes() == CONTENT


def test_a_broken_connection_without_ranges_says_how_far_it_came(server, card, tmp_path):
    server.ranges, server.cut = False, 500_000
    with pytest.raises(SamStarError, match=r"broke off after 0\.5 of 1\.5 MB: try again"):
        fetch(card, tmp_path)
    assert names(tmp_path) == {"test_model.pth.part"}
    server.cut = None
    assert fetch(card, tmp_path).read_bytes() == CONTENT


def test_a_wrong_beginning_is_thrown_away_and_fetched_anew(server, card, tmp_path):
    for wrong in (b"\0" * 400_000, CONTENT + b"more", CONTENT[:-1] + b"?"):
        (tmp_path / "test_model.pth").unlink(missing_ok=True)
        (tmp_path / "test_model.pth.part").write_bytes(wrong)
        assert fetch(card, tmp_path).read_bytes() == CONTENT


def test_a_complete_part_needs_only_its_check(server, card, tmp_path):
    (tmp_path / "test_model.pth.part").write_bytes(CONTENT)
    assert fetch(card, tmp_path).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CONTENT[:-1] + b"?", "not the published file"),
        (b"<!DOCTYPE html><html>Please log in to the hotel's network</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"", "empty"),
    ],
)
def test_the_wrong_file_is_named_and_thrown_away(server, card, tmp_path, content, said):
    server.content = content
    with pytest.raises(SamStarError, match=f"{said}.*checksum is wrong.*thrown away") as caught:
        fetch(card, tmp_path)
    assert card.url in str(caught.value)
    assert names(tmp_path) == set()


def test_a_damaged_file_under_the_final_name_is_replaced(server, card, tmp_path):
    (tmp_path / "test_model.pth").write_bytes(CONTENT[:-5])
    assert fetch(card, tmp_path).read_bytes() == CONTENT


def test_no_network_gets_a_sentence_and_a_way_round(tmp_path):
    card = card_for(f"http://127.0.0.1:{closed_port()}/weights/model.pth")
    with pytest.raises(SamStarError, match=r"127\.0\.0\.1 cannot be reached") as caught:
        fetch(card, tmp_path)
    assert "put model.pth from" in str(caught.value)
    assert OFFLINE_FOLDER in str(caught.value)
    assert names(tmp_path) == set()


def test_an_error_of_the_server_is_passed_on(server, card, tmp_path):
    server.status = 404
    with pytest.raises(SamStarError, match="does not give test_model \\(404"):
        fetch(card, tmp_path)


def test_a_full_disk_gets_a_sentence(server, card, tmp_path):
    huge = dataclasses.replace(card, size=10**18)
    with pytest.raises(SamStarError, match=r"no room for test_model.*SAMSTAR_HOME"):
        fetch(huge, tmp_path)
    assert server.asked == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_meanwhile_gets_a_sentence(server, card, tmp_path):
    (tmp_path / "test_model.pth.part").symlink_to("/dev/full")
    with pytest.raises(SamStarError, match="no room for test_model"):
        fetch(card, tmp_path)
    assert "test_model.pth" not in names(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_gets_a_sentence(server, card, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SamStarError, match="cannot be kept"):
        fetch(card, tmp_path / "models")


@pytest.mark.parametrize("name", ["test_model.pth", "model.pth", "test_model"])
def test_the_offline_folder_comes_first_and_is_verified(server, card, tmp_path, monkeypatch, name):
    offline = tmp_path / "usb stick"
    offline.mkdir()
    (offline / name).write_bytes(CONTENT)
    assert fetch(card, tmp_path / "a", offline=offline) == offline / name
    monkeypatch.setenv(OFFLINE_FOLDER, str(offline))
    assert fetch(card, tmp_path / "b") == offline / name
    assert server.asked == []
    (offline / name).write_bytes(CONTENT[:-1] + b"?")
    assert fetch(card, tmp_path / "c") == tmp_path / "c" / "test_model.pth"


def test_two_at_once_download_once(server, card, tmp_path):
    server.pace = 0.002
    waiting, paths = [], []

    def ask(seen):
        paths.append(fetch(card, tmp_path, seen.append))

    threads = [threading.Thread(target=ask, args=(waiting,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1
    assert [path.read_bytes() for path in paths] == [CONTENT] * 3


KILLED = """
import json, os, sys
from pathlib import Path
from napari_samstar.sam.cards import ModelCard
from napari_samstar.sam.download import fetch
for line in sys.stdin:  # each download in a process of its own, the imports done already
    child = os.fork()
    if child == 0:
        fetch(ModelCard(**json.loads(line)), Path(sys.argv[1]))
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kill_minus_nine_leaves_nothing_wrong_under_the_final_name(server, card, tmp_path):
    """Twenty downloads killed at random moments; each next one goes on from what was left."""
    server.pace = 0.002  # 0.2 s for the whole file
    draw = random.Random(3)
    order = json.dumps(dataclasses.asdict(card)) + "\n"
    final, part = tmp_path / "test_model.pth", tmp_path / "test_model.pth.part"
    killed = resumed = 0
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as runner:
        assert runner.stdin is not None
        assert runner.stdout is not None
        for _ in range(20):
            left = part.stat().st_size if part.exists() else 0
            asked = len(server.asked)
            runner.stdin.write(order)
            runner.stdin.flush()
            child = int(runner.stdout.readline())
            # a random moment: so many bytes have come, or, past the last, any moment of the end
            moment = draw.uniform(0.0, 1.3) * len(CONTENT)
            with contextlib.suppress(ProcessLookupError):
                while size_of(part) < min(moment, len(CONTENT)) and not final.exists():
                    os.kill(child, 0)
                time.sleep(max(moment / len(CONTENT) - 1.0, 0.0) * 0.05)
                os.kill(child, signal.SIGKILL)
            killed += int(runner.stdout.readline()) == signal.SIGKILL
            if left and len(server.asked) > asked:
                assert server.asked[asked] == f"bytes={left}-"
                resumed += 1
            if final.exists():
                assert is_sound(final, card.checksum)
                final.unlink()
    assert killed >= 10
    assert resumed >= 3
    server.pace = 0.0
    assert fetch(card, tmp_path).read_bytes() == CONTENT
    assert names(tmp_path) == {"test_model.pth"}


def test_the_downloader_serves_pooch_too(server, card, tmp_path):
    path = pooch.retrieve(
        server.url, card.checksum, "m.pth", tmp_path, downloader=ResumingDownloader()
    )
    assert Path(path).read_bytes() == CONTENT


def test_the_bar_counts_bytes(server, card, tmp_path, capsys):
    with progress_bar() as show:
        fetch(card, tmp_path, show)
    assert "1.50M/1.50M" in capsys.readouterr().err


def test_models_that_cannot_be_run_are_not_downloaded():
    with pytest.raises(SamStarError, match="not run by this version"):
        fetch_model("sam2.1_hiera_tiny")
    with pytest.raises(SamStarError, match="did you mean vit_b_lm"):
        fetch_model("vit_b_ml")
