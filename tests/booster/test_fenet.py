"""FENet has the published shape, loads the published names, and computes what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_samstar.booster.fenet import FractalEncoder, load_fractal
from napari_samstar.booster.fractal import FractalNet, _dimension
from napari_samstar.types import SamStarError

#: Names and shapes of the public ResNet-18 checkpoint, backbone apart.
PUBLISHED = {
    "UP.weight": (512, 1, 3, 3),
    "UP.bias": (512,),
    "conv_before_mfs.0.weight": (3, 512, 1, 1),
    "conv_before_mfs.1.running_var": (3,),
    "mfs.deepmfs.0.conv.0.weight": (1, 1, 1, 1),
    "mfs.deepmfs.0.conv.5.weight": (1, 1, 6, 6),
    "mfs.deepmfs.1.running_mean": (1,),
    "mfs.deephist.0.codewords": (15, 1),
    "mfs.deephist.0.scale": (15,),
    "mfs.deephist.1.bias": (15,),
    "pool.2.weight": (45, 512),
    "pool.3.running_var": (45,),
    "fc.1.weight": (128, 2025),
    "fc.3.weight": (47, 128),
    "backbone.layer4.1.bn2.weight": (512,),
    "backbone.fc.weight": (1000, 512),
}


@pytest.fixture(scope="module")
def net() -> FractalNet:
    torch.manual_seed(0)
    return FractalNet().eval()


def test_shape_and_names_are_the_published_ones(net: FractalNet) -> None:
    state = net.state_dict()
    assert {name: tuple(state[name].shape) for name in PUBLISHED} == PUBLISHED
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(11.98e6, rel=1e-3)


def test_a_crop_is_embedded_the_same_in_any_company(net: FractalNet) -> None:
    crops = torch.rand(3, 40, 40)
    with torch.inference_mode():
        together = net(crops)
        alone = net(crops[1:2])
    assert together.shape == (3, 128)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=0)


def test_box_counting_knows_areas_lines_and_points() -> None:
    area = torch.ones(1, 1, 64, 64)
    line = torch.zeros(1, 1, 64, 64)
    line[..., 32, :] = 1
    point = torch.zeros(1, 1, 64, 64)
    point[..., 32, 32] = 1
    # boxes overlap by half a box, so that their number falls a little slower than by the dimension
    dimensions = [float(_dimension(maps)) for maps in (area, line, point)]
    assert dimensions[0] == pytest.approx(2.0, abs=0.6)
    assert dimensions[1] == pytest.approx(1.0, abs=0.6)
    assert dimensions[0] - dimensions[1] > 0.5
    assert dimensions[1] - dimensions[2] > 0.5


@pytest.mark.parametrize("wrapper", ["plain", "state_dict", "parallel"])
def test_checkpoints_load_as_people_save_them(
    net: FractalNet, tmp_path: Path, wrapper: str
) -> None:
    state = net.state_dict()
    if wrapper == "parallel":
        state = {f"module.{name}": value for name, value in state.items()}
    torch.save({"state_dict": state} if wrapper == "state_dict" else state, tmp_path / "w.pt")
    crops = 255 * np.random.default_rng(0).random((2, 32, 32), np.float32)
    rows = FractalEncoder(tmp_path / "w.pt")(crops)
    with torch.inference_mode():
        expected = net(torch.from_numpy(crops / 255)).numpy()
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_brighter_crops_beside_it_change_nothing(net: FractalNet, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "w.pt")
    encoder = FractalEncoder(tmp_path / "w.pt")
    crops = np.random.default_rng(0).uniform(0, 90, (1, 32, 32)).astype(np.float32)
    beside = np.concatenate([crops, crops + 160])
    np.testing.assert_allclose(encoder(beside)[:1], encoder(crops), atol=1e-5)


def test_trained_weights_load_from_safetensors(net: FractalNet, tmp_path: Path) -> None:
    state = {n: v for n, v in net.state_dict().items() if not n.endswith("num_batches_tracked")}
    save_file(state, tmp_path / "w.safetensors")
    loaded = load_fractal(tmp_path / "w.safetensors").state_dict()
    torch.testing.assert_close(loaded["fc.1.weight"], net.state_dict()["fc.1.weight"])


def test_other_files_are_refused_with_a_sentence(net: FractalNet, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(SamStarError, match="not a FENet"):
        load_fractal(tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(SamStarError, match="cannot be read"):
        load_fractal(tmp_path / "text.pt")
    smaller = {n: v for n, v in net.state_dict().items() if n != "fc.1.bias"}
    torch.save(smaller, tmp_path / "part.pt")
    with pytest.raises(SamStarError, match=r"'fc\.1\.bias' is missing"):
        load_fractal(tmp_path / "part.pt")


def test_it_learns(net: FractalNet) -> None:
    torch.manual_seed(0)
    student = FractalNet()
    crops = torch.rand(4, 32, 32)
    (student(crops) ** 2)[:, :64].sum().backward()
    trained = {n for n, p in student.named_parameters() if p.grad is not None and p.grad.any()}
    assert "mfs.deephist.0.codewords" in trained
    assert "backbone.conv1.weight" in trained
    assert not any("deepmfs.0.conv" in n for n in trained)  # the windows are fixed
