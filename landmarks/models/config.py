"""All that is needed to build a network and to feed it, as one value. No torch: what runs an exported network needs it
too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from landmarks.config import checked, plain_values
from landmarks.declared import check_declared
from landmarks.dotted import is_dotted
from landmarks.errors import unknown
from landmarks.schemes import (
    ATTRIBUTES,
    RECONSTRUCTION,
    SCHEMES,
    Attribute,
    Declared,
    Quantity,
    known_attributes,
    known_quantities,
    known_tasks,
)

if TYPE_CHECKING:
    from landmarks.models.heads import Codec

CODINGS = ("simcc", "regression")
HARD, SOFT, CROSS_STITCH = SHARINGS = ("hard", "soft", "cross_stitch")
ENCODERS = (
    *("compact", "accurate", "compact-multiscale", "accurate-multiscale", "lite0", "lite1", "lite2"),
    *("tcdcn", "tcdcn-journal"),
)
"""What `landmarks.models.encoders` makes; beside them any of torchvision's, of timm's and of one's own."""
TORCHVISION, TIMM = "torchvision:", "timm:"


@checked
@dataclass(frozen=True)
class NetworkConfig:
    """All that is needed to build a network and to feed it. Raises ValueError for values that make no network."""

    tasks: tuple[str, ...] = (*["points_5"], *ATTRIBUTES)
    """Names of schemes, attributes and quantities, one head each; `reconstruction` of the crop, which comes last."""
    declared: tuple[Declared, ...] = ()
    """Attributes beside the built-in ones, and quantities; those that are no task are dropped."""
    encoder: str = "compact"
    """`compact`, `accurate`, both with `-multiscale`, `lite0` to `lite2`, `tcdcn`, `tcdcn-journal`, `torchvision:NAME`,
    `timm:NAME`, or `module:Class` of your own (see `landmarks.models.encoders`)."""
    width: float = 1.0
    """Factor on the channels of the encoder."""
    sharing: str = "hard"
    """What the tasks share: `hard`, one encoder; `soft`, nothing but what couples an encoder for each in training;
    `cross_stitch`, encoders for each that mix their activations."""
    input_size: int = 72
    """Side of the crop in pixels."""
    crop_scale: float = 1.7
    """Side of the canonical face square over the larger side of the landmarks' extent."""
    features: int = 256
    """Width of the shared feature vector that every head reads."""
    coding: str = "simcc"
    """How points are coded: `simcc` or `regression`."""
    bins_per_pixel: float = 2.0
    bins_margin: float = 0.0
    """How far the bins reach beyond each side of the crop, as a share of its side."""
    bins_rank: int = 0
    """Number of profiles of which all bins are mixed; 0: weights for each bin of each point."""
    target_sigma: float = 1.5
    """Spread of the landmark targets in crop pixels."""
    locator_size: int = 0
    """Side of the crop that the locator reads; 0: no locator, the network makes the first pass itself."""
    mirror: bool = False
    """Predict the crop and its mirror image and average: better and twice as slow."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(sorted(self.tasks, key=lambda task: task == RECONSTRUCTION.name)))
        check_declared(self.declared)
        every = [*SCHEMES, *known_tasks(self.declared), RECONSTRUCTION.name]
        for task in self.tasks:
            if task not in every:
                raise ValueError(unknown("task", task, every))
        object.__setattr__(self, "declared", tuple(one for one in self.declared if one.name in self.tasks))
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError("tasks must name at least one task and none twice")
        if self.tasks == (RECONSTRUCTION.name,):
            raise ValueError(f"{RECONSTRUCTION.name} is learnt beside other tasks; add one, such as points_5")
        if not is_encoder(self.encoder):
            encoders = [*ENCODERS, f"{TORCHVISION}NAME", f"{TIMM}NAME", "module:Class"]
            raise ValueError(unknown("encoder", self.encoder, encoders))
        if not 0.1 <= self.width <= 16:
            raise ValueError(f"width must be 0.1 to 16, not {self.width}")
        if self.sharing not in SHARINGS:
            raise ValueError(unknown("sharing", self.sharing, SHARINGS))
        if self.coding not in CODINGS:
            raise ValueError(unknown("coding", self.coding, CODINGS))
        if not 16 <= self.input_size <= 1024:
            raise ValueError(f"input_size must be 16 to 1024 pixels, not {self.input_size}")
        if self.locator_size and not 16 <= self.locator_size <= 256:
            raise ValueError(f"locator_size must be 0 or 16 to 256 pixels, not {self.locator_size}")
        if not 0.5 <= self.crop_scale <= 10:
            raise ValueError(f"crop_scale must be 0.5 to 10, not {self.crop_scale}")
        if not (1 <= self.features <= 4096 and 0.1 <= self.bins_per_pixel <= 16 and 0 < self.target_sigma <= 64):
            raise ValueError("features, bins_per_pixel or target_sigma out of range")
        if not (0 <= self.bins_margin <= 2 and 0 <= self.bins_rank <= 1024):
            raise ValueError("bins_margin or bins_rank out of range")

    @property
    def schemes(self) -> tuple[str, ...]:
        """The landmark schemes among the tasks."""
        return tuple(task for task in self.tasks if task in SCHEMES)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes among the tasks."""
        known = known_attributes(self.declared)
        return tuple(task for task in self.tasks if task in known)

    @property
    def quantities(self) -> dict[str, Quantity]:
        """The quantities among the tasks, by name in the tasks' order."""
        known = known_quantities(self.declared)
        return {task: known[task] for task in self.tasks if task in known}

    def attribute(self, name: str) -> Attribute:
        """The attribute of a name, built-in or declared."""
        return known_attributes(self.declared)[name]

    @property
    def codec(self) -> Codec:
        from landmarks.models.heads import Regression, SimCC  # torch's, which only those need who decode

        if self.coding == "regression":
            return Regression(self.input_size)
        return SimCC(self.input_size, self.bins_per_pixel, self.target_sigma, self.bins_margin)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a file header."""
        return plain_values(self, later=("declared",))


def is_encoder(name: str) -> bool:
    """Whether a name may be an encoder's; what is from outside is looked for where the network is built."""
    return name in ENCODERS or name.startswith((TORCHVISION, TIMM)) or is_dotted(name)


def differences(config: NetworkConfig, other: NetworkConfig) -> list[str]:
    """The settings by which the weights of one network do not do for the other: those that shape what both have or
    say what its numbers mean. Tasks may differ, a locator may be missing on one side."""
    names = ["encoder", "width", "sharing", "input_size", "crop_scale", "features"]
    if config.schemes and other.schemes:
        names.append("coding")
        if config.coding == other.coding == "simcc":
            names += ["bins_per_pixel", "bins_margin", "bins_rank"]
    if config.locator_size and other.locator_size:
        names.append("locator_size")
    return [name for name in names if getattr(config, name) != getattr(other, name)]
