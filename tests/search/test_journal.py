import json
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from napari_samstar.search.events import CandidateEvent
from napari_samstar.search.journal import open_journal, read_journal
from napari_samstar.search.study import Study
from napari_samstar.settings import SearchSettings
from napari_samstar.types import SamStarError
from tests.search.problems import MIXED_SPACE, mixed

ROOT = Path(__file__).parents[2]


def study(path, *, budget=100, seed=0, context="", space=MIXED_SPACE, **settings):
    chosen = SearchSettings(budget=budget, seed=seed, patience=0, **settings)
    return Study(space, chosen, objectives=["a", "b"], journal=path, context=context)


def finish(made, evaluate=mixed):
    events = list(made.steps(evaluate))
    return made.front(), [e for e in events if isinstance(e, CandidateEvent)]


def same(one, two):
    return one.evaluated == two.evaluated and one.history == two.history


@pytest.fixture
def path(tmp_path):
    return tmp_path / "search.jsonl"


def test_journal_holds_every_candidate(path):
    front, _ = finish(study(path, budget=40))
    header, recorded = read_journal(path)
    assert [c.rewards for c in recorded] == [c.rewards for c in front.evaluated]
    assert header["objectives"] == ["a", "b"]
    assert front.journal == path
    assert list(path.parent.iterdir()) == [path]  # no lock is left


def test_resumed_search_evaluates_only_the_rest(path):
    whole, _ = finish(study(None))
    chance = random.Random(1)
    for _ in range(6):
        path.unlink(missing_ok=True)
        steps = study(path).steps(mixed)
        for _ in range(chance.randrange(1, 100)):
            next(steps)
        steps.close()
        assert list(path.parent.iterdir()) == [path]
        done = len(read_journal(path)[1])
        tried = []
        front, events = finish(study(path), lambda g, tried=tried: (tried.append(g), mixed(g))[1])
        assert len(tried) == 100 - done
        assert [e.replayed for e in events] == [True] * done + [False] * (100 - done)
        assert same(front, whole)


def test_larger_budget_goes_on_with_the_same_search(path):
    whole, _ = finish(study(None, budget=100))
    finish(study(path, budget=61))
    front, _ = finish(study(path, budget=100))
    assert front.evaluated == whole.evaluated


def test_search_never_waits_for_the_disk(path, monkeypatch):
    # a busy disk takes half a second to answer, and a cancel would wait with it
    monkeypatch.setattr("os.fsync", lambda _: pytest.fail("the search waits for the disk"))
    finish(study(path, budget=40))
    assert len(read_journal(path)[1]) == 40


@pytest.mark.parametrize("left", [b"", bytes(300)], ids=["nothing", "zeros"])
def test_journal_that_a_power_cut_emptied_is_started_anew(path, left):
    path.write_bytes(left)
    front, _ = finish(study(path, budget=40))
    assert [c.rewards for c in read_journal(path)[1]] == [c.rewards for c in front.evaluated]


@pytest.mark.parametrize("method", ["random", "grid"])
def test_baselines_are_resumed_alike(path, method):
    whole, _ = finish(study(None, method=method))
    steps = study(path, method=method).steps(mixed)
    for _ in range(31):
        next(steps)
    steps.close()
    assert same(finish(study(path, method=method))[0], whole)


def test_failed_candidates_are_resumed_as_failed(path):
    def evaluate(genes):
        if genes["layer"]:
            raise SamStarError("No masks.")
        return mixed(genes)

    first, _ = finish(study(path, budget=50), evaluate)
    again, events = finish(study(path, budget=50), evaluate)
    assert all(e.replayed for e in events)
    assert [c.error for c in again.evaluated] == [c.error for c in first.evaluated]


@pytest.mark.parametrize("torn", [b'{"index": 40, "gen', b"\x00\x00\x00\n", b"[1, 2]\n", b"{}\n"])
def test_torn_end_is_dropped(path, torn):
    whole, _ = finish(study(None))
    finish(study(path, budget=40))
    with path.open("ab") as file:
        file.write(torn)
    assert same(finish(study(path))[0], whole)
    assert len(path.read_text().splitlines()) == 101


SEARCH = """
import sys
from tests.search.problems import mixed
from tests.search.test_journal import study

for event in study(sys.argv[1], budget=100_000).steps(mixed):
    print(event.evaluated, flush=True)
"""


def test_killed_search_goes_on_as_if_nothing_had_happened(path):
    for wanted in (7, 60):
        command = [sys.executable, "-c", SEARCH, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            for line in process.stdout:
                if int(line) >= wanted:
                    break
            process.kill()
        assert process.returncode != 0
        recorded = len(read_journal(path)[1])
        assert recorded >= wanted
    front, events = finish(study(path, budget=recorded + 40))
    assert sum(e.replayed for e in events) == recorded
    assert same(front, finish(study(None, budget=recorded + 40))[0])
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"seed": 1}, "its seed is 0, not 1"),
        ({"context": "b"}, "context"),
        ({"method": "random"}, "method"),
        ({"population": 30}, "population"),
    ],
)
def test_journal_of_another_search_is_refused_and_kept(path, other, told):
    finish(study(path, budget=10))
    before = path.read_bytes()
    with pytest.raises(SamStarError, match=told):
        finish(study(path, **other))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", ["a table, not a journal\n", '{"format": "else"}\n', "no end"])
def test_files_that_are_no_journals_are_refused_and_kept(path, content):
    path.write_text(content)
    with pytest.raises(SamStarError, match="not the journal"):
        finish(study(path))
    assert path.read_text() == content


def test_other_candidates_than_recorded_are_refused(path):
    finish(study(path, budget=10))
    lines = path.read_text().splitlines()
    lines[5] = json.dumps(json.loads(lines[5]) | {"genes": {"threshold": 0.111}})
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(SamStarError, match="Candidate 4"):
        finish(study(path))


def test_two_searches_cannot_share_a_journal(path):
    steps = study(path).steps(mixed)
    next(steps)
    with pytest.raises(SamStarError, match="in use"):
        finish(study(path))
    steps.close()
    finish(study(path))


def test_search_may_be_closed_by_another_thread(path):
    steps = study(path).steps(mixed)
    next(steps)
    closing = threading.Thread(target=steps.close)
    closing.start()
    closing.join()
    assert list(path.parent.iterdir()) == [path]
    finish(study(path))


def test_errors_of_others_are_not_blamed_on_the_journal(path):
    with pytest.raises(OSError, match="mine"), open_journal(path, {"seed": 1}):
        raise OSError("mine")
    assert list(path.parent.iterdir()) == [path]


def test_unwritable_journal_is_said_plainly(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SamStarError, match="file"):
        finish(study(blocked / "search.jsonl"))
