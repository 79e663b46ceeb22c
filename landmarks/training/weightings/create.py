"""How the tasks' losses are put together: each weighting is one way to make one step out of several losses.

Every method starts from the losses times the task weights of the configuration. What a method knows at the start of an
epoch (`fixed`, `dwa`, `dynamic`) is in its factors, computed from the log alone; what it learns from batch to batch
(`uncertainty`, `gradnorm`) is in its parameters, or, of `famo`, in its buffers; `random` draws them; `pcgrad`,
`nash_mtl`, `fairgrad` and the aggregators of TorchJD (`upgrad` and those below it) leave the losses as they are and
change their gradients.
`module:Class` names a subclass of `Weighting` of your own."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature

from landmarks.dotted import imported, is_dotted
from landmarks.errors import unknown
from landmarks.training.weightings import aggregators
from landmarks.training.weightings.base import Weighting
from landmarks.training.weightings.dwa import DynamicAverage
from landmarks.training.weightings.dynamic import DynamicCoefficients
from landmarks.training.weightings.fair import FairGrad, NashMtl
from landmarks.training.weightings.famo import Famo
from landmarks.training.weightings.gradients import GradientWeighting
from landmarks.training.weightings.gradnorm import GradNorm
from landmarks.training.weightings.pcgrad import ProjectedGradients
from landmarks.training.weightings.random import RandomWeights
from landmarks.training.weightings.uncertainty import Uncertainty

__all__ = ["WEIGHTINGS", "Weighting", "check_weighting", "create_weighting", "passes_of"]

WEIGHTINGS: dict[str, type[Weighting]] = {
    "fixed": Weighting,
    "uncertainty": Uncertainty,
    "dwa": DynamicAverage,
    "gradnorm": GradNorm,
    "pcgrad": ProjectedGradients,
    "dynamic": DynamicCoefficients,
    "famo": Famo,
    "random": RandomWeights,
    "nash_mtl": NashMtl,
    "fairgrad": FairGrad,
    "upgrad": aggregators.UPGrad,
    "cagrad": aggregators.CAGrad,
    "imtl_g": aggregators.ImtlG,
    "aligned_mtl": aggregators.AlignedMtl,
    "mgda": aggregators.Mgda,
    "config": aggregators.ConFIG,
    "dualproj": aggregators.DualProj,
}


def create_weighting(
    name: str, tasks: tuple[str, ...], task_weights: dict[str, float], options: Mapping[str, float] = {}
) -> Weighting:
    """A weighting by name; the tasks' order is that of the network, the main task first. options: of its constructor.

    Raises ValueError, LandmarksError for one whose packages are missing.
    """
    check_weighting(name, options)
    kind = imported(name, Weighting) if is_dotted(name) else WEIGHTINGS[name]
    return kind(tasks, task_weights, **options)


def check_weighting(name: str, options: Mapping[str, float]) -> None:
    """Raise ValueError for a name that is none, or an option that the weighting does not have. One of your own is not
    looked at before it is created."""
    if is_dotted(name):
        return
    if name not in WEIGHTINGS:
        raise ValueError(unknown("weighting", name, [*WEIGHTINGS, "module:Class"]))
    known = list(signature(WEIGHTINGS[name]).parameters)[2:]  # after the tasks and their weights
    for option in options:
        if option not in known:
            raise ValueError(f"weighting_options of {name!r}: {unknown('option', option, known)}")


def passes_of(name: str) -> int | None:
    """Whole backward passes of a step: 1, or None for one a task."""
    kind = Weighting if is_dotted(name) else WEIGHTINGS[name]
    return None if issubclass(kind, (GradientWeighting, GradNorm)) else 1
