"""The bundled model's network in the hands of Meta's own code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything.modeling import Sam

from napari_samstar.sam.samstar_tiny import build_samstar_tiny
from napari_samstar.sam.tiny_encoder import LEVELS, pack_maps, unpack_maps
from napari_samstar.sam.zoo import load_model


@pytest.fixture(scope="module")
def sam() -> Sam:
    torch.manual_seed(0)
    return build_samstar_tiny()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def predictor(sam: Sam, image: np.ndarray) -> SamPredictor:
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    return predictor


def test_it_is_metas_sam(sam: Sam):
    assert type(sam).preprocess is Sam.preprocess
    assert type(sam).postprocess_masks is Sam.postprocess_masks
    assert sam.mask_threshold == 0.0
    assert sam.image_format == "RGB"
    assert sam.image_encoder.img_size == 1024


@pytest.mark.parametrize(("multimask", "count"), [(True, 3), (False, 1)])
def test_predictor_takes_every_kind_of_prompt(predictor, multimask, count):
    point = {"point_coords": np.array([[40.0, 30.0]]), "point_labels": np.array([1])}
    two = {"point_coords": np.array([[40.0, 30.0], [5.0, 5.0]]), "point_labels": np.array([1, 0])}
    box = {"box": np.array([20, 10, 60, 50])}
    _, _, low = predictor.predict(**point, multimask_output=False)
    for prompts in (
        point,
        two,
        box,
        {**two, **box},
        {"mask_input": low},
        {**two, "mask_input": low},
    ):
        masks, iou, logits = predictor.predict(**prompts, multimask_output=multimask)
        assert masks.shape == (count, 60, 90)
        assert masks.dtype == bool
        assert iou.shape == (count,)
        assert ((iou >= 0) & (iou <= 1)).all()
        assert logits.shape == (count, 256, 256)
        assert np.isfinite(logits).all()


def test_untrained_it_draws_about_the_ellipse_of_the_box(predictor):
    masks, _, _ = predictor.predict(box=np.array([20, 10, 59, 29]), multimask_output=False)
    y, x = np.mgrid[:60, :90]
    ellipse = ((x - 39.5) / 20) ** 2 + ((y - 19.5) / 10) ** 2 < 1
    assert _iou(masks[0], ellipse) > 0.75


def test_a_prompt_does_not_feel_the_others_of_its_batch(sam, predictor):
    points = torch.rand(9, 1, 2, generator=torch.Generator().manual_seed(1)) * 680
    labels = torch.ones(9, 1)
    with torch.no_grad():
        together = predictor.predict_torch(points, labels, return_logits=True)
        for i in (0, 8):
            alone = predictor.predict_torch(points[i : i + 1], labels[:1], return_logits=True)
            torch.testing.assert_close(alone[2][0], together[2][i], atol=2e-3, rtol=1e-4)
            torch.testing.assert_close(alone[1][0], together[1][i], atol=1e-5, rtol=1e-5)


def test_generator_and_forward_run(sam, image):
    generator = SamAutomaticMaskGenerator(
        sam, points_per_side=3, pred_iou_thresh=0.0, stability_score_thresh=0.0
    )
    records = generator.generate(image)
    assert records
    assert records[0]["segmentation"].shape == (60, 90)
    out = sam(
        [{"image": torch.rand(3, 683, 1024), "original_size": (60, 90), "boxes": torch.ones(2, 4)}],
        multimask_output=True,
    )
    assert out[0]["masks"].shape == (2, 3, 60, 90)


def test_packed_maps_come_back():
    generator = torch.Generator().manual_seed(0)
    maps = tuple(torch.rand(2, c, 256 // s, 256 // s, generator=generator) for s, c in LEVELS)
    for before, after in zip(maps, unpack_maps(pack_maps(maps)), strict=True):
        assert torch.equal(before, after)


def test_weights_go_in_as_half_precision_and_wrong_ones_are_refused(sam):
    half = {k: v.half() if v.ndim >= 2 else v for k, v in sam.state_dict().items()}
    again = build_samstar_tiny(half)
    weight = "mask_decoder.roi_input.weight"
    assert again.state_dict()[weight].dtype == torch.float32
    torch.testing.assert_close(
        again.state_dict()[weight], sam.state_dict()[weight], atol=1e-3, rtol=1e-3
    )
    with pytest.raises(RuntimeError):
        build_samstar_tiny({"neck.weight": torch.zeros(1)})


def test_bundled_weights_tell_one_of_many_equal_particles():
    y, x = np.mgrid[:256, :256]
    image = np.full((256, 256), 180.0)
    centers = [(cx, cy) for cx in range(32, 256, 64) for cy in range(32, 256, 64)]
    for cx, cy in centers:
        image[(x - cx) ** 2 + (y - cy) ** 2 < 18**2] = 70
    image += np.random.default_rng(0).normal(0, 8, image.shape)
    rgb = np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    predictor = SamPredictor(load_model("samstar-tiny", device="cpu"))
    predictor.set_image(rgb)
    clicked, boxed = [], []
    for cx, cy in centers[5:9]:
        disc = (x - cx) ** 2 + (y - cy) ** 2 < 18**2
        masks, iou, _ = predictor.predict(np.array([[cx + 5, cy - 4]]), np.array([1]))
        clicked.append(_iou(masks[iou.argmax()], disc))
        box = np.array([cx - 18, cy - 18, cx + 18, cy + 18])
        masks, _, _ = predictor.predict(box=box, multimask_output=False)
        boxed.append(_iou(masks[0], disc))
    assert np.mean(clicked) > 0.75
    assert np.mean(boxed) > 0.85


def _iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())
