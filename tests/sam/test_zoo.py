from __future__ import annotations

import dataclasses
import json
import re
import types

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor

import napari_samstar
from napari_samstar.cache import models_folder
from napari_samstar.sam import cards, checkpoints
from napari_samstar.sam import listing as listing_module
from napari_samstar.sam.base import LoadedModel, SamLike, model_hash
from napari_samstar.sam.cards import BUNDLED, MODELS, find_card
from napari_samstar.sam.checkpoints import import_checkpoint, imported_models, verify
from napari_samstar.sam.download import OFFLINE_FOLDER, file_digest
from napari_samstar.sam.samstar_tiny import build_samstar_tiny
from napari_samstar.sam.tinyvit import build_sam_vit_t
from napari_samstar.sam.zoo import listing, load_model
from napari_samstar.types import SamStarError

from .model_server import serve


@pytest.fixture(autouse=True)
def _no_offline_folder(monkeypatch):
    monkeypatch.delenv(OFFLINE_FOLDER, raising=False)


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("own") / "My film.pth"
    torch.save({"model_state": build_samstar_tiny().state_dict()}, path)
    return path


def test_every_card_is_complete():
    assert set(MODELS) >= {"vit_b", "vit_l", "vit_h", "mobile_sam", "vit_b_lm", BUNDLED}
    for card in MODELS.values():
        assert card.good_for.endswith(".")
        assert card.licence in {"Apache-2.0", "CC-BY-4.0", "BSD-3-Clause"}
        if card.url:
            assert card.url.startswith("https://")
            assert re.fullmatch(r"sha256:[0-9a-f]{64}|xxh128:[0-9a-f]{32}", card.checksum)
            assert card.file_name.endswith((".pth", ".pt"))
        if card.architecture != "sam2" and card.url:
            assert card.xxh128
    assert len({card.file_name for card in MODELS.values()}) == len(MODELS)


@pytest.mark.parametrize("name", ["vit_b", "ViT-B", "sam_vit_b", "SAM ViT-B", "vitb"])
def test_a_name_may_be_written_as_people_write_it(name):
    assert find_card(name) is MODELS["vit_b"]
    assert find_card("MobileSAM") is find_card("vit_t") is MODELS["mobile_sam"]
    assert find_card("samstar_tiny") is MODELS[BUNDLED]


def test_an_unknown_name_gets_the_nearest_or_all():
    with pytest.raises(SamStarError, match=r"no model 'vit_b_ml': did you mean vit_b_lm\?"):
        load_model("vit_b_ml", "cpu")
    with pytest.raises(SamStarError, match="choose samstar-tiny, mobile_sam"):
        load_model("resnet", "cpu")
    with pytest.raises(SamStarError, match=r"no model file .*nothing\.pth"):
        load_model("nothing.pth", "cpu")
    with pytest.raises(SamStarError, match="not run by this version"):
        load_model("sam2.1_hiera_small", "cpu")


