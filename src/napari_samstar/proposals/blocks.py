"""Masks as blocks of 8x8 px, a 64-bit word each: shared pixels are counted 64 at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.runs import MaskRuns

__all__ = ["Blocks", "by_place", "joined", "pack", "shared_by"]

_FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
_SIDE = 8  # px; a block's word has bit 8 (x % 8) + y % 8 for each of its pixels


@dataclass(frozen=True)
class Blocks:
    """Blocks of N masks.

    Parameters
    ----------
    offsets : (N + 1,) int64
        Where the blocks of each mask begin and end.
    places : (B,) int32
        Which block of the image each is, column by column.
    words : (B,) uint64
        Its pixels, at least one.
    count : int
        Number of blocks in the image.
    """

    offsets: NDArray[np.int64]
    places: NDArray[np.int32]
    words: NDArray[np.uint64]
    count: int

    def pairs(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Pairs among `rows`: indices into it, first < second, and the pixels shared, each (P,)."""
        first, second, shared = _pairs(rows, self.offsets, self.places, self.words, self.count)
        return first, second, shared

    def depth(self, rows: NDArray[np.int64]) -> tuple[int, int]:
        """Pixels in at least one of `rows`, and in at least two."""
        one, two = _depth(rows, self.offsets, self.places, self.words, self.count)
        return int(one), int(two)

    def take(self, rows: NDArray[np.int64]) -> Blocks:
        """Blocks of some masks alone."""
        sizes = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        source = np.repeat(self.offsets[rows] - offsets[:-1], sizes) + np.arange(offsets[-1])
        return Blocks(offsets, self.places[source], self.words[source], self.count)


def joined(parts: Sequence[Blocks]) -> Blocks:
    """Blocks of all masks of several of the same image, one after another."""
    sizes = [np.diff(part.offsets) for part in parts]
    return Blocks(
        np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64),
        np.concatenate([part.places for part in parts]),
        np.concatenate([part.words for part in parts]),
        parts[0].count,
    )


def pack(runs: MaskRuns) -> Blocks:
    """Pack masks into blocks."""
    height, width = runs.shape
    count = -(-height // _SIDE) * -(-width // _SIDE)
    offsets, places, words = _pack(runs.counts, runs.offsets, height, count)
    return Blocks(offsets, places, words, count)


@njit(cache=True, nogil=True)
def _grown(array: Any) -> Any:
    larger = np.empty(2 * array.size, array.dtype)
    larger[: array.size] = array
    return larger


@njit(cache=True, nogil=True)
def _pack(counts: Any, offsets: Any, height: int, count: int) -> Any:
    down = -(-height // _SIDE)
    ends = np.zeros(offsets.size, np.int64)
    places = np.empty(max(1024, 16 * offsets.size), np.int32)
    words = np.empty(places.size, np.uint64)
    image = np.zeros(count, np.uint64)
    touched = np.empty(count, np.int32)
    used = 0
    for i in range(offsets.size - 1):
        n = 0
        position = 0
        for k in range(offsets[i], offsets[i + 1]):
            end = position + int(counts[k])
            if (k - offsets[i]) % 2 == 1:
                while position < end:
                    x, y = position // height, position % height
                    place = x // _SIDE * down + y // _SIDE
                    low = y % _SIDE
                    high = min(_SIDE, low + end - position, height - y + low)
                    bits = np.uint64(((1 << high) - (1 << low)) << (_SIDE * (x % _SIDE)))
                    if image[place] == 0:
                        touched[n] = place
                        n += 1
                    image[place] |= bits
                    position += high - low
            position = end
        while used + n > places.size:
            places, words = _grown(places), _grown(words)
        # full blocks first: a mask that shares too much is found out sooner
        for full in (True, False):
            for k in range(n):
                if (image[touched[k]] == _FULL) == full:
                    places[used], words[used] = touched[k], image[touched[k]]
                    used += 1
        for k in range(n):
            image[touched[k]] = 0
        ends[i + 1] = used
    return ends, places[:used].copy(), words[:used].copy()


@njit(cache=True, nogil=True)
def shared_by(one: np.uint64, other: np.uint64) -> int:
    """Bits that are set in both words (the sum of bits by halves, Knuth 7.1.3)."""
    x = one & other
    if x == 0:
        return 0
    x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def by_place(rows: Any, offsets: Any, places: Any, words: Any, count: int) -> Any:
    """Rows by the blocks of the image that they touch, and their words there.

    Parameters
    ----------
    rows : (K,) int64
        Some of the masks.
    offsets, places, words, count
        As of `Blocks`.

    Returns
    -------
    ends : (count + 1,) int64
        Where each block's list begins and ends.
    owner : (E,) int32
        Which mask each entry is of; in the order of `rows` within each block.
    word : (E,) uint64
        Its pixels there.
    """
    ends = np.zeros(count + 1, np.int64)
    for j in rows:
        for e in range(offsets[j], offsets[j + 1]):
            ends[places[e] + 1] += 1
    ends = np.cumsum(ends)
    owner = np.empty(ends[-1], np.int32)
    word = np.empty(ends[-1], np.uint64)
    free = ends[:-1].copy()
    for j in rows:
        for e in range(offsets[j], offsets[j + 1]):
            owner[free[places[e]]], word[free[places[e]]] = j, words[e]
            free[places[e]] += 1
    return ends, owner, word


@njit(cache=True, nogil=True)
def _pairs(rows: Any, offsets: Any, places: Any, words: Any, count: int) -> Any:
    latest = np.full(count, -1, np.int64)  # in each block of the image, a chain of those put there
    total = 0
    for row in rows:
        total += offsets[row + 1] - offsets[row]
    before = np.empty(total, np.int64)
    owner = np.empty(total, np.int64)
    word = np.empty(total, np.uint64)
    first = np.empty(1024, np.int64)
    second = np.empty(1024, np.int64)
    shared = np.empty(1024, np.int64)
    pixels = np.zeros(rows.size, np.int64)
    met = np.empty(rows.size, np.int64)
    n, put = 0, 0
    for b in range(rows.size):
        found = 0
        for e in range(offsets[rows[b]], offsets[rows[b] + 1]):
            k = latest[places[e]]
            while k >= 0:
                common = shared_by(words[e], word[k])
                if common:
                    if pixels[owner[k]] == 0:
                        met[found] = owner[k]
                        found += 1
                    pixels[owner[k]] += common
                k = before[k]
            before[put], owner[put], word[put] = latest[places[e]], b, words[e]
            latest[places[e]] = put
            put += 1
        while n + found > first.size:
            first, second, shared = _grown(first), _grown(second), _grown(shared)
        for a in np.sort(met[:found]):
            first[n], second[n], shared[n] = a, b, pixels[a]
            pixels[a] = 0
            n += 1
    return first[:n].copy(), second[:n].copy(), shared[:n].copy()


@njit(cache=True, nogil=True)
def _depth(rows: Any, offsets: Any, places: Any, words: Any, count: int) -> Any:
    once = np.zeros(count, np.uint64)
    twice = np.zeros(count, np.uint64)
    for row in rows:
        for e in range(offsets[row], offsets[row + 1]):
            place = places[e]
            twice[place] |= once[place] & words[e]
            once[place] |= words[e]
    one, two = 0, 0
    for place in range(count):
        one += shared_by(once[place], once[place])
        two += shared_by(twice[place], twice[place])
    return one, two
