"""The story from a micrograph to its table: propose, optimize, select, boost, measure.

Each step exists as a generator of `Progress` events, which the window, the command line and batches
drive, and as a plain function.
"""

from napari_samstar.pipeline.agreeing import Agreement, agreement
from napari_samstar.pipeline.boosting import Boosted, BoostWarning, boost, boost_steps
from napari_samstar.pipeline.driving import run
from napari_samstar.pipeline.optimizing import SelectionFront, optimize, optimize_steps
from napari_samstar.pipeline.proposing import propose, propose_steps
from napari_samstar.pipeline.segmenting import RunResult, segment, segment_steps
from napari_samstar.pipeline.slow import SlowStage, slow_stage_steps

__all__ = [
    "Agreement",
    "BoostWarning",
    "Boosted",
    "RunResult",
    "SelectionFront",
    "SlowStage",
    "agreement",
    "boost",
    "boost_steps",
    "optimize",
    "optimize_steps",
    "propose",
    "propose_steps",
    "run",
    "segment",
    "segment_steps",
    "slow_stage_steps",
]
