"""Which texture encoders serve, and whether they have what they need."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_samstar.io.preprocess import to_rgb
from napari_samstar.settings import PreprocessSettings, TextureSettings
from napari_samstar.types import Micrograph, Progress, SamStarError

if TYPE_CHECKING:
    from napari_samstar.booster.texture import TextureEncoder
    from napari_samstar.cache import Store

__all__ = ["check_encoders", "encoders_steps"]


def check_encoders(settings: TextureSettings, sam: Any) -> None:
    """See that the texture encoders have what they need, before anything long begins.

    Parameters
    ----------
    settings : TextureSettings
        Which encoders.
    sam : Sam or None
        The network that serves.

    Raises
    ------
    SamStarError
        If "sam" is asked for without a network, or "fenet" without a checkpoint that is there.
    """
    if "sam" in settings.encoders and sam is None:
        raise SamStarError(
            "The texture encoder 'sam' needs a SAM model, and none is chosen: choose one, or leave "
            "'sam' out of boost.texture.encoders."
        )
    if "fenet" in settings.encoders:
        if settings.fenet is None:
            raise SamStarError(
                "The texture encoder 'fenet' has no weights of its own: give a checkpoint file as "
                "boost.texture.fenet, or leave 'fenet' out of boost.texture.encoders."
            )
        if not Path(settings.fenet).is_file():
            raise SamStarError(
                f"There is no file {settings.fenet}: give the checkpoint of the texture encoder "
                "'fenet' as boost.texture.fenet."
            )


def encoders_steps(
    settings: TextureSettings,
    micrograph: Micrograph,
    view: PreprocessSettings,
    sam: Any = None,
    store: Store | None = None,
) -> Generator[Progress, None, list[TextureEncoder]]:
    """Make the texture encoders that the settings name, for one image.

    Parameters
    ----------
    settings : TextureSettings
        Which encoders.
    micrograph : Micrograph
        The image; the encoder "sam" takes what the network makes of it.
    view : PreprocessSettings
        What the network sees.
    sam : Sam, optional
        The network.
    store : Store, optional
        Where its embedding lies, if the image was proposed from before.

    Raises
    ------
    SamStarError
        If an encoder lacks what it needs; `check_encoders` tells sooner.
    """
    from napari_samstar.booster.texture import texture_encoders

    check_encoders(settings, sam)
    embedding = None
    if "sam" in settings.encoders:
        yield Progress("encoding", 0, 1, "looking at the image")
        from napari_samstar.sam.base import model_hash
        from napari_samstar.sam.embed import embed

        height, width = micrograph.shape
        frame = (0, 0, width, height)
        rgb = to_rgb(micrograph, view)
        embedding = embed(sam, rgb, frame, model_hash=model_hash(sam), store=store)
    return texture_encoders(settings, embedding)
