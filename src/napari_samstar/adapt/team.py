"""Several processes that train one network together, each on its share of a step."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import distributed, multiprocessing, nn

__all__ = ["Team"]


class Team:
    """The processes of one training: the caller and `workers` - 1 others; a context manager.

    On a busy CPU processes of one thread each get through more than one process of many threads,
    which wait for each other after every operation.

    Parameters
    ----------
    workers : int
        Processes in all; 1 starts none.
    work : callable
        What each other process does, ``work(team, *args)``; a function of a module.
    args : tuple
        Picklable.
    """

    def __init__(self, workers: int, work: Callable[..., None], args: tuple[Any, ...]) -> None:
        self.workers = workers
        self.rank = 0
        self._work = work
        self._args = args
        self._others: list[Any] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        if self.workers > 1:
            self._folder = tempfile.TemporaryDirectory(prefix="samstar-team-")
            meeting = str(Path(self._folder.name) / "meeting")
            context = multiprocessing.get_context("spawn")
            for rank in range(1, self.workers):
                other = context.Process(
                    target=_other,
                    args=(rank, self.workers, meeting, self._work, self._args),
                    daemon=True,
                )
                other.start()
                self._others.append(other)
            _meet(0, self.workers, meeting)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for other in self._others:
            if kind is not None:
                other.terminate()
            other.join()
        if self._folder is not None:
            distributed.destroy_process_group()
            self._folder.cleanup()

    def share(self, model: nn.Module) -> None:
        """Average gradients and running statistics over all processes, in place."""
        if self.workers == 1:
            return
        with torch.no_grad():
            grads = [p.grad for p in model.parameters() if p.grad is not None]
            stats = [b for b in model.buffers() if b.dtype.is_floating_point]
            parts = [*grads, *stats]
            flat = torch.cat([p.detach().flatten() for p in parts])
            distributed.all_reduce(flat)
            flat /= self.workers
            start = 0
            for part in parts:
                part.copy_(flat[start : start + part.numel()].view_as(part))
                start += part.numel()


def _meet(rank: int, workers: int, meeting: str) -> None:
    distributed.init_process_group(
        "gloo",
        init_method=Path(meeting).as_uri(),
        rank=rank,
        world_size=workers,
        timeout=timedelta(minutes=20),
    )


def _other(
    rank: int, workers: int, meeting: str, work: Callable[..., None], args: tuple[Any, ...]
) -> None:
    """Run in another process."""
    _meet(rank, workers, meeting)
    team = Team(workers, work, args)
    team.rank = rank
    work(team, *args)
    distributed.destroy_process_group()
