"""Aggregators of gradients that TorchJD computes (https://torchjd.org, the extra `mtl`).

Most of them give a mean of the tasks' gradients; what is used here is that mean times the number of running tasks, so
that a step is as long as the sum of equal weights makes it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from landmarks.errors import LandmarksError
from landmarks.training.weightings.gradients import GradientWeighting


class Aggregated(GradientWeighting):
    """One of TorchJD's aggregators; subclasses say which. Raises LandmarksError where its packages are missing."""

    NAME: ClassVar[str]
    """Of its class in `torchjd.aggregation`."""
    SUMS: ClassVar[bool] = False
    """Whether it gives a sum of the gradients already."""

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float], **options: Any) -> None:
        super().__init__(tasks, task_weights)
        self.aggregator: Any = _create(self.NAME, options)

    def combine(self, gradients: Tensor) -> Tensor:
        # In double precision: the gradients of easy and hard tasks are orders of magnitude apart.
        added = self.aggregator(gradients.double())
        return (added if self.SUMS else len(gradients) * added).to(gradients)


class UPGrad(Aggregated):
    """UPGrad (Quinton and Rey, arXiv 2406.16232): each gradient projected onto the cone that hurts no task."""

    NAME = "UPGrad"

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)


class CAGrad(Aggregated):
    """CAGrad (Liu et al., NeurIPS 2021): near the mean gradient, the one that is best for the worst task."""

    NAME = "CAGrad"

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float], c: float = 0.4) -> None:
        """c: radius around the mean gradient, as a share of its length."""
        super().__init__(tasks, task_weights, c=c)


class ImtlG(Aggregated):
    """IMTL-G (Liu et al., ICLR 2021): the gradient whose projections onto all tasks' are equal."""

    NAME = "IMTLG"

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)


class AlignedMtl(Aggregated):
    """Aligned-MTL (Senushkin et al., CVPR 2023): the gradients made orthogonal and equally long."""

    NAME = "AlignedMTL"

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)


class Mgda(Aggregated):
    """MGDA (Desideri 2012; Sener and Koltun, NeurIPS 2018): the shortest weighted mean of the gradients."""

    NAME = "MGDA"

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)


class DualProj(Aggregated):
    """The mean gradient projected onto the cone that hurts no task (Lopez-Paz and Ranzato, NeurIPS 2017)."""

    NAME = "DualProj"

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        projector = _create("QuadprogProjector", {"reg_eps": 1e-6})  # in double precision less than its 1e-4 does
        super().__init__(tasks, task_weights, projector=projector)


class ConFIG(Aggregated):
    """ConFIG (Liu et al., arXiv 2408.11104): the direction with the same angle to all gradients, as long as all of them
    reach along it."""

    NAME, SUMS = "ConFIG", True

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)


def _create(name: str, options: dict[str, Any]) -> Any:
    try:
        from torchjd import aggregation, linalg

        return getattr(linalg if hasattr(linalg, name) else aggregation, name)(**options)
    except ImportError as error:
        raise LandmarksError(f"this weighting needs TorchJD; pip install 'landmarks[mtl]' ({error})") from error