def test_a_loaded_mobile_sam_runs_in_metas_predictor(tmp_path, rng):
    path = tmp_path / "own mobile.pt"
    torch.save(build_sam_vit_t().state_dict(), path)
    sam = load_model(path, "cpu")
    assert isinstance(sam, SamLike)
    assert sam.samstar == LoadedModel("own mobile", file_digest(path), "unknown", "vit_t")
    assert model_hash(sam) == sam.samstar.hash
    assert not sam.training
    assert not any(p.requires_grad for p in sam.parameters())
    predictor = SamPredictor(sam)
    predictor.set_image(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    masks, scores, _ = predictor.predict(np.array([[40.0, 30.0]]), np.array([1]))
    assert masks.shape == (3, 60, 80)
    assert np.isfinite(scores).all()


def test_an_unrecorded_model_is_identified_by_its_weights():
    one, same, other = (torch.nn.Linear(2, 2) for _ in range(3))
    same.load_state_dict(one.state_dict())
    assert model_hash(one) == model_hash(same) != model_hash(other)
    assert model_hash(one) != model_hash(one.half())
    assert model_hash(one).startswith("xxh128-state:")


def test_an_imported_checkpoint_is_loaded_listed_and_verified_by_name(tiny_file):
    path = import_checkpoint(tiny_file, "film")
    assert path == models_folder() / "film.pth"
    assert path.read_bytes() == tiny_file.read_bytes()
    recorded = json.loads((models_folder() / "film.json").read_text())
    assert recorded["architecture"] == "samstar-tiny"
    assert recorded["checksum"] == file_digest(tiny_file)
    row = listing()[-1]
    assert (row.name, row.state, row.size) == ("film", "imported", tiny_file.stat().st_size)
    sam = load_model("film", "cpu")
    assert sam.samstar == LoadedModel("film", file_digest(path), "unknown", "samstar-tiny")
    assert verify("film").ok

    assert import_checkpoint(tiny_file, "film") == path  # again: nothing to do
    path.write_bytes(path.read_bytes()[:-1])
    assert not verify("film").ok
    assert "has changed" in verify("film").message
    with pytest.raises(SamStarError, match="import it again"):
        load_model("film", "cpu")
    import_checkpoint(tiny_file, "film")
    assert verify("film").ok
    path.unlink()
    assert "is gone" in verify("film").message


def test_names_of_imports_are_checked(tiny_file, tmp_path):
    for wrong in ("../film", "", "a/b", ".hidden", "x" * 65):
        with pytest.raises(SamStarError, match="cannot be a model's name"):
            import_checkpoint(tiny_file, wrong)
    with pytest.raises(SamStarError, match="vit_b is the name of a published model"):
        import_checkpoint(tiny_file, "ViT-B")
    import_checkpoint(tiny_file, "film")
    other = tmp_path / "other.pth"
    torch.save(build_samstar_tiny().state_dict(), other)
    with pytest.raises(SamStarError, match=r"'film' already, from another file \(My film.pth\)"):
        import_checkpoint(other, "film")
    with pytest.raises(SamStarError, match="is a text file"):
        import_checkpoint(__file__, "test")
    assert import_checkpoint(tiny_file).name == "My-film.pth"
    assert [model.name for model in imported_models()] == ["My-film", "film"]


def test_a_record_that_points_elsewhere_is_not_a_model(tiny_file):
    import_checkpoint(tiny_file, "film")
    record = models_folder() / "film.json"
    for content in ('{"name": "film"}', "[]", "not json"):
        record.write_text(content)
        assert imported_models() == ()
    record.write_text(
        json.dumps(
            dict.fromkeys(("name", "architecture", "checksum"), "film")
            | {"file": "../../film.pth", "size": 1, "imported_from": "x"}
        )
    )
    assert imported_models() == ()


@pytest.fixture
def published(tiny_file, monkeypatch):
    """A zoo with one more model, published on a server of this computer."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    content = tiny_file.read_bytes()
    with serve(content) as server:
        card = cards.ModelCard(
            name="film_zoo",
            architecture="samstar-tiny",
            url=server.url,
            licence="CC0-1.0",
            good_for="Tests.",
            xxh128=file_digest(tiny_file).removeprefix("xxh128:"),
            size=len(content),
        )
        use_cards(monkeypatch, card)
        yield types.SimpleNamespace(card=card, server=server)


def use_cards(monkeypatch, card):
    with_card = types.MappingProxyType({**MODELS, card.name: card})
    for module in (cards, checkpoints, listing_module):
        monkeypatch.setattr(module, "MODELS", with_card)


def test_a_published_model_is_downloaded_when_it_is_first_loaded(published):
    assert "not on this computer" in verify("film_zoo").message
    seen = []
    sam = load_model("film-zoo", "cpu", seen.append)
    assert seen[-1].done == published.card.size
    assert sam.samstar.name == "film_zoo"
    assert sam.samstar.licence == "CC0-1.0"
    assert model_hash(sam) == f"xxh128:{published.card.xxh128}"
    load_model("film_zoo", "cpu")
    assert len(published.server.asked) == 1
    assert verify("film_zoo").ok
    row = next(row for row in listing() if row.name == "film_zoo")
    assert (row.state, row.path) == ("downloaded", models_folder() / "film_zoo.pth")
    row.path.write_bytes(b"damaged")
    assert "not the published one" in verify("film_zoo").message


def test_the_published_file_takes_its_place_when_it_is_imported(published, tiny_file):
    path = import_checkpoint(tiny_file)  # no name needed: known by its checksum
    assert path == models_folder() / "film_zoo.pth"
    assert imported_models() == ()
    assert load_model("film_zoo", "cpu").samstar.name == "film_zoo"
    assert load_model(str(tiny_file), "cpu").samstar.licence == "CC0-1.0"
    assert published.server.asked == []


def test_a_file_is_verified_by_its_path(published, tiny_file, tmp_path):
    assert verify(tiny_file).message.endswith("is the published film_zoo.")
    own = tmp_path / "own.pth"
    torch.save(build_samstar_tiny().state_dict(), own)
    assert "is a complete samstar-tiny of your own: xxh128:" in verify(str(own)).message
    own.write_bytes(own.read_bytes()[:-9])
    assert (verify(own).ok, "truncated" in verify(own).message) == (False, True)
    with pytest.raises(SamStarError, match="no model file"):
        verify("absent.pth")


def test_a_card_that_promises_another_architecture_is_refused(published, monkeypatch):
    use_cards(monkeypatch, dataclasses.replace(published.card, architecture="vit_b"))
    with pytest.raises(SamStarError, match="should be vit_b but is samstar-tiny"):
        load_model("film_zoo", "cpu")


def test_the_bundled_model_is_the_default_and_needs_no_network():
    row = listing()[0]
    assert row.name == BUNDLED
    if row.path is None:
        pytest.skip("the bundled weights are not in this checkout")
    sam = napari_samstar.load_model(device="cpu")
    assert sam.samstar.name == BUNDLED
    assert verify(BUNDLED).ok
