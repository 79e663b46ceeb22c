"""How a face detector is trained, as its TOML file says it: the sections [detector] and [training]."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field

from landmarks.config import checked
from landmarks.errors import unknown
from landmarks.models.facegrid import STRIDES, FaceGridConfig
from landmarks.training.config import LARGEST, PRECISIONS


@checked
@dataclass(frozen=True)
class Shares:
    """How often each kind of crop is made, relative to the others. Raises ValueError for shares that cannot be.

    A kind of which the data have no pictures is not made; the others keep their proportions.
    """

    face: float = 0.64
    """A crop chosen for one face of a photograph with several or small faces, at a random size."""
    portrait: float = 0.06
    """The same of a picture that is mostly one face."""
    mosaic: float = 0.12
    """Four portraits side by side."""
    anywhere: float = 0.12
    """A piece of any photograph with faces."""
    empty: float = 0.06
    """A piece of a photograph without faces."""
    decoy: float = 0.0
    """A piece around what the weights to start from take for a face where there is none."""

    def __post_init__(self) -> None:
        if min(astuple(self)) < 0 or not sum(astuple(self)) > 0:
            raise ValueError("must be 0 or more, at least one of them above 0")


@checked
@dataclass(frozen=True)
class DetectorTraining:
    """How a detector is trained. Raises ValueError for values that cannot be."""

    steps: int = 39_000
    """Batches to learn from."""
    batch_size: int = 32
    """Crops a batch."""
    learning_rate: float = 1.5e-3
    """AdamW's, between its rise and its fall."""
    muon_rate: float = 0.02
    """Muon's, of all kernels but the first and the last ones; rises and falls with the other. 0: AdamW has them."""
    rise_steps: int = 300
    """First steps, in which the rate rises from nothing, by a straight line."""
    fall_steps: int = 9_300
    """Last steps, in which the rate falls to nothing, by a straight line."""
    weight_decay: float = 0.02
    """Of the convolutions' kernels alone."""
    average_decay: float = 0.9995
    """Decay a step of the running average of the weights, which is what is kept; faster in the first steps."""
    clip_norm: float = 10.0
    """Largest norm of the gradient."""
    box_weight: float = 2.5
    """Weight of the boxes' loss beside that of the scores."""
    points_weight: float = 1.0
    """Weight of the points' loss beside that of the scores."""
    side: int = 320
    """Side of a training crop in pixels."""
    smallest: float = 6.0
    """Size in pixels (root of the box's area) of the smallest face that a crop is chosen for; smaller ones in a crop
    are neither learned nor punished."""
    largest: float = 340.0
    """Size of the largest face that a crop is chosen for. Sizes between are drawn log-uniformly."""
    turned: float = 0.32
    """Share of the crops that are turned, most of them by up to 60 degrees either way, one in sixteen by any angle."""
    changed: float = 1.0
    """Share of the crops whose light, colours and sharpness are changed."""
    shares: Shares = field(default_factory=Shares)
    """Of the kinds of crops."""
    hard: float = 0.0
    """A face that the weights to start from do not see at all is drawn so many times more than an easy one: 4 makes it
    five times as often. 0 draws all alike."""
    source_weights: dict[str, float] = field(default_factory=dict)
    """How often the faces and photographs of a dataset are drawn, by its name; 1 where not given."""
    log_steps: int = 50
    """Steps between two lines of the log."""
    validate_steps: int = 2000
    """Steps between two looks at the validation photographs."""
    validate_batches: int = 16
    """Batches of validation crops, the same every time."""
    precision: str = "float32"
    """One of PRECISIONS; `bfloat16` is mixed precision, faster where the processor has its instructions."""
    seed: int = 0
    workers: int = 1
    """Processes that make crops, no more than there are cores; 0 makes them in the training process."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_steps", "validate_steps", "validate_batches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        for name in (
            "rise_steps",
            "fall_steps",
            "weight_decay",
            "box_weight",
            "points_weight",
            "muon_rate",
            "hard",
            "workers",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if self.learning_rate <= 0 or self.clip_norm <= 0:
            raise ValueError("learning_rate and clip_norm must be above 0")
        weights = ("weight_decay", "box_weight", "points_weight")
        for name in ("learning_rate", "muon_rate", *weights, "clip_norm", "largest", "hard"):
            if getattr(self, name) > LARGEST:
                raise ValueError(f"{name} must not be above {LARGEST:g}, where numbers of 32 bits end")
        for name in ("turned", "changed"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share of the crops, from 0 to 1, not {getattr(self, name)}")
        for name, weight in self.source_weights.items():
            if not 0 <= weight <= LARGEST:
                raise ValueError(f"source_weights: the weight of {name!r} must be 0 or more, not {weight}")
        if self.precision not in PRECISIONS:
            raise ValueError(unknown("precision", self.precision, PRECISIONS))
        if not 0 <= self.average_decay < 1:
            raise ValueError(f"average_decay must be 0 or more and below 1, not {self.average_decay}")
        if not 0 <= self.seed < 2**63:
            raise ValueError("seed must be 0 or more and below 2 to the power of 63")
        if self.side % STRIDES[-1] or not STRIDES[-1] <= self.side <= 512:
            raise ValueError(f"side must be a multiple of {STRIDES[-1]} up to 512, not {self.side}")
        if not 1 <= self.smallest < self.largest:
            raise ValueError("smallest must be 1 or more and below largest")

    @property
    def looks(self) -> bool:
        """Whether the weights to start from are to look at the pictures before they learn from them."""
        return self.hard > 0 or self.shares.decoy > 0

    def rate_factor(self, step: int) -> float:
        """Share of `learning_rate` at a step, counted from 0: up to 1, level, down to nothing."""
        rise = min(1.0, (step + 1) / max(self.rise_steps, 1))
        fall = min(1.0, (self.steps - step) / max(self.fall_steps, 1))
        return max(0.0, rise * fall)


@checked
@dataclass(frozen=True)
class DetectorFile:
    """What the TOML file of a detector's training says, a section each."""

    detector: FaceGridConfig = field(default_factory=FaceGridConfig)
    training: DetectorTraining = field(default_factory=DetectorTraining)
