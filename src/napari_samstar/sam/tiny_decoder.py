"""Mask decoder of `samstar-tiny`: looks around the prompt, boxes the object, then draws it.

A click is answered in three looks. First the pyramid is sampled on rings around the click (a
fovea: fine maps near, coarse maps far), and a small transformer guesses one box per mask. Then a
grid over each box is sampled. Last, one dynamic linear head per mask (Tian et al., CondInst, ECCV
2020) weighs the finest map, together with two quadratic forms that tell one of many equal
particles from the others: in the pixel's own position, and in the position that the pixel votes
for as the center of its object (Neven et al., CVPR 2019). Nothing is computed per prompt and
pixel but that one matrix product, so a prompt costs about a millisecond on a CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_samstar.sam.tiny_encoder import LEVELS, Maps
from napari_samstar.sam.tiny_geometry import (
    CLICK_SIZE,
    first_box,
    fovea,
    monomials,
    over,
    sample,
    unit_grid,
)

__all__ = ["VOTE_SCALE", "Decoded", "TinyDecoder"]

#: The last two channels of the finest map are votes for the object's center, in this unit, px.
VOTE_SCALE = 16.0

_WIDTH = 128
_HEADS = 4
_MASKS = 4  # the first answers clear prompts alone, three share the ambiguous ones
_ROI = 6  # samples along each side of a box
_LOOK = 10  # samples of the finished mask along each side, for the IoU head
_UNIT = 64.0  # px; coordinates enter the linear head in this unit
_MAX_LOGIT = 32.0

#: Logits (B, P, M, H/4, W/4), predicted IoU (B, P, M), boxes as center and half size
#: (B, P, M, 4) px.
Decoded = tuple[Tensor, Tensor, Tensor]


class _Look(nn.Module):
    """Cross-attention from the mask queries to samples of the image, and a small network."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_query = nn.LayerNorm(_WIDTH)
        self.norm_context = nn.LayerNorm(_WIDTH)
        self.query = nn.Linear(_WIDTH, _WIDTH)
        self.key_value = nn.Linear(_WIDTH, 2 * _WIDTH)
        self.out = nn.Linear(_WIDTH, _WIDTH)
        self.mlp = nn.Sequential(
            nn.LayerNorm(_WIDTH),
            nn.Linear(_WIDTH, 2 * _WIDTH),
            nn.GELU(),
            nn.Linear(2 * _WIDTH, _WIDTH),
        )

    def forward(self, queries: Tensor, context: Tensor, valid: Tensor | None = None) -> Tensor:
        """Update (N, Q, d) queries by (N, T, d) context, of which (N, T) is valid."""
        n, count, _ = queries.shape
        heads = (_HEADS, _WIDTH // _HEADS)
        q = self.query(self.norm_query(queries)).view(n, count, *heads).transpose(1, 2)
        key, value = (
            self.key_value(self.norm_context(context))
            .view(n, context.shape[1], 2, *heads)
            .permute(2, 0, 3, 1, 4)
        )
        bias = None if valid is None else valid[:, None, None, :].expand(-1, -1, count, -1)
        seen = functional.scaled_dot_product_attention(q, key, value, attn_mask=bias)
        queries = queries + self.out(seen.transpose(1, 2).reshape(n, count, _WIDTH))
        out: Tensor = queries + self.mlp(queries)
        return out


def _mlp(width_in: int, width: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width_in, width), nn.GELU(), nn.Linear(width, width_out))


