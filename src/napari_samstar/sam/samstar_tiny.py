"""`samstar-tiny`, the bundled model, in the shape of `segment_anything`'s `Sam`.

Meta's `SamPredictor` and `SamAutomaticMaskGenerator` run it unchanged: `preprocess` and
`postprocess_masks` are Meta's own functions, and the three parts keep Meta's calls. The prompt
encoder passes coordinates on, since the decoder looks at the image where the prompts are.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn

from napari_samstar.sam.tiny_decoder import TinyDecoder
from napari_samstar.sam.tiny_encoder import TinyEncoder, unpack_maps

__all__ = ["TinyMaskDecoder", "TinyPromptEncoder", "build_samstar_tiny"]

_IMG_SIZE = 1024
_MEAN = [123.675, 116.28, 103.53]
_STD = [58.395, 57.12, 57.375]


class TinyPromptEncoder(nn.Module):
    """Prompts as coordinates: nothing is learned here.

    Parameters
    ----------
    img_size : int
        Side of the model's input, px.
    """

    place: Tensor

    def __init__(self, img_size: int = _IMG_SIZE) -> None:
        super().__init__()
        self.embed_dim = 3
        self.input_image_size = (img_size, img_size)
        self.image_embedding_size = (img_size // 16, img_size // 16)
        self.mask_input_size = (img_size // 4, img_size // 4)
        self.register_buffer("place", torch.zeros(1, 1, 1, 1), persistent=False)

    def get_dense_pe(self) -> Tensor:
        """Return an empty stand-in: the decoder knows positions by itself."""
        return self.place

    def forward(
        self,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        masks: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Collect the prompts.

        Parameters
        ----------
        points : tuple of tensor or None
            (P, N, 2) x, y, px of the input, and (P, N) labels: 1 object, 0 background, -1 none.
        boxes : (P, 4) tensor or None
            x0, y0, x1, y1, px of the input.
        masks : (P, 1, 256, 256) tensor or None
            Logits of an earlier mask.

        Returns
        -------
        tuple of tensor
            (P, N, 3) x, y, label, with labels 2 and 3 for the corners of a box; and the logits,
            (P, 0, 256, 256) where there are none.
        """
        count = next((len(p) for p in (points and points[0], boxes, masks) if p is not None), 1)
        sparse = [self.place.new_zeros(count, 0, 3)]
        if points is not None:
            xy, labels = points
            sparse.append(torch.cat([xy + 0.5, labels.unsqueeze(-1).to(xy.dtype)], dim=-1))
        if boxes is not None:
            corners = boxes.reshape(-1, 2, 2) + 0.5
            labels = corners.new_tensor([2.0, 3.0]).expand(len(corners), 2)
            sparse.append(torch.cat([corners, labels.unsqueeze(-1)], dim=-1))
        dense = self.place.new_zeros(count, 0, *self.mask_input_size) if masks is None else masks
        return torch.cat([s.to(self.place.dtype) for s in sparse], dim=1), dense


class TinyMaskDecoder(TinyDecoder):
    """`TinyDecoder` with the call of `segment_anything`'s `MaskDecoder`."""

    num_multimask_outputs = 3

    def forward(  # type: ignore[override]
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        multimask_output: bool,
    ) -> tuple[Tensor, Tensor]:
        """Draw masks in one image.

        Parameters
        ----------
        image_embeddings : (1, C, 64, 64) tensor
            What the image encoder gave.
        image_pe : tensor
            Not used.
        sparse_prompt_embeddings, dense_prompt_embeddings : tensor
            What the prompt encoder gave.
        multimask_output : bool
            Three masks for an ambiguous prompt, or the one for a clear prompt.

        Returns
        -------
        tuple of tensor
            Logits (P, 3 or 1, 256, 256) and predicted IoU (P, 3 or 1).
        """
        points = sparse_prompt_embeddings
        drawn = (
            dense_prompt_embeddings.transpose(0, 1) if dense_prompt_embeddings.shape[1] else None
        )
        boxes = None
        if points.shape[1] >= 2 and bool(points[0, -1, 2] == 3):
            boxes = points[:, -2:, :2].flatten(1).unsqueeze(0)
            points = points[:, :-2]
        elif drawn is not None and points.shape[1] == 0:
            boxes = _bounds(drawn[0]).unsqueeze(0)
        first, last = (1, 4) if multimask_output else (0, 1)
        logits, iou, _ = super().forward(
            unpack_maps(image_embeddings), points.unsqueeze(0), boxes, drawn, first, last
        )
        return logits[0], iou[0]


def _bounds(drawn: Tensor) -> Tensor:
    """(P, 4) box around (P, h, w) masks, px of the input; all of it where a mask is empty."""
    height, width = drawn.shape[-2:]
    sides = []
    for dim, length in ((1, width), (2, height)):
        line = (drawn > 0).any(dim=dim)
        line = line | ~line.any(dim=-1, keepdim=True)
        index = torch.arange(length, device=drawn.device)
        low = torch.where(line, index, length).amin(dim=-1)
        high = torch.where(line, index, -1).amax(dim=-1) + 1
        sides.append((low, high))
    (x0, x1), (y0, y1) = sides
    return 4.0 * torch.stack([x0, y0, x1, y1], dim=-1).to(drawn.dtype)


def build_samstar_tiny(state: Mapping[str, Tensor] | None = None) -> Sam:
    """Build the bundled model.

    Parameters
    ----------
    state : mapping of str to tensor, optional
        Weights, in any floating type; random ones if not given.

    Returns
    -------
    segment_anything.modeling.Sam
        In evaluation mode, float32, on the CPU.

    Raises
    ------
    RuntimeError
        If the weights are not those of this network (from `load_state_dict`).
    """
    sam = Sam(
        image_encoder=TinyEncoder(_IMG_SIZE),
        prompt_encoder=TinyPromptEncoder(_IMG_SIZE),
        mask_decoder=TinyMaskDecoder(),
        pixel_mean=_MEAN,
        pixel_std=_STD,
    )
    if state is not None:
        sam.load_state_dict({name: value.float() for name, value in state.items()})
    # convolutions of a CPU are faster so, by about a fifth
    sam.image_encoder.to(memory_format=torch.channels_last)
    return sam.eval()
