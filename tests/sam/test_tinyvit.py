"""TinyViT against numbers of MobileSAM's own implementation."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_samstar.sam.tinyvit import build_sam_vit_t, offset_index

from . import mobile_weights

VECTOR = Path(__file__).parent / "data" / "mobile_sam_vector.npz"


@pytest.fixture(scope="module")
def theirs() -> dict[str, np.ndarray]:
    with np.load(VECTOR) as file:
        return dict(file)


@pytest.fixture(scope="module")
def sam():
    return build_sam_vit_t()


def test_keys_shapes_and_types_are_those_of_mobile_sam(sam, theirs):
    ours = {
        f"{name} {'x'.join(map(str, value.shape)) or 'scalar'} "
        f"{str(value.dtype).removeprefix('torch.')}"
        for name, value in sam.state_dict().items()
    }
    assert ours == set(theirs["keys"].tolist())
    assert len(ours) == 439


@torch.no_grad()
def test_embedding_and_masks_equal_mobile_sams(sam, theirs):
    sam.load_state_dict(mobile_weights.weights(sam.state_dict()), strict=True)
    embedding = sam.image_encoder(mobile_weights.image())
    assert embedding.shape == (1, 256, 64, 64)
    found = embedding.flatten().numpy()[theirs["index"]]
    assert np.abs(found - theirs["embedding"]).max() < 1e-5

    click = torch.tensor([[mobile_weights.CLICK]])
    sparse, dense = sam.prompt_encoder((click, torch.ones(1, 1)), None, None)
    logits, iou = sam.mask_decoder(
        image_embeddings=embedding,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
    )
    found = logits.flatten().numpy()[theirs["logits_index"]]
    assert np.abs(found - theirs["logits"]).max() < 2e-5  # logits reach 6.6
    assert np.abs(iou.numpy() - theirs["iou"]).max() < 1e-5


@pytest.mark.parametrize("side", [1, 2, 7])
def test_biases_are_numbered_as_the_checkpoints_number_them(side):
    # the definition: a new number for each distance that was not met before, pixel by pixel
    pixels = list(itertools.product(range(side), range(side)))
    met: dict[tuple[int, int], int] = {}
    expected = [
        met.setdefault((abs(a[0] - b[0]), abs(a[1] - b[1])), len(met))
        for a in pixels
        for b in pixels
    ]
    assert offset_index(side).flatten().tolist() == expected
