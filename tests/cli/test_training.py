"""Trainings at the command line: what is wrong is said in a sentence, before any work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_samstar.cli import main


@pytest.mark.parametrize("command", ["train-tiny", "distil"])
def test_a_device_that_is_not_there_is_refused_in_a_sentence(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    np.save(images / "one.npy", np.zeros((64, 64), np.uint8))
    out = tmp_path / "out"
    given = ["--teacher", "samstar-tiny", "--images", str(images)] if command == "distil" else []
    line = [command, *given, "--out", str(out), "--quiet", "--device"]
    assert main([*line, "foo"]) == 2
    assert "The device 'foo' is not known: choose auto, cuda" in capsys.readouterr().err
    if not torch.cuda.is_available():
        assert main([*line, "cuda"]) == 2
        assert "No NVIDIA GPU can be used here" in capsys.readouterr().err
    assert not out.exists()


def test_settings_of_the_training_are_listed_and_checked_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train-tiny", "--list-settings"]) == 0
    assert "pixels" in capsys.readouterr().out
    out = tmp_path / "out"
    assert main(["train-tiny", "--out", str(out), "--set", "pixels=3"]) == 2
    assert "pixels" in capsys.readouterr().err
    assert main(["train-tiny", "--quiet"]) == 2
    assert "--out" in capsys.readouterr().err
    assert not out.exists()
