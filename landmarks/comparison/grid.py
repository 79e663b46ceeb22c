"""Arms and grids: what is compared, as frozen values and as one small TOML file."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from landmarks.errors import LandmarksError
from landmarks.models.network import NetworkConfig
from landmarks.schemes import ATTRIBUTES, POINTS_5
from landmarks.training.config import TrainingConfig
from landmarks.training.stopping import Stopping

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAIN = POINTS_5.name
CASCADE = "cascade"
NETWORKS: dict[str, dict] = {
    "tcdcn": {"input_size": 40, "features": 100, "coding": "regression"},
    "tcdcn-journal": {"input_size": 60, "features": 256, "coding": "regression"},
    "compact": {"input_size": 64, "features": 256, "bins_per_pixel": 1.0, "bins_margin": 0.1, "bins_rank": 8},
    CASCADE: {"input_size": 64, "encoder": "tcdcn"},  # of the configuration only the size is used
}
"""Networks by name, and their settings."""
SHARINGS = {"hard": "hard", "l2": "soft", "trace": "soft", "cross_stitch": "cross_stitch"}
"""Ways to share, and the network's part of each."""


@dataclass(frozen=True)
class Arm:
    """One thing that is compared. Raises ValueError for values that cannot be."""

    name: str
    group: str = "tasks"
    """The question that it belongs to."""
    network: str = "tcdcn"
    tasks: tuple[str, ...] = (MAIN, *ATTRIBUTES)
    sharing: str = "hard"
    """`hard`, `l2`, `trace` or `cross_stitch`."""
    strength: float = 0.0
    """Of the coupling in `l2` and `trace`."""
    width: float = 1.0
    """Factor on the network's channels and shared features: controls of equal cost."""
    weighting: str = "fixed"
    auxiliary_weight: float = 1.0
    """Weight of every auxiliary task's loss."""
    stopping: Stopping = field(default_factory=Stopping)
    faces: int = 0
    """Training faces, chosen at random by the seed; 0: all."""
    crop_scale: float = 1.7
    epochs: int = 30
    """As many steps as so many epochs over all training faces have, however many faces there are."""
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    distance: str = "least_squares"
    distance_weight: float = 1000.0
    precision: str = "bfloat16"
    seeds: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        if isinstance(self.stopping, dict):
            object.__setattr__(self, "stopping", Stopping(**self.stopping))
        if not self.name or any(sign in self.name for sign in "/\\\n"):
            raise ValueError(f"an arm's name must be one line without slashes, not {self.name!r}")
        if self.network not in NETWORKS:
            raise ValueError(f"arm {self.name!r}: unknown network {self.network!r}; known: {', '.join(NETWORKS)}")
        if self.sharing not in SHARINGS:
            raise ValueError(f"arm {self.name!r}: unknown sharing {self.sharing!r}; known: {', '.join(SHARINGS)}")
        if self.network == CASCADE and self.tasks != (MAIN,):
            raise ValueError(f'arm {self.name!r}: the cascade has one task; give it tasks = ["{MAIN}"]')
        if self.seeds < 1 or self.faces < 0:
            raise ValueError(f"arm {self.name!r}: seeds must be 1 or more, faces 0 or more")
        try:
            self.training(0)
            self.network_config()
        except ValueError as error:
            raise ValueError(f"arm {self.name!r}: {error}") from error

    def network_config(self) -> NetworkConfig:
        preset = {"encoder": self.network, **NETWORKS[self.network]}
        if self.width != 1 and "features" in preset:
            preset["features"] = round(preset["features"] * self.width)
        return NetworkConfig(
            tasks=self.tasks,
            crop_scale=self.crop_scale,
            width=self.width,
            sharing=SHARINGS[self.sharing],
            **preset,
        )

    def training(self, seed: int) -> TrainingConfig:
        simcc = self.network_config().coding == "simcc"
        return TrainingConfig(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            task_weights={task: self.auxiliary_weight for task in self.tasks[1:]},
            weighting=self.weighting,
            stopping=self.stopping,
            coupling=self.sharing if self.sharing in ("l2", "trace") else "l2",
            coupling_strength=self.strength,
            divergence_weight=1.0 if simcc else 0.0,
            distance=self.distance,
            distance_weight=self.distance_weight,
            precision=self.precision,
            seed=seed,
        )

    def as_dict(self) -> dict:
        """Plain values."""
        return asdict(self) | {"tasks": list(self.tasks)}

    def what_is_run(self) -> dict:
        """Plain values without those that say how often it is run and where it is told of."""
        return {key: value for key, value in self.as_dict().items() if key not in ("seeds", "group")}


@dataclass(frozen=True)
class Grid:
    """Arms and the one that the others are compared with."""

    arms: tuple[Arm, ...]
    reference: str

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError(f"two arms are called {next(n for n in names if names.count(n) > 1)!r}")
        if self.reference not in names:
            raise ValueError(f"the reference {self.reference!r} is no arm; arms: {', '.join(names)}")

    def runs(self) -> list[tuple[Arm, int]]:
        """Every arm and seed, the first seeds of all arms first: a grid cut short is a grid with fewer seeds."""
        most = max(arm.seeds for arm in self.arms)
        return [(arm, seed) for seed in range(most) for arm in self.arms if seed < arm.seeds]

    def only(self, names: list[str]) -> Grid:
        """The grid with these arms alone. Raises LandmarksError for unknown ones."""
        known = {arm.name: arm for arm in self.arms}
        for name in names:
            if name not in known:
                raise LandmarksError(f"no arm {name!r} in the grid; arms: {', '.join(known)}")
        return Grid(tuple(known[name] for name in names), self.reference if self.reference in names else names[0])


def read_grid(path: str | Path) -> Grid:
    """A grid from TOML: `reference`, a table `defaults` and tables `[[arms]]`, whose keys are `Arm`'s fields.

    Raises LandmarksError naming what is wrong.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LandmarksError(f"{path}: cannot be read as TOML ({error})") from error
    try:
        unknown = set(content) - {"reference", "defaults", "arms"}
        if unknown:
            raise ValueError(f"unknown key {sorted(unknown)[0]!r}; known: reference, defaults, arms")
        known = {entry.name for entry in fields(Arm)}
        arms = []
        for entry in content.get("arms", []):
            values = {**content.get("defaults", {}), **entry}
            if set(values) - known:
                raise ValueError(f"unknown key {sorted(set(values) - known)[0]!r} of an arm; known: {sorted(known)}")
            arms.append(Arm(**values))
        if not arms:
            raise ValueError("no arms")
        return Grid(tuple(arms), content.get("reference", arms[0].name))
    except (TypeError, ValueError, AttributeError) as error:
        raise LandmarksError(f"{path}: {error}") from error
