from __future__ import annotations

from napari_samstar.edits import review_order


def test_doubtful_segments_come_first_and_seen_ones_not_at_all() -> None:
    confidence = {1: 0.9, 2: 0.2, 3: 0.2, 4: 0.1, 5: float("nan"), 99: 0.0}
    status = {
        3: "open", 1: "open", 2: "open", 4: "accepted", 5: "open", 6: "open", 7: "reviewed",
    }  # fmt: skip
    assert review_order(confidence, status) == (5, 6, 2, 3, 1)  # type: ignore[arg-type]
