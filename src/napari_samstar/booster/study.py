"""The crops of one image's evident masks: their groups, and what other masks resemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.booster.crops import Crops, mirrored
from napari_samstar.booster.descriptors import Rows, Vectors, fit_metric, mask_means
from napari_samstar.booster.grouping import choose_count, cut_tree, silhouette, stability, tree
from napari_samstar.booster.texture import TextureEncoder
from napari_samstar.settings import BoostSettings

__all__ = ["Study", "lead"]

_WEAK_CROPS = 4  # of a thin or small mask, compared like with like


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
    settings : BoostSettings
        Number of materials, seed.
    """

    def __init__(
        self,
        crops: Crops,
        encoders: Sequence[TextureEncoder],
        vectors: Vectors,
        settings: BoostSettings,
    ) -> None:
        self.crops = crops
        self._encoders = encoders
        self._settings = settings.materials
        self.masks, self.owner = np.unique(crops.mask, return_inverse=True)
        self._vectors = vectors
        self.metric = fit_metric(vectors, self.owner, crops.centers(), settings.materials.seed)
        self.sizes = np.bincount(self.owner)
        self._means = mask_means(self._vectors.crops, self.owner)

    def grouped(self) -> tuple[NDArray[np.int64], Mapping[str, Any]]:
        """Group of each mask (K,), from 0, and the evidence for their number."""
        chosen = self._settings
        if self.masks.size == 1:
            return np.zeros(1, np.int64), {"heights": [], "silhouette": 0.0, "stability": 1.0}
        distances = self.metric.distances(self._means, self._means, self.sizes, self.sizes)
        links = tree(distances)
        count, second = choose_count(
            links, chosen.surely_alike, chosen.surely_different, chosen.most
        )
        evident = self._silhouette(cut_tree(links, count))
        if chosen.count is not None:
            count = second = min(chosen.count, self.masks.size)
        elif count > 1 and evident < chosen.min_silhouette:
            count, second = 1, count
        groups = cut_tree(links, count)
        if chosen.grouping == "kmeans":
            groups = self._kmeans(count)
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
        centers = mask_means(self._means, groups)
        sizes = np.bincount(groups, self.sizes)
        near = self.metric.distances(self._means, centers, self.sizes, sizes)
        confidence = np.array([lead(row, g) for row, g in zip(near, groups, strict=True)])
        each = np.ones(len(self.crops))
        votes = self.metric.distances(self._vectors.crops, centers, each, sizes).argmin(1)
        shares = np.zeros((self.masks.size, count))
        np.add.at(shares, (self.owner, votes), 1.0)
        shares /= self.sizes[:, None]
        own = shares[np.arange(groups.size), groups]
        shares[np.arange(groups.size), groups] = -1
        return confidence, own - shares.max(1)

    def compare(self, crops: Crops, groups: NDArray[np.int64], seed: int) -> tuple[Rows, Rows]:
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
        vectors = self._vectors.space.project(parts)
        means = vectors.reshape(count + 1, len(own), -1).mean(1)
        worth = np.full(count, own.coverage().sum())  # mirrored pixels say nothing new
        distances = self.metric.distances(means[:1], means[1:], worth[:1], worth)[0]
        return distances, means[0]

    def mixture(self, vector: Rows, groups: NDArray[np.int64]) -> float:
        """How far a vector is from all that lies between two groups, null distance.

        A crop across the border of two materials lies between them.
        """
        means = mask_means(self._means, groups) @ self.metric.whiten
        point = vector @ self.metric.whiten
        nearest = np.inf
        for first, second in combinations(means, 2):
            way = second - first
            share = np.clip((point - first) @ way / max(way @ way, 1e-12), 0, 1)
            gap = point - first - share * way
            nearest = min(nearest, float(np.sqrt(gap @ gap / (2 * gap.size))))
        return nearest

    def _silhouette(self, groups: NDArray[np.int64]) -> float:
        """Of halves of the masks, so that a group of one mask has a middle and a spread too."""
        half = np.zeros(len(self.crops), np.intp)
        for k in range(self.masks.size):
            mine = np.flatnonzero(self.owner == k)
            half[mine[mine.size // 2 :]] = 1
        points, of = np.unique(2 * self.owner + half, return_inverse=True)
        means, sizes = mask_means(self._vectors.crops, of), np.bincount(of)
        distances = self.metric.distances(means, means, sizes, sizes)
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
            distances = self.metric.distances(means, means, self.sizes, self.sizes)
            found.append(cut_tree(tree(distances), count))
        return stability(found, groups)

    def _kmeans(self, count: int) -> NDArray[np.int64]:
        """Cluster all crops, each mask counting once, and let them vote (Algorithm 2)."""
        from sklearn.cluster import KMeans

        model = KMeans(count, n_init=self._settings.restarts, random_state=self._settings.seed)
        rows = self._vectors.crops @ self.metric.whiten
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
