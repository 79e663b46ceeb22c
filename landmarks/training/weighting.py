"""How the tasks' losses are put together: each weighting is one way to make one step out of several losses.

Every method starts from the losses times the task weights of the configuration. What a method knows at the start of an
epoch (`fixed`, `dwa`, `dynamic`) is in its factors, computed from the log alone; what it learns from batch to batch
(`uncertainty`, `gradnorm`) is in its parameters; `pcgrad` leaves the losses as they are and changes their gradients."""

from __future__ import annotations

from landmarks.errors import unknown
from landmarks.training.weightings.base import Weighting
from landmarks.training.weightings.dwa import DynamicAverage
from landmarks.training.weightings.dynamic import DynamicCoefficients
from landmarks.training.weightings.gradnorm import GradNorm
from landmarks.training.weightings.pcgrad import ProjectedGradients
from landmarks.training.weightings.uncertainty import Uncertainty

__all__ = ["WEIGHTINGS", "Weighting", "create_weighting"]

WEIGHTINGS: dict[str, type[Weighting]] = {
    "fixed": Weighting,
    "uncertainty": Uncertainty,
    "dwa": DynamicAverage,
    "gradnorm": GradNorm,
    "pcgrad": ProjectedGradients,
    "dynamic": DynamicCoefficients,
}


def create_weighting(name: str, tasks: tuple[str, ...], task_weights: dict[str, float]) -> Weighting:
    """A weighting by name; the tasks' order is that of the network, the main task first. Raises ValueError."""
    if name not in WEIGHTINGS:
        raise ValueError(unknown("weighting", name, WEIGHTINGS))
    return WEIGHTINGS[name](tasks, task_weights)
