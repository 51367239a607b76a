"""The network in training: what it answers, what that costs, how good it is."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from scipy.stats import spearmanr
from segment_anything.modeling import Sam
from torch import Tensor, nn

from napari_samstar.adapt.tiny_data import Batch, make_batch
from napari_samstar.adapt.tiny_losses import dense_loss, prompt_loss, true_iou
from napari_samstar.sam.samstar_tiny import build_samstar_tiny
from napari_samstar.sam.tiny_decoder import Decoded, TinyDecoder
from napari_samstar.sam.tiny_encoder import LEVELS, Maps
from napari_samstar.settings import TrainTinySettings
from napari_samstar.types import SamStarError

__all__ = ["MEASURED", "Trainee", "held_out", "measured", "step_loss"]

#: What `measured` returns.
MEASURED = ("one_click", "best_of_three", "box", "spearman")

_HELD_OUT_BATCHES = 8  # of clicks, and as many of boxes


class Trainee(nn.Module):
    """The model, and heads that only training needs."""

    def __init__(self) -> None:
        super().__init__()
        self.sam: Sam = build_samstar_tiny()
        self.dense = nn.Conv2d(LEVELS[0][1], 2, 1)

    def begin_with(self, path: Path) -> None:
        """Take the weights of a `samstar-tiny`.

        Raises
        ------
        SamStarError
            If the file cannot be read or holds another network.
        """
        try:
            kept = {name: value.float() for name, value in load_file(path).items()}
            self.sam.load_state_dict(kept)
        except (OSError, SafetensorError, RuntimeError) as err:
            raise SamStarError(
                f"{path} does not hold the weights of a samstar-tiny: give a safetensors file that "
                "samstar train-tiny or samstar distil has written."
            ) from err

    def maps(self, images: Tensor) -> Maps:
        """Encode (B, 3, S, S) uint8 images."""
        normal = (images.float() - self.sam.pixel_mean) / self.sam.pixel_std
        out: Maps = self.sam.image_encoder.maps(normal)
        return out

    def decode(
        self, maps: Maps, points: Tensor, boxes: Tensor | None, drawn: Tensor | None = None
    ) -> Decoded:
        """Decode as `TinyDecoder.forward` does, all four masks."""
        return TinyDecoder.forward(self.sam.mask_decoder, maps, points, boxes, drawn)


def held_out(settings: TrainTinySettings) -> list[Batch]:
    """Make the crops of held-out scenes that `measured` is given during a training."""
    return [make_batch(k, settings, held_out=True) for k in range(2 * _HELD_OUT_BATCHES)]


@torch.no_grad()
def measured(model: Trainee, batches: Iterable[Batch]) -> dict[str, float]:
    """Mean IoU of one click, of its best of three masks and of one box, and the ranking.

    NaN for what no batch asks.
    """
    model.eval()
    device = next(model.parameters()).device
    chosen, best, boxed, predicted, reached = [], [], [], [], []
    for batch in (b.on(device) for b in batches):
        maps = model.maps(batch.images)
        logits, guess, _ = model.decode(maps, batch.points, batch.boxes)
        target = batch.targets.float()
        iou = true_iou(logits, target)
        asked = target.flatten(2).amax(-1) > 0
        if batch.boxes is not None:
            boxed.append(iou[..., 0][asked])
            continue
        iou, guess = iou[asked][:, 1:], guess[asked][:, 1:]
        chosen.append(iou.gather(1, guess.argmax(1, keepdim=True)))
        best.append(iou.amax(1))
        predicted.append(guess.flatten())
        reached.append(iou.flatten())
    means = (float(torch.cat(x).mean()) if x else float("nan") for x in (chosen, best, boxed))
    rank = float("nan")
    if predicted:
        rank = float(spearmanr(torch.cat(predicted).cpu(), torch.cat(reached).cpu()).statistic)
    return dict(zip(MEASURED, (*means, rank), strict=True))


def step_loss(
    model: Trainee, batch: Batch, step: int, settings: TrainTinySettings, rank: int
) -> Tensor:
    """Loss of one worker's share of a step; a third of the steps correct their first answer."""
    device = model.dense.weight.device
    batch = batch.on(device)
    target, points, boxes = batch.targets.float(), batch.points, batch.boxes
    with _fast(device):
        maps = model.maps(batch.images)
    maps = tuple(level.float() for level in maps)
    logits, predicted, guessed = model.decode(maps, points, boxes)
    loss, iou = prompt_loss(logits, predicted, guessed, target, clear=boxes is not None)
    loss = loss + dense_loss(maps[0], model.dense(maps[0]), batch.centers, batch.edges)
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    if torch.rand((), generator=generator) < 0.35:  # correct the first answer
        generator = torch.Generator(device).manual_seed(
            (settings.seed * 1_000_003 + step) * 64 + rank
        )
        rows = iou.argmax(-1)[..., None, None, None].expand(-1, -1, 1, *logits.shape[-2:])
        drawn = logits.detach().gather(2, rows).squeeze(2).clamp(-32, 32)
        points = torch.cat([points, _corrections(drawn, target, generator)], dim=2)
        again = model.decode(maps, points, boxes, drawn)
        loss = loss + prompt_loss(*again, target, clear=True)[0]
    return loss


def _fast(device: torch.device) -> AbstractContextManager[object]:
    """Half the bits on a GPU, for the encoder alone.

    The decoder's quadratic forms are small differences of large numbers, which bfloat16 would lose.
    """
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


def _corrections(drawn: Tensor, target: Tensor, generator: torch.Generator) -> Tensor:
    """One click (B, P, 1, 3) each where (B, P, h, w) logits are wrong about (B, P, 4h, 4w)."""
    truth = nn.functional.avg_pool2d(target, 4) > 0.5
    wrong = ((drawn > 0) != truth).flatten(-2)
    noise = torch.rand(wrong.shape, generator=generator, device=drawn.device)
    cell = torch.where(wrong, noise + 1, noise).argmax(-1)
    width = drawn.shape[-1]
    label = truth.flatten(-2).gather(-1, cell.unsqueeze(-1)).squeeze(-1)
    column, row = cell % width, cell // width
    click = torch.stack([column * 4.0 + 2.0, row * 4.0 + 2.0, label.float()], -1)
    return click.unsqueeze(2)
