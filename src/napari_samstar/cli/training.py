"""How a training shows at a command line how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from napari_samstar.cli.progress import say
from napari_samstar.types import Progress

__all__ = ["training_bar"]


@contextmanager
def training_bar(total: int, *, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Bar of a training, as a function to be told of each step.

    Parameters
    ----------
    total : int
        Steps of the optimizer.
    quiet : bool
        Draw no bar. What there is to say of a training that is over is said all the same.
    """
    from tqdm import tqdm

    said: list[str] = []
    with tqdm(total=total, desc="training", disable=True if quiet else None) as bar:

        def show(progress: Progress) -> None:
            if progress.stage == "trained":
                said.append(progress.message)
            else:
                bar.set_postfix_str(progress.message, refresh=False)
            bar.update(progress.done - bar.n)

        yield show
    for sentence in said:
        say(sentence)
