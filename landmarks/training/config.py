"""How to train: one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field

from landmarks.models.sharing import NORMS
from landmarks.training.losses import PointsLoss
from landmarks.training.stopping import Stopping
from landmarks.training.weighting import WEIGHTINGS


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. Raises ValueError for values that cannot be."""

    epochs: int = 40
    batch_size: int = 128
    learning_rate: float = 2e-3
    """Peak of the one-cycle schedule (Smith and Topin, 2018)."""
    weight_decay: float = 0.05
    task_weights: dict[str, float] = field(default_factory=dict)
    """Weight of each task's loss; 1 where not given."""
    weighting: str = "fixed"
    """How the weights move while the network learns; see `landmarks.training.weighting`."""
    stopping: Stopping = field(default_factory=Stopping)
    """When tasks stop; see `landmarks.training.stopping`."""
    coupling: str = "l2"
    """Norm that couples the towers of soft parameter sharing: `l2` or `trace`."""
    coupling_strength: float = 0.0
    """Weight of that norm in the loss."""
    divergence_weight: float = 1.0
    """Weight, in the landmarks' loss, of the divergence of their bins."""
    distance_weight: float = 150.0
    """Weight, in the landmarks' loss, of the decoded points' distance, in sides of the crop."""
    distance: str = "euclidean"
    """`euclidean`, `least_squares`, `smooth_l1` or `wing`."""
    pose_balance: float = 0.5
    """Faces are drawn with probability n^-pose_balance, n the number of faces in their pose class."""
    source_weights: dict[str, float] = field(default_factory=dict)
    """How often the faces of a source are drawn; 1 where not given."""
    draws: int = 0
    """Faces an epoch; 0: as many as there are."""
    average_decay: float = 0.995
    """Decay a step of the running average of the weights, which is what is kept."""
    precision: str = "float32"
    """`float32` or `bfloat16` (mixed precision)."""
    seed: int = 0
    workers: int = 1
    """Processes that make samples; 0 makes them in the training process."""

    def __post_init__(self) -> None:
        if isinstance(self.stopping, dict):  # a section of a TOML file
            object.__setattr__(self, "stopping", Stopping(**self.stopping))
        if self.epochs < 1 or self.batch_size < 2 or self.learning_rate <= 0 or self.workers < 0:
            raise ValueError(
                "epochs must be 1 or more, batch_size 2 or more, learning_rate positive, workers 0 or more"
            )
        PointsLoss(distance=self.distance)
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be float32 or bfloat16, not {self.precision!r}")
        if self.weighting not in WEIGHTINGS:
            raise ValueError(f"unknown weighting {self.weighting!r}; known: {', '.join(WEIGHTINGS)}")
        if self.coupling not in NORMS:
            raise ValueError(f"unknown coupling {self.coupling!r}; known: {', '.join(NORMS)}")

    @property
    def points_loss(self) -> PointsLoss:
        return PointsLoss(self.divergence_weight, self.distance_weight, self.distance)