class TinyDecoder(nn.Module):
    """Masks for prompts, see the module."""

    offsets: Tensor
    roi_grid: Tensor
    look_grid: Tensor

    def __init__(self) -> None:
        super().__init__()
        offsets, self.counts = fovea()
        self.register_buffer("offsets", offsets, persistent=False)
        self.register_buffer("roi_grid", unit_grid(_ROI), persistent=False)
        self.register_buffer("look_grid", unit_grid(_LOOK), persistent=False)
        everything = sum(c for _, c in LEVELS)
        self.point_input = nn.ModuleList(nn.Linear(c, _WIDTH) for _, c in LEVELS)
        self.point_place = nn.Parameter(torch.randn(len(offsets), _WIDTH) * 0.1)
        self.point_label = nn.Embedding(2, _WIDTH)
        self.roi_input = nn.Linear(everything, _WIDTH)
        self.roi_place = nn.Parameter(torch.randn(_ROI * _ROI, _WIDTH) * 0.1)
        self.box_label = nn.Embedding(2, _WIDTH)  # a box that was asked for, and one guessed
        self.box_size = nn.Linear(2, _WIDTH)
        self.drawn = nn.Linear(2, _WIDTH)  # an earlier mask at a sample, and that there is one
        self.queries = nn.Parameter(torch.randn(_MASKS, _WIDTH) * 0.5)
        self.first_look = nn.ModuleList([_Look(), _Look()])
        self.box_head = _mlp(_WIDTH, _WIDTH, 4)
        self.second_look = nn.ModuleList([_Look(), _Look()])
        self.channels = LEVELS[0][1]
        self.hyper = _mlp(_WIDTH, _WIDTH, self.channels + 1)
        self.form = _mlp(_WIDTH, _WIDTH, 2 * 5 + 3)
        self.iou_look = nn.Linear(_LOOK * _LOOK, _WIDTH)
        self.iou_head = _mlp(2 * _WIDTH, _WIDTH, 1)
        # a fresh decoder draws the ellipse of its box: everything else is learned from there
        for head, scale in ((self.box_head, 0.0), (self.form, 0.0), (self.hyper, 0.01)):
            last = head[2]
            assert isinstance(last, nn.Linear)
            nn.init.normal_(last.weight, std=scale)
            nn.init.zeros_(last.bias)

    def forward(
        self,
        maps: Maps,
        points: Tensor,
        boxes: Tensor | None = None,
        drawn: Tensor | None = None,
        first: int = 0,
        last: int = _MASKS,
    ) -> Decoded:
        """Draw the masks of P prompts in each of B images.

        Parameters
        ----------
        maps : tuple of tensor
            `TinyEncoder.maps` of the B images.
        points : (B, P, N, 3) float tensor
            x, y, px of the input, pixel centers at halves; label 1 object, 0 background, -1 none.
        boxes : (B, P, 4) float tensor or None
            x0, y0, x1, y1, px.
        drawn : (B, P, H/4, W/4) float tensor or None
            Logits of an earlier mask.
        first, last : int
            Which of the four masks to draw.

        Returns
        -------
        tuple of tensor
            See `Decoded`; M = last - first.
        """
        images, prompts = points.shape[:2]
        height, width = (4 * s for s in maps[0].shape[-2:])
        size = (int(height), int(width))
        if boxes is None and points.shape[2] == 0:
            boxes = points.new_tensor([0.0, 0.0, width, height]).expand(images, prompts, 4)
        anchor = first_box(points, boxes)
        context, valid = self._context(maps, points, boxes, anchor, drawn, size)
        q = self.queries[first:last].expand(images * prompts, -1, -1)
        for look in self.first_look:
            q = look(q, context, valid)
        box = self._guess(q, anchor)
        guessed = box.detach()
        masks = last - first
        roi = self._roi(maps, guessed.flatten(1, 2), 1, drawn, size)
        q = q.reshape(-1, 1, _WIDTH)
        for look in self.second_look:
            q = look(q, roi)
        q = q.view(images, prompts, masks, _WIDTH)
        logits = self._draw(maps[0], q, box)
        return logits, self._judge(q, logits, guessed, size), box

    def _context(
        self,
        maps: Maps,
        points: Tensor,
        boxes: Tensor | None,
        anchor: Tensor,
        drawn: Tensor | None,
        size: tuple[int, int],
    ) -> tuple[Tensor, Tensor | None]:
        """Tokens (B P, T, d) of what lies around the prompts, and which are valid."""
        images, prompts, count, _ = points.shape
        tokens, valid = [], []
        if count:
            where = points[..., None, :2] + self.offsets
            parts = []
            start = 0
            for level, number in self.counts:
                xy = where[..., start : start + number, :].flatten(1, 3)
                seen = self.point_input[level](sample(maps[level], xy, size))
                parts.append(seen.view(images * prompts, count, number, _WIDTH))
                start += number
            labels = points[..., 2].flatten(0, 1)
            token = torch.cat(parts, 2) + self.point_place
            token = token + self.point_label((labels == 1).long()).unsqueeze(2)
            token = self._with_drawn(token, drawn, where, size)
            tokens.append(token.flatten(1, 2))
            valid.append((labels >= 0).repeat_interleave(len(self.offsets), dim=1))
        if boxes is not None:
            token = self._roi(maps, anchor, 0, drawn, size)
            tokens.append(token)
            valid.append(token.new_ones(token.shape[:2], dtype=torch.bool))
        if count <= 1 or bool(torch.all(points[..., 2] >= 0)):
            return torch.cat(tokens, 1), None
        return torch.cat(tokens, 1), torch.cat(valid, 1)

    def _roi(
        self,
        maps: Maps,
        boxes: Tensor,
        kind: int,
        drawn: Tensor | None,
        size: tuple[int, int],
    ) -> Tensor:
        """Tokens (B Q, T, d) of a grid over each of (B, Q, 4) boxes; Q counts P prompts by M."""
        where = over(boxes, self.roi_grid).flatten(1, 2)
        seen = torch.cat([sample(m, where, size) for m in maps], dim=-1)
        token = self._with_drawn(self.roi_input(seen), drawn, where, size)
        token = token.view(-1, self.roi_grid.shape[0], _WIDTH) + self.roi_place
        extra = self.box_size(torch.log(boxes[..., 2:] / CLICK_SIZE)) + self.box_label.weight[kind]
        out: Tensor = token + extra.view(-1, 1, _WIDTH)
        return out

    def _with_drawn(
        self, token: Tensor, drawn: Tensor | None, where: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Add to (..., d) tokens what an earlier mask says at their places (..., 2)."""
        if drawn is None:
            none: Tensor = self.drawn(where.new_zeros(2))
            return token + none
        masks = drawn.flatten(0, 1).unsqueeze(1)
        value = torch.tanh(sample(masks, where.reshape(len(masks), -1, 2), size) / 4.0)
        extra: Tensor = self.drawn(torch.cat([value, torch.ones_like(value)], dim=-1))
        return token + extra.view_as(token)

    def _guess(self, q: Tensor, anchor: Tensor) -> Tensor:
        """Boxes (B, P, M, 4) as center and half size, px, from (B P, M, d) queries."""
        images, prompts = anchor.shape[:2]
        raw = self.box_head(q).view(images, prompts, -1, 4)
        half = anchor[..., None, 2:] * torch.exp(4.0 * torch.tanh(raw[..., 2:] / 4.0))
        center = anchor[..., None, :2] + half * torch.tanh(raw[..., :2])
        return torch.cat([center, half], dim=-1)

    def _draw(self, finest: Tensor, q: Tensor, box: Tensor) -> Tensor:
        """Logits (B, P, M, h, w) of (B, P, M, d) queries."""
        images, _, height, width = finest.shape
        hyper = self.hyper(q)
        weights, bias = hyper[..., :-1], hyper[..., -1:]
        raw = self.form(q)
        gain = 3.0 * torch.exp(raw[..., :1].clamp(-2, 2))
        constant = gain * (1.0 + raw[..., 1:2]) + bias
        # coordinates from the middle of the image: the squares below cancel, so keep them small
        middle = box.new_tensor([2.0 * width, 2.0 * height])
        rows = [weights]
        for k, tightness in ((0, 1.0), (1, 0.3)):
            a, b, c, dx, dy = raw[..., 3 + 5 * k : 8 + 5 * k].unbind(-1)
            center = (box[..., :2] + torch.stack([dx, dy], -1) * box[..., 2:] - middle) / _UNIT
            half = box[..., 2:] / _UNIT
            # negative definite: far from the object a mask can only fall
            l11 = (a + tightness) / half[..., 0]
            l22 = (b + tightness) / half[..., 1]
            l21 = c / half[..., 1]
            xx, xy, yy = l11 * l11 + l21 * l21, 2 * l21 * l22, l22 * l22
            cx, cy = center.unbind(-1)
            form = torch.stack(
                [2 * xx * cx + xy * cy, 2 * yy * cy + xy * cx, -xx, -xy, -yy], dim=-1
            )
            rows.append(gain * form)
            rest = xx * cx * cx + xy * cx * cy + yy * cy * cy
            constant = constant - gain * rest.unsqueeze(-1)
        y, x = torch.meshgrid(
            torch.arange(height, device=q.device, dtype=q.dtype),
            torch.arange(width, device=q.device, dtype=q.dtype),
            indexing="ij",
        )
        place = torch.stack([x + 0.5 - width / 2, y + 0.5 - height / 2]).mul(4.0 / _UNIT)
        place = place.expand(images, 2, height, width)
        vote = place + finest[:, -2:] * (VOTE_SCALE / _UNIT)
        image = torch.cat(
            [finest, monomials(place), monomials(vote), torch.ones_like(place[:, :1])], dim=1
        )
        left = torch.cat([*rows, constant], dim=-1)
        flat = torch.bmm(left.flatten(1, 2), image.flatten(2))
        flat = flat.clamp_(-_MAX_LOGIT, _MAX_LOGIT) if not self.training else flat
        return flat.view(*q.shape[:3], height, width)

    def _judge(self, q: Tensor, logits: Tensor, box: Tensor, size: tuple[int, int]) -> Tensor:
        """Predicted IoU (B, P, M): the head looks at the mask it judges."""
        masks = logits.detach().flatten(0, 2).unsqueeze(1)
        where = over(box.flatten(0, 2).unsqueeze(1), self.look_grid)
        seen = torch.tanh(sample(masks, where.flatten(1, 2), size).squeeze(-1) / 4.0)
        look = self.iou_look(seen).view_as(q)
        out: Tensor = torch.sigmoid(self.iou_head(torch.cat([q, look], dim=-1)).squeeze(-1))
        return out
