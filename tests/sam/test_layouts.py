from __future__ import annotations

import os
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from segment_anything import sam_model_registry

from napari_samstar.sam.layouts import Checkpoint, build_sam, open_checkpoint
from napari_samstar.sam.samstar_tiny import build_samstar_tiny
from napari_samstar.sam.tinyvit import build_sam_vit_t, offset_index
from napari_samstar.types import SamStarError

HEAD = "mask_decoder.iou_prediction_head.layers.0.weight"


@pytest.fixture(scope="module")
def tiny():
    return build_samstar_tiny().state_dict()


@pytest.fixture(scope="module")
def mobile():
    return build_sam_vit_t().state_dict()


def save(path: Path, content, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


WRAPPINGS = {
    "plain": lambda s: s,
    "micro-sam training": lambda s: {"model_state": prefixed(s, "sam."), "epoch": 3},
    "micro-sam export": lambda s: {"model_state": s, "decoder_state": {"x": torch.ones(1)}},
    "parallel training": lambda s: prefixed(s, "module."),
    "lightning": lambda s: {"state_dict": prefixed(s, "model."), "pytorch-lightning_version": "2"},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("legacy", [False, True])
def test_every_wrapping_gives_the_same_weights(tmp_path, tiny, wrapping, legacy):
    path = save(tmp_path / "model.pt", WRAPPINGS[wrapping](tiny), legacy)
    found = open_checkpoint(path)
    assert found.architecture == "samstar-tiny"
    assert found.state.keys() == tiny.keys()
    assert all(torch.equal(found.state[name], tiny[name]) for name in tiny)


def test_mobile_sam_is_recognized_and_every_key_used(tmp_path, mobile):
    # some exports keep what follows from the window's size, in a view's type
    extra = {
        "image_encoder.layers.1.blocks.0.attn.attention_bias_idxs": offset_index(7),
        "image_encoder.layers.1.blocks.0.attn.ab": torch.zeros(4, 49, 49),
    }
    for content in (mobile, mobile | extra):
        found = open_checkpoint(save(tmp_path / "m.pt", content))
        assert found.architecture == "vit_t"
        sam = build_sam(found)
        assert all(torch.equal(value, mobile[name]) for name, value in sam.state_dict().items())
    extra["image_encoder.layers.1.blocks.0.attn.attention_bias_idxs"] = offset_index(7).T.flip(0)
    with pytest.raises(SamStarError, match="numbers its attention biases in an unknown way"):
        open_checkpoint(save(tmp_path / "m.pt", mobile | extra))


def test_safetensors_and_half_precision_load_as_float32(tmp_path, mobile):
    path = tmp_path / "m.safetensors"
    half = {k: v.half() if v.is_floating_point() else v for k, v in mobile.items()}
    save_file(half, path)
    sam = build_sam(open_checkpoint(path))
    assert {value.dtype for value in sam.parameters()} == {torch.float32}
    assert torch.equal(sam.state_dict()[HEAD], mobile[HEAD].half().float())


@pytest.mark.parametrize(("width", "name"), [(768, "vit_b"), (1024, "vit_l"), (1280, "vit_h")])
def test_official_models_are_told_apart_by_their_width(tmp_path, width, name):
    state = {"image_encoder.patch_embed.proj.weight": torch.zeros(width, 3, 16, 16)}
    assert open_checkpoint(save(tmp_path / "a.pth", state)).architecture == name
    assert open_checkpoint(save(tmp_path / "b.pth", prefixed(state, "sam."))).architecture == name
    with pytest.raises(SamStarError, match=f"looks like {name}, but its weights do not fit"):
        build_sam(open_checkpoint(tmp_path / "a.pth"))


def test_an_official_model_takes_its_weights_and_metas_normalization():
    with torch.device("meta"):
        names = sam_model_registry["vit_b"]().state_dict()
    state = {name: torch.zeros(value.shape) for name, value in names.items()}
    state["image_encoder.pos_embed"] += 2.0
    sam = build_sam(Checkpoint(Path("b.pth"), "vit_b", state))
    assert not any(value.is_meta for value in [*sam.parameters(), *sam.buffers()])
    assert float(sam.image_encoder.pos_embed.detach().mean()) == 2.0
    gray = sam.preprocess(torch.full((1, 3, 2, 2), 128.0))[0, :, 0, 0]
    # (128 - mean) / std of ImageNet
    assert torch.allclose(gray, torch.tensor([0.0741, 0.2052, 0.4265]), atol=1e-4)
    assert not sam.training


def _zip_of_text(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("archive/data/0", b"\0" * 50_000_000)


ONE = torch.ones(1)
WRONG = {
    "empty": (lambda p: p.write_bytes(b""), "is empty"),
    "png": (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0"), r"is a picture \(PNG\)"),
    "tiff": (lambda p: p.write_bytes(b"II*\0\x08\0\0\0"), r"is a picture \(TIFF\)"),
    "html": (lambda p: p.write_text("\n <!DOCTYPE html><p>404"), "is a web page"),
    "lfs": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\n"), "LFS pointer"),
    "text": (lambda p: p.write_text("just words"), "is a text file"),
    "noise": (lambda p: p.write_bytes(b"\x05\x07\xff" * 500), "of a kind that is not known"),
    "zip": (_zip_of_text, "is a ZIP archive without weights"),
    "bomb": (_bomb, "is packed as no checkpoint is"),
    "folder": (lambda p: p.mkdir(), "is a folder"),
    "absent": (lambda p: None, "cannot be read: No such file"),
    "sam2": (
        lambda p: save(p, {"model": {"image_encoder.trunk.pos_embed": ONE}}),
        "seems to be a SAM 2 checkpoint",
    ),
    "unetr": (
        lambda p: save(p, {"out_conv.weight": ONE, "decoder.samplers.0.conv.weight": ONE}),
        "seems to be a UNETR decoder of micro-sam",
    ),
    "lightning": (
        lambda p: save(p, {"state_dict": {"net.0.weight": ONE}, "pytorch-lightning_version": "2"}),
        "seems to be a PyTorch Lightning training checkpoint",
    ),
    "hq": (
        lambda p: save(p, {"mask_decoder.hf_token.weight": ONE, "image_encoder.pos_embed": ONE}),
        "seems to be a SAM-HQ checkpoint",
    ),
    "lora": (
        lambda p: save(p, {"image_encoder.blocks.0.attn.qkv.w_a_linear_q.weight": ONE}),
        r"seems to be an adapter \(LoRA\)",
    ),
    "encoder": (
        lambda p: save(p, {"patch_embed.seq.0.c.weight": ONE}),
        "seems to be an image encoder alone",
    ),
    "other": (lambda p: save(p, {"fc.weight": ONE}), "a model that is not a SAM known here"),
    "tensor": (lambda p: save(p, ONE), "a model that is not a SAM known here"),
    "resized": (
        lambda p: save(
            p,
            {
                "image_encoder.patch_embed.proj.weight": torch.zeros(768, 3, 16, 16),
                "image_encoder.pos_embed": torch.zeros(1, 32, 32, 768),
            },
        ),
        "trained for views of 512 px",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_says_what_it_is(tmp_path, case):
    make, said = WRONG[case]
    path = tmp_path / "model.pth"
    make(path)
    with pytest.raises(SamStarError, match=said) as caught:
        open_checkpoint(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(".")


class Trap:
    """Opening a pickle of this would make a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_checkpoint_is_refused_and_never_run(tmp_path, legacy):
    trap = tmp_path / "sprung"
    content = {"pytorch-lightning_version": "2.4", "state_dict": {"a": ONE}, "x": Trap(trap)}
    path = save(tmp_path / "model.pth", content, legacy)
    with pytest.raises(SamStarError, match="was refused, because opening it would run") as caught:
        open_checkpoint(path)
    assert "seems to be a PyTorch Lightning training checkpoint" in str(caught.value)
    bare = tmp_path / "bare.pth"
    bare.write_bytes(pickle.dumps({"x": Trap(trap)}))
    with pytest.raises(SamStarError):
        open_checkpoint(bare)
    assert not trap.exists()


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_a_truncated_file_says_so(tmp_path, tiny, kind):
    path = tmp_path / "model.pth"
    state = {name: value.contiguous() for name, value in tiny.items()}
    save_file(state, path) if kind == "safetensors" else save(path, state, kind == "legacy")
    whole = path.read_bytes()
    for share in (0.001, 0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(SamStarError, match="is truncated"):
            open_checkpoint(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(SamStarError, match="is truncated"):
        open_checkpoint(path)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_any_damage_ends_in_a_sentence_or_a_model(tmp_path, kind):
    path = tmp_path / "model.pth"
    state = {f"image_encoder.{i}": torch.full((4,), float(i)) for i in range(20)}
    save_file(state, path) if kind == "safetensors" else save(path, state, kind == "legacy")
    whole = path.read_bytes()
    draw = random.Random(1)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(draw.choice((1, 4, 40))):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        with pytest.raises(SamStarError):
            open_checkpoint(path)


def test_weights_that_do_not_fit_are_told(tmp_path, mobile):
    missing = {k: v for k, v in mobile.items() if not k.startswith("mask_decoder.iou_pred")}
    with pytest.raises(SamStarError, match=r"looks like vit_t.*Missing key.*iou_prediction_head"):
        build_sam(open_checkpoint(save(tmp_path / "a.pt", missing)))
    with pytest.raises(SamStarError, match="seems to be a SAM-HQ checkpoint"):
        build_sam(open_checkpoint(save(tmp_path / "b.pt", mobile | {"mask_decoder.hf_token": ONE})))
