"""How to train, and what: frozen values, as a training's TOML file holds them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Any

from landmarks.config import checked, plain_values
from landmarks.datasets.crops.conditions import Conditions
from landmarks.datasets.table import BALANCED
from landmarks.errors import unknown
from landmarks.models.config import NetworkConfig
from landmarks.models.sharing import NORMS
from landmarks.training.losses import PointsLoss
from landmarks.training.stopping import Stopping
from landmarks.training.weightings.create import check_weighting

PRECISIONS = ("float32", "bfloat16")
OPTIMIZERS, SCHEDULES = ("adamw", "muon", "sgd"), ("one_cycle", "constant")
LATER = (
    *("optimizer", "momentum", "muon_rate", "schedule", "weighting_options", "balance", "conditions"),
    "gradient_cosine",
)
"""Fields that trainings of earlier versions do not have."""
LARGEST = 1e30
"""No number is larger: torch computes in 32 bits, and raises for one that does not fit."""


@checked
@dataclass(frozen=True)
class TrainingConfig:
    """How to train. Raises ValueError for values that cannot be."""

    epochs: int = 40
    batch_size: int = 128
    optimizer: str = "adamw"
    """`adamw` (Loshchilov and Hutter, 2019); `muon` (Jordan et al., 2024), which takes the kernels inside encoders and
    leaves the rest to AdamW; or `sgd`, gradient descent with momentum."""
    momentum: float = 0.9
    """Of `sgd`."""
    muon_rate: float = 0.02
    """Learning rate, as `learning_rate` is, of what Muon takes."""
    schedule: str = "one_cycle"
    """Of the learning rate: `one_cycle` (Smith and Topin, 2018), or `constant`."""
    learning_rate: float = 2e-3
    """Peak of the one-cycle schedule, or the constant rate."""
    weight_decay: float = 0.05
    task_weights: dict[str, float] = field(default_factory=dict)
    """Weight of each task's loss; 1 where not given."""
    weighting: str = "fixed"
    """How the weights move while the network learns; see `landmarks.training.weightings.create`."""
    weighting_options: dict[str, float] = field(default_factory=dict)
    """Arguments of the weighting: `alpha` of `gradnorm`, `temperature` of `dwa`, `c` of `cagrad`."""
    gradient_cosine: int = 0
    """Every so many steps, measure the cosine between each task's gradient and the main task's; 0: never."""
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
    balance: tuple[str, ...] = ()
    """Columns, such as race and gender, by whose groups together the faces that have all of them are drawn alike: as
    often of each group."""
    source_weights: dict[str, float] = field(default_factory=dict)
    """How often the faces of a source are drawn; 1 where not given."""
    conditions: Conditions = field(default_factory=Conditions)
    """How often crops are hard to see; see `landmarks.datasets.crops.conditions`."""
    draws: int = 0
    """Faces an epoch; 0: as many as there are."""
    average_decay: float = 0.995
    """Decay a step of the running average of the weights, which is what is kept; 0: the last weights themselves."""
    precision: str = "float32"
    """One of PRECISIONS; `bfloat16` is mixed precision."""
    seed: int = 0
    workers: int = 1
    """Processes that make samples, no more than there are cores; 0 makes them in the training process."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or self.learning_rate <= 0:
            raise ValueError("epochs must be 1 or more, batch_size 2 or more, learning_rate positive")
        for name in ("muon_rate", "weight_decay", "coupling_strength", "divergence_weight", "distance_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, float) and abs(value) > LARGEST:
                raise ValueError(f"{entry.name} must be no larger than {LARGEST:g}, not {value:g}")
        for name in ("draws", "workers", "gradient_cosine"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if not 0 <= self.seed < 2**63:
            raise ValueError("seed must be 0 or more and below 2 to the power of 63")
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise ValueError(unknown(name, getattr(self, name), known))
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be 0 or more and below 1, not {self.momentum}")
        if not 0 <= self.average_decay < 1:
            raise ValueError(f"average_decay must be 0 or more and below 1, not {self.average_decay}")
        for name in ("task_weights", "source_weights"):
            for key, weight in getattr(self, name).items():
                if not 0 <= weight <= LARGEST:
                    raise ValueError(f"{name}: the weight of {key!r} must be 0 or more, not {weight}")
        for column in self.balance:
            if column not in BALANCED:
                raise ValueError(f"balance: {unknown('column', column, BALANCED)}")
        PointsLoss(distance=self.distance)
        if self.precision not in PRECISIONS:
            raise ValueError(unknown("precision", self.precision, PRECISIONS))
        check_weighting(self.weighting, self.weighting_options)
        if self.coupling not in NORMS:
            raise ValueError(unknown("coupling", self.coupling, NORMS))

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return plain_values(self, later=LATER)

    @property
    def points_loss(self) -> PointsLoss:
        return PointsLoss(self.divergence_weight, self.distance_weight, self.distance)

    def check(self, tasks: Collection[str], sources: Collection[str] | None = None) -> None:
        """Raise ValueError for a weight of a task that the network does not have, or of a source that no face is of.

        tasks: the network's; sources: those of the data, None where they are not known yet.
        """
        for task in self.task_weights:
            if task not in tasks:
                raise ValueError(f"task_weights: {unknown('task', task, tasks)}; the network learns no other")
        for source in self.source_weights if sources is not None else ():
            if source not in (sources or ()):
                raise ValueError(
                    f"source_weights: {unknown('source', source, sorted(sources or ()))}; no other faces are in the "
                    "data: prepare them too, correct the name, or give --set source_weights={}"
                )


@checked
@dataclass(frozen=True)
class TrainingFile:
    """What the TOML file of a training says, a section each. Raises ValueError for sections that do not fit."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        self.training.check(self.network.tasks)
