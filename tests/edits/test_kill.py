from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "edits.py"


def test_no_confirmed_edit_is_lost_when_the_program_is_killed() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--edits", "400", "--kills", "2", "--side", "64", "--brief"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = dict(line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:])
    assert int(found["kills"]) >= 2
    assert found["acknowledged steps lost"] == found["states that differ"] == "0"
