"""The models that can be had: where they are, how to know them, what they are good for."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from napari_samstar.types import SamStarError

__all__ = ["BUNDLED", "MODELS", "ModelCard", "find_card"]

#: Name of the model that comes with the package.
BUNDLED = "samstar-tiny"

_META = "https://dl.fbaipublicfiles.com/segment_anything"
_META_2 = "https://dl.fbaipublicfiles.com/segment_anything_2/092824"
_ZOO = "https://uk1s3.embassy.ebi.ac.uk/public-datasets/bioimage.io"


@dataclass(frozen=True)
class ModelCard:
    """One model.

    Parameters
    ----------
    name : str
        What users call it; micro-sam's names where it has one.
    architecture : str
        "vit_b", "vit_l", "vit_h", "vit_t", "samstar-tiny" or "sam2".
    url : str
        Where the weights are; empty for the bundled model.
    licence : str
        SPDX name of the weights' licence.
    good_for : str
        One sentence for a microscopist.
    sha256, xxh128 : str or None
        Digests of the file, hexadecimal; at least one where there is a `url`.
    size : int or None
        Bytes, where it is known.
    decoder_url, decoder_xxh128 : str or None
        micro-sam's additional UNETR decoder, which this package does not use.
    runnable : bool
        Whether this package can run it.
    """

    name: str
    architecture: str
    url: str
    licence: str
    good_for: str
    sha256: str | None = None
    xxh128: str | None = None
    size: int | None = None
    decoder_url: str | None = None
    decoder_xxh128: str | None = None
    runnable: bool = True

    @property
    def file_name(self) -> str:
        """Name under which the weights are kept."""
        if not self.url:
            return f"{self.name}.safetensors"
        return self.name + PurePosixPath(self.url).suffix

    @property
    def checksum(self) -> str:
        """What a download is checked against, as pooch writes it: "sha256:..." or "xxh128:..."."""
        return f"sha256:{self.sha256}" if self.sha256 else f"xxh128:{self.xxh128}"

    @property
    def quick_checksum(self) -> str:
        """What a file that was checked once is checked against: the faster digest there is."""
        return f"xxh128:{self.xxh128}" if self.xxh128 else self.checksum

    @property
    def bundled_path(self) -> Path | None:
        """Where the weights are in the package, for the bundled model."""
        if self.url:
            return None
        return Path(__file__).parent.parent / "weights" / self.file_name


def _generalist(name: str, folder: str, encoder: str, decoder: str, good_for: str) -> ModelCard:
    # micro-sam's models of the BioImage.IO zoo: name is "vit_X_domain", the file "vit_X.pt"
    architecture = name[:5]
    return ModelCard(
        name=name,
        architecture=architecture,
        url=f"{_ZOO}/{folder}/files/{architecture}.pt",
        licence="CC-BY-4.0",
        good_for=good_for,
        xxh128=encoder,
        decoder_url=f"{_ZOO}/{folder}/files/{architecture}_decoder.pt",
        decoder_xxh128=decoder,
    )


_CELLS = "Cells and nuclei in light microscopy"
_ORGANELLES = "Mitochondria and nuclei in electron microscopy of cells; not trained on materials"

_CARDS = (
    ModelCard(
        name=BUNDLED,
        architecture="samstar-tiny",
        url="",
        licence="BSD-3-Clause",
        good_for="Comes with the program: particles and grains on any computer, with no download.",
    ),
    ModelCard(
        name="mobile_sam",
        architecture="vit_t",
        url="https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
        licence="Apache-2.0",
        good_for="Any image where there is no GPU: the quickest of the general models.",
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        xxh128="8eadbc88aeb9d8c7e0b4b60c3db48bd0",
        size=40_728_226,
    ),
    ModelCard(
        name="vit_b",
        architecture="vit_b",
        url=f"{_META}/sam_vit_b_01ec64.pth",
        licence="Apache-2.0",
        good_for="Any image on a small GPU; a quarter of a minute per view on a CPU.",
        sha256="ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        xxh128="6923c33df3637b6a922d7682bfc9a86b",
        size=375_042_383,
    ),
    ModelCard(
        name="vit_l",
        architecture="vit_l",
        url=f"{_META}/sam_vit_l_0b3195.pth",
        licence="Apache-2.0",
        good_for="Any image, finer outlines than ViT-B; wants a GPU.",
        sha256="3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        xxh128="a82beb3c660661e3dd38d999cc860e9a",
        size=1_249_524_607,
    ),
    ModelCard(
        name="vit_h",
        architecture="vit_h",
        url=f"{_META}/sam_vit_h_4b8939.pth",
        licence="Apache-2.0",
        good_for="Any image, the finest of the official models; wants a GPU with 8 GB.",
        sha256="a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        xxh128="97698fac30bd929c2e6d8d8cc15933c2",
        size=2_564_550_879,
    ),
    _generalist(
        "vit_t_lm",
        "faithful-chicken/1.1",
        "72ec5074774761a6e5c05a08942f981e",
        "3e914a5f397b0312cdd36813031f8823",
        f"{_CELLS}, quick.",
    ),
    _generalist(
        "vit_b_lm",
        "diplomatic-bug/1.2",
        "fe9252a29f3f4ea53c15a06de471e186",
        "708b15ac620e235f90bb38612c4929ba",
        f"{_CELLS}.",
    ),
    _generalist(
        "vit_l_lm",
        "idealistic-rat/1.2",
        "017f20677997d628426dec80a8018f9d",
        "2faeafa03819dfe03e7c46a44aaac64a",
        f"{_CELLS}, the finest of the three; wants a GPU.",
    ),
    _generalist(
        "vit_t_em_organelles",
        "greedy-whale/1",
        "253474720c497cce605e57c9b1d18fd9",
        "8f897c7bb93174a4d1638827c4dd6f44",
        f"{_ORGANELLES}, quick.",
    ),
    _generalist(
        "vit_b_em_organelles",
        "noisy-ox/1.2",
        "f3bf2ed83d691456bae2c3f9a05fb438",
        "bb6398956a6b0132c26b631c14f95ce2",
        f"{_ORGANELLES}.",
    ),
    _generalist(
        "vit_l_em_organelles",
        "humorous-crab/1.2",
        "810b084b6e51acdbf760a993d8619f2d",
        "334877640bfdaaabce533e3252a17294",
        f"{_ORGANELLES}, the finest of the three; wants a GPU.",
    ),
    # Listed so that their names and files get a clear answer. Their encoder gives features at
    # three resolutions to a decoder with other calls than SAM's, which `segment_anything` lacks.
    *(
        ModelCard(
            name=f"sam2.1_hiera_{size}",
            architecture="sam2",
            url=f"{_META_2}/sam2.1_hiera_{size}.pt",
            licence="Apache-2.0",
            good_for="Not run by this version: SAM 2 is another architecture.",
            sha256=sha256,
            size=n_bytes,
            runnable=False,
        )
        for size, sha256, n_bytes in (
            (
                "tiny",
                "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
                156_008_466,
            ),
            (
                "small",
                "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
                184_416_285,
            ),
        )
    ),
)

#: All models by name, the bundled one first. Digests were published by micro-sam (its
#: ``util.models()``), Meta and MobileSAM's users.
MODELS = MappingProxyType({card.name: card for card in _CARDS})


def _plain(name: str) -> str:
    # "ViT-B", "vit_b", "SAM ViT B" and "sam_vit_b" are all the same to a user
    plain = re.sub(r"[^a-z0-9.]", "", name.lower())
    return plain.removeprefix("sam") if plain.startswith("samvit") else plain


def find_card(name: str) -> ModelCard:
    """Card of the model `name`; case, spaces, hyphens and underscores do not matter.

    Raises
    ------
    SamStarError
        If there is no such model; the sentence names the nearest.
    """
    by_plain = {_plain(card.name): card for card in MODELS.values()}
    by_plain["vitt"] = MODELS["mobile_sam"]  # micro-sam's name of it
    card = by_plain.get(_plain(name))
    if card is not None:
        return card
    near = difflib.get_close_matches(name.lower(), MODELS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose {', '.join(MODELS)}."
    raise SamStarError(f"There is no model '{name}': {hint}")
