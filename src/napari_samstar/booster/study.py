"""The crops of one image's evident masks: their groups, and what other masks resemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from napari_samstar.booster.crops import Crops, mirrored
from napari_samstar.booster.descriptors import Rows, Vectors, mask_means
from napari_samstar.booster.grouping import (
    choose_count,
    cut_tree,
    rejoined,
    silhouette,
    stability,
)
from napari_samstar.booster.metric import fit_metric
from napari_samstar.booster.texture import TextureEncoder
from napari_samstar.settings import BoostSettings

__all__ = ["Study", "lead"]

_WEAK_CROPS = 4  # of a thin or small mask, compared like with like
_LEAST_WORTH = 0.25  # of a mask, in crops


class Study:
    """Crops of masks that are large enough to found materials.

    Parameters
    ----------
    crops : Crops
        Of K masks, K at least 1.
    encoders : sequence of TextureEncoder
        What makes vectors of them.
    vectors : Vectors
        What they made.
    areas : (K,) int64
        Of those masks, px.
    settings : BoostSettings
        Number of materials, seed.
    sight : (K, D) float64, optional
        What the network for borders makes of those masks, see `parts.mask_vectors`.
    """

    def __init__(
        self,
        crops: Crops,
        encoders: Sequence[TextureEncoder],
        vectors: Vectors,
        areas: NDArray[np.int64],
        settings: BoostSettings,
        sight: Rows | None = None,
    ) -> None:
        self.crops = crops
        self._sight = sight
        self._encoders = encoders
        self._settings = settings.materials
        self.masks, self.owner = np.unique(crops.mask, return_inverse=True)
        self._vectors = vectors
        self.sizes = np.bincount(self.owner)
        self.worth = np.clip(areas / crops.side**2, _LEAST_WORTH, self.sizes)
        self.metric = fit_metric(
            vectors, self.owner, self.worth, crops.centers(), settings.materials.seed
        )
        self._means = mask_means(self._vectors.crops, self.owner)

    def grouped(self, spare: bool = False) -> tuple[NDArray[np.int64], Mapping[str, Any]]:
        """Group of each mask (K,), from 0, and the evidence for their number.

        With `spare`, of a known number those stay open that masks surely alike would make up.
        """
        chosen = self._settings
        if self.masks.size == 1:
            return np.zeros(1, np.int64), {"heights": [], "silhouette": 0.0, "stability": 1.0}
        links = self.metric.joined(self._means, self.worth)
        count, second = choose_count(
            links, chosen.surely_alike, chosen.surely_different, chosen.most
        )
        evident = self._silhouette(cut_tree(links, count))
        if chosen.count is not None:
            apart = 1 + int((links[:, 2] > chosen.surely_alike).sum())
            count = second = min(chosen.count, apart if spare else self.masks.size)
        elif count > 1 and evident < chosen.min_silhouette:
            count, second = 1, count
        groups = cut_tree(links, count)
        if chosen.grouping == "kmeans":
            groups = self._kmeans(count)
        if self._sight is not None and chosen.told_apart is not None:
            groups = rejoined(groups, self._sight, self.worth, chosen.told_apart)
        facts = {
            "heights": np.round(np.sort(links[:, 2])[::-1], 3).tolist(),
            "silhouette": round(evident, 3),
            "stability": round(self._stability(groups), 3),
            "runner_up": second,
        }
        return groups, facts

    def certainty(self, groups: NDArray[np.int64]) -> tuple[Rows, Rows]:
        """Confidence (K,) of each mask's group, and the margin of its crops' votes (K,)."""
        count = int(groups.max()) + 1
        if count < 2:
            return np.ones(self.masks.size), np.ones(self.masks.size)
        centers, worth = mask_means(self._means, groups), np.bincount(groups, self.worth)
        confidence, margin = np.ones(self.masks.size), np.ones(self.masks.size)
        for k, group in enumerate(groups.tolist()):
            others = groups == group
            others[k] = False  # no mask speaks for itself
            to = centers.copy()
            if others.any():
                to[group] = self._means[others].mean(0)
            mine = self._means[k : k + 1]
            near = self.metric.distances(mine, to, self.worth[k : k + 1], worth)[0]
            confidence[k] = lead(near, group)
            crops = self._vectors.crops[self.owner == k]
            votes = self.metric.distances(crops, to, np.ones(len(crops)), worth).argmin(1)
            shares = np.bincount(votes, minlength=count) / len(crops)
            margin[k] = shares[group] - np.delete(shares, group).max()
        return confidence, margin

    def embed(self, crops: Crops) -> Rows:
        """Vectors (N, D) of further crops, beside those of the study."""
        parts = [encoder(crops.pixels, crops.boxes) for encoder in self._encoders]
        return self._vectors.project(parts)

    def likeness(self, vectors: Rows, groups: NDArray[np.int64]) -> Rows:
        """Null distances (N, M) of single crops to the groups."""
        centers, worth = mask_means(self._means, groups), np.bincount(groups, self.worth)
        return self.metric.distances(vectors, centers, np.ones(len(vectors)), worth)

    def compare(
        self, crops: Crops, area: int, groups: NDArray[np.int64], seed: int
    ) -> tuple[Rows, Rows]:
        """How far a thin or small mask is from each group, like compared with like.

        Crops of the groups are given the same shape as the mask's own, mirrored pixels included.

        Returns
        -------
        distances : (M,) float64
            Null distances to the groups.
        vector : (D,) float64
            The mask's mean vector.
        """
        rng = np.random.default_rng([self._settings.seed, 3, seed])
        order = np.argsort(-crops.coverage(), kind="stable")[:_WEAK_CROPS]
        own = crops.take(order)
        count = int(groups.max()) + 1
        pixels, boxes = [own.pixels], [own.boxes]
        for group in range(count):
            rows = np.flatnonzero(groups[self.owner] == group)
            picked = rng.choice(rows, len(own), replace=rows.size < len(own))
            pixels.append(
                np.stack(
                    [
                        mirrored(self.crops.pixels[i], inside)
                        for i, inside in zip(picked, own.inside, strict=True)
                    ]
                )
            )
            boxes.append(self.crops.boxes[picked])
        parts = [
            encoder(np.concatenate(pixels), np.concatenate(boxes)) for encoder in self._encoders
        ]
        vectors = self._vectors.project(parts)
        means = vectors.reshape(count + 1, len(own), -1).mean(1)
        # mirrored pixels say nothing new, nor do those of two crops
        worth = np.full(count, min(own.coverage().sum(), area / own.side**2))
        return self.metric.distances(means[:1], means[1:], worth[:1], worth)[0], means[0]

    def mixture(
        self, vector: Rows, area: int, groups: NDArray[np.int64], around: NDArray[np.int64]
    ) -> float:
        """How far a vector is from all mixtures of the groups `around` it, null distance.

        A mask across borders lies between what it borders on.
        """
        means = mask_means(self._means, groups)[around]
        held = 1e3 * np.ones((1, len(means)))  # shares sum to 1
        share, _ = optimize.nnls(
            np.concatenate([self.metric.whitened(means).T, held]),
            np.append(self.metric.whitened(vector[None])[0], 1e3),
        )
        mixed = (share / share.sum()) @ means
        worth = np.full(1, max(area / self.crops.side**2, _LEAST_WORTH))
        return float(self.metric.distances(vector[None], mixed[None], worth, worth)[0, 0])

    def _silhouette(self, groups: NDArray[np.int64]) -> float:
        """Of halves of the masks, so that a group of one mask has a middle and a spread too."""
        half = np.zeros(len(self.crops), np.intp)
        for k in range(self.masks.size):
            mine = np.flatnonzero(self.owner == k)
            half[mine[mine.size // 2 :]] = 1
        points, of = np.unique(2 * self.owner + half, return_inverse=True)
        means, sizes = mask_means(self._vectors.crops, of), np.bincount(of)
        worth = sizes * (self.worth / self.sizes)[points // 2]
        unrest = self.metric.unrest[points // 2]
        distances = self.metric.distances(means, means, worth, worth, unrest, unrest)
        np.fill_diagonal(distances, 0.0)
        return silhouette(distances, groups[points // 2], points // 2)

    def _stability(self, groups: NDArray[np.int64]) -> float:
        """Of the grouping, when crops are drawn anew with replacement."""
        count = int(groups.max()) + 1
        if count < 2:
            return 1.0
        rng = np.random.default_rng([self._settings.seed, 4])
        found = []
        for _ in range(self._settings.resamples):
            drawn = np.concatenate(
                [
                    rng.choice(np.flatnonzero(self.owner == k), size)
                    for k, size in enumerate(self.sizes)
                ]
            )
            means = mask_means(self._vectors.crops[drawn], self.owner[drawn])
            found.append(cut_tree(self.metric.joined(means, self.worth), count))
        return stability(found, groups)

    def _kmeans(self, count: int) -> NDArray[np.int64]:
        """Cluster all crops, each mask counting once, and let them vote (Algorithm 2)."""
        from sklearn.cluster import KMeans

        model = KMeans(count, n_init=self._settings.restarts, random_state=self._settings.seed)
        rows = self.metric.whitened(self._vectors.crops)
        clusters = model.fit(rows, sample_weight=1.0 / self.sizes[self.owner]).labels_
        votes = np.zeros((self.masks.size, count))
        np.add.at(votes, (self.owner, clusters), 1.0)
        return np.unique(votes.argmax(1), return_inverse=True)[1].astype(np.int64)


def lead(distances: Rows, group: int) -> float:
    """How much nearer a group is than the best other one, 0 to 1.

    Distances below 1 are chance, so they count as 1.
    """
    if distances.size < 2:
        return 1.0
    own = max(float(distances[group]), 1.0)
    other = max(float(np.delete(distances, group).min()), 1.0)
    return max((other - own) / (other + own), 0.0)
