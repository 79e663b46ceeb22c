"""Arms and grids: what is compared and what is asked, as frozen values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from landmarks.config import checked, plain_values
from landmarks.declared import merged
from landmarks.errors import LandmarksError, nearest, unknown
from landmarks.models.config import NetworkConfig, is_encoder
from landmarks.schemes import ATTRIBUTES, POINTS_5, RECONSTRUCTION, SCHEMES, Declared, Scheme, known_tasks
from landmarks.training.config import TrainingConfig
from landmarks.training.stopping import Stopping

MAIN = POINTS_5.name
CASCADE = "cascade"
NETWORKS: dict[str, dict[str, Any]] = {
    "tcdcn": {"input_size": 40, "features": 100, "coding": "regression"},
    "tcdcn-journal": {"input_size": 60, "features": 256, "coding": "regression"},
    "compact": {"input_size": 64, "features": 256, "bins_per_pixel": 1.0, "bins_margin": 0.1, "bins_rank": 8},
    CASCADE: {"input_size": 64, "encoder": "tcdcn"},  # of the configuration only the size is used
}
"""Networks by name, and their settings."""
OTHERS = {"input_size": 64, "features": 256, "bins_per_pixel": 1.0, "bins_margin": 0.1, "bins_rank": 8}
"""Those of any other encoder."""
VIEWS = 12
LATER = (
    *("declared", "input_size", "features", "coding", "task_weights", "weighting_options", "views", "jitter"),
    *("optimizer", "momentum", "schedule", "average_decay", "labels", "shuffled", "gradient_cosine"),
    *("landmarks", "labelled_only", "share", "muon_rate"),
)
"""Fields of an arm that folders of earlier versions do not have."""
SHARINGS = {"hard": "hard", "l2": "soft", "trace": "soft", "cross_stitch": "cross_stitch"}
"""Ways to share, and the network's part of each."""
VARIES = ("tasks", "sharing", "stopping", "weighting", "epochs", "network", "faces", "levels", "map", "labels")
"""What the arms of a group may vary of which there is a figure or a table of its own."""


@checked
@dataclass(frozen=True)
class Group:
    """A question, which some arms answer. Raises ValueError for values that cannot be."""

    title: str
    """The question itself: the heading of the group's part of the page."""
    asked: str = ""
    """What its arms are, a sentence or two below the heading."""
    varies: str = ""
    """What its arms vary, which decides how they are told and drawn: `tasks`, `sharing`, `stopping`, `weighting`,
    `epochs`, `network`, `faces`, `levels` (of the cascade), `map` (faces and views) or `labels`; empty: a table."""
    against: str = ""
    """Arm that its arms are held against besides the landmarks alone; empty: none."""
    against_words: str = ""
    """What that arm stands for, such as `hard sharing`; empty: its name."""

    def __post_init__(self) -> None:
        if not self.title:
            raise ValueError("a group needs a title")
        if self.varies and self.varies not in VARIES:
            raise ValueError(f"varies: {unknown('word', self.varies, VARIES)}")


DEFAULT_GROUP = "tasks"
DEFAULT_GROUPS = {
    DEFAULT_GROUP: Group(
        "Which auxiliary tasks help?", "The landmarks learnt alone and with other tasks.", varies="tasks"
    )
}
"""Of a grid that declares none."""


@checked
@dataclass(frozen=True)
class Arm:
    """One thing that is compared. Raises ValueError for values that cannot be.

    The defaults of how it is trained are those that were chosen for `tcdcn` on MTFL's validation faces.
    """

    name: str
    """Of the arm, in tables and figures; in an entry that sweeps, with its fields in braces."""
    group: str = DEFAULT_GROUP
    """The question that it belongs to."""
    against: str = ""
    """Arm that it is held against besides the landmarks alone; empty: its group's."""
    network: str = "tcdcn"
    """`tcdcn`, `tcdcn-journal`, `compact`, `cascade`, or another encoder: `accurate`, `torchvision:NAME`, `timm:NAME`,
    `module:Class` of your own."""
    input_size: int = 0
    """Side of the network's crop in pixels; 0: the network's usual one."""
    features: int = 0
    """Width of the feature vector that every head reads; 0: the network's usual one times `width`."""
    coding: str = ""
    """`simcc` or `regression`; empty: the network's usual one."""
    landmarks: str = MAIN
    """The landmarks that are measured, and that the other tasks are to help: `points_5`, or `points_68` and the like;
    the same ones in all arms of a grid."""
    tasks: tuple[str, ...] = (MAIN, *ATTRIBUTES)
    """`landmarks`, which come first, other landmarks such as `points_68`, attributes, tasks that the data declare;
    `reconstruction`, which comes last: the crop itself, small and grey, for which no face needs a label."""
    declared: tuple[Declared, ...] = ()
    """Those of its tasks that are not built in: what the data declare, filled in when a grid is read."""
    sharing: str = "hard"
    """`hard`, `l2`, `trace` or `cross_stitch`."""
    strength: float = 0.0
    """Of the coupling in `l2` and `trace`."""
    width: float = 1.0
    """Factor on the network's channels and shared features: controls of equal cost."""
    weighting: str = "fixed"
    """How the tasks' weights move: `fixed`, `uncertainty`, `dwa`, `gradnorm`, `pcgrad`, `dynamic`, `famo`, `random`,
    `nash_mtl`, `fairgrad`, TorchJD's `upgrad`, `cagrad`, `imtl_g`, `aligned_mtl`, `mgda`, `config` and `dualproj`, or
    `module:Class` of your own."""
    weighting_options: dict[str, float] = field(default_factory=dict, hash=False)
    """Arguments of the weighting: `alpha` of `gradnorm` (1.5), `temperature` of `dwa` (2), `c` of `cagrad` (0.4),
    `alpha` of `fairgrad` (2), `rate` (0.025) and `decay` (0.001) of `famo`."""
    auxiliary_weight: float = 0.1
    """Weight of every auxiliary task's loss."""
    task_weights: dict[str, float] = field(default_factory=dict, hash=False)
    """Weights of single tasks' losses, in place of `auxiliary_weight`."""
    stopping: Stopping = field(default_factory=Stopping)
    """When tasks stop; its keys are below."""
    faces: int = 0
    """Training faces, chosen at random by the seed; 0: all."""
    labelled_only: bool = False
    """Whether training faces without a label of any of the arm's tasks, such as those of another folder, are left out;
    else they are in its batches, as in those of the other arms, and teach it nothing."""
    share: float = 0.0
    """Share of each batch that is drawn from the faces with the landmarks that are measured, the rest from all faces;
    0: all of it from all. Where their folder is a small one of several, a batch would have few of them."""
    labels: dict[str, int] = field(default_factory=dict, hash=False)
    """Training faces that keep their label of a task, such as `{smile = 50}`, chosen by the seed with each class's
    share; the labels of the others are masked, and faces without a label of any of the arm's tasks are left out (none
    with `reconstruction`, for which each face is its own label). Half of each batch are faces with such a label."""
    shuffled: tuple[str, ...] = ()
    """Tasks whose labels are dealt out anew among the training faces, by the seed: a control whose tasks can be learnt
    by heart and say nothing of the face."""
    views: int = VIEWS
    """Views of each training face, made once: an epoch sees one, the next epoch the next. 1: the same crop always."""
    jitter: float = 1.0
    """Factor on how far the views of training faces stray, in place, size and angle, from the faces' squares; 1: as
    detectors' boxes do, 0: not at all. Views are mirrored or not, whatever it is."""
    crop_scale: float = 2.3
    """Side of the face square over the larger side of the landmarks' extent."""
    epochs: int = 30
    """As many steps as so many epochs over all training faces have, however many faces there are."""
    batch_size: int = 64
    """Faces a step."""
    optimizer: str = TrainingConfig.optimizer
    """`adamw`; `muon`, which takes the inner kernels of the encoders and leaves the rest to AdamW; or `sgd`: gradient
    descent with momentum, as the papers had it."""
    momentum: float = TrainingConfig.momentum
    """Of `sgd`."""
    muon_rate: float = TrainingConfig.muon_rate
    """Learning rate, as `learning_rate` is, of what Muon takes."""
    schedule: str = TrainingConfig.schedule
    """Of the learning rate: `one_cycle`, up to it and down to nothing, or `constant`."""
    learning_rate: float = 3e-3
    """Its peak, or the constant rate."""
    weight_decay: float = TrainingConfig.weight_decay
    """Of matrices and kernels."""
    average_decay: float = TrainingConfig.average_decay
    """Decay a step of the running average of the weights, which is what is measured; 0: the last weights themselves."""
    distance: str = "least_squares"
    """The landmarks' loss: `least_squares`, `euclidean`, `smooth_l1` or `wing`."""
    distance_weight: float = 1000.0
    """Weight of that loss, in sides of the crop."""
    gradient_cosine: int = 0
    """Steps from one measurement of the cosines between the other tasks' gradients and the landmarks' (or the first
    task's) to the next, on what all share; 0: none. Kept in the logs; means in `summary.csv`."""
    precision: str = "bfloat16"
    """`bfloat16` (mixed) or `float32`."""
    seeds: int = 3
    """Trainings of the arm, with the seeds 0, 1, ...; the same seed draws the same faces in every arm."""

    def __post_init__(self) -> None:
        if not self.name or any(sign in self.name for sign in "/\\\n"):
            raise ValueError(f"an arm's name must be one line without slashes, not {self.name!r}")
        if self.network not in NETWORKS and not is_encoder(self.network):
            known = [*NETWORKS, "accurate", "torchvision:NAME", "timm:NAME", "module:Class"]
            raise ValueError(unknown("network", self.network, known))
        if self.sharing not in SHARINGS:
            raise ValueError(unknown("sharing", self.sharing, SHARINGS))
        if self.landmarks not in SCHEMES:
            raise ValueError(unknown("landmarks", self.landmarks, SCHEMES))
        order, last = (self.landmarks, *known_tasks(self.declared)), RECONSTRUCTION.name
        tasks = sorted(self.tasks, key=lambda task: order.index(task) if task in order else len(order) + (task == last))
        object.__setattr__(self, "tasks", tuple(tasks))
        object.__setattr__(self, "declared", tuple(one for one in self.declared if one.name in tasks))
        if self.network == CASCADE and not self.tasks == (self.landmarks,) == (MAIN,):
            raise ValueError(f'the cascade has one task; give it tasks = ["{MAIN}"]')
        if self.seeds < 1 or self.faces < 0 or self.views < 1:
            raise ValueError("seeds and views must be 1 or more, faces 0 or more")
        if not 0 <= self.share < 1:
            raise ValueError(f"share must be 0 or more and below 1, not {self.share}")
        if self.share and self.labels:
            raise ValueError("share and labels both say of what faces a batch is made; give one of them")
        if not 0 <= self.jitter <= 4:
            raise ValueError(f"jitter must be 0 to 4, not {self.jitter}")
        for task in self.task_weights:
            if task not in self.tasks:
                raise ValueError(f"task_weights: {unknown('task', task, self.tasks)}; the arm learns no other")
        for key, named in {"labels": self.labels, "shuffled": self.shuffled}.items():
            for task in named:
                others = [task for task in self.tasks if task not in (*SCHEMES, last)]
                if task not in others:
                    told = unknown("task", task, others)
                    raise ValueError(f"{key}: {told}; the arm learns no other task of classes or numbers")
        if any(not 0 < count <= (self.faces or count) for count in self.labels.values()):
            raise ValueError(f"labels = {self.labels}: must be 1 or more of each task, and no more than its faces")
        self.training(0)

    def network_config(self) -> NetworkConfig:
        preset = {"encoder": self.network, **NETWORKS.get(self.network, OTHERS)}
        if self.width != 1 and "features" in preset:
            preset["features"] = round(preset["features"] * self.width)
        own = {"input_size": self.input_size, "features": self.features, "coding": self.coding}
        preset |= {key: value for key, value in own.items() if value}
        return NetworkConfig(
            tasks=self.tasks,
            declared=self.declared,
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
            task_weights={task: self.auxiliary_weight for task in self.tasks[1:]} | self.task_weights,
            weighting=self.weighting,
            weighting_options=self.weighting_options,
            optimizer=self.optimizer,
            momentum=self.momentum,
            muon_rate=self.muon_rate,
            schedule=self.schedule,
            average_decay=self.average_decay,
            stopping=self.stopping,
            coupling=self.sharing if self.sharing in ("l2", "trace") else "l2",
            coupling_strength=self.strength,
            divergence_weight=1.0 if simcc else 0.0,
            distance=self.distance,
            distance_weight=self.distance_weight,
            gradient_cosine=self.gradient_cosine,
            precision=self.precision,
            seed=seed,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return plain_values(self, LATER) | {"tasks": list(self.tasks)}

    def what_is_run(self) -> dict[str, Any]:
        """Plain values without those that say how often it is run and where it is told of."""
        return {key: value for key, value in self.as_dict().items() if key not in ("seeds", "group", "against")}


@checked
@dataclass(frozen=True)
class Grid:
    """Arms, the one that the others are compared with, and the questions. Raises ValueError for what does not fit."""

    arms: tuple[Arm, ...]
    reference: str
    groups: dict[str, Group] = field(default_factory=lambda: dict(DEFAULT_GROUPS))
    """In the order of telling."""

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if not names:
            raise ValueError("no arms; give each a table [[arms]] with a name")
        if len(set(names)) < len(names):
            raise ValueError(f"two arms are called {next(n for n in names if names.count(n) > 1)!r}")
        if self.reference not in names:
            raise ValueError(f"the reference {self.reference!r} is no arm; {_meant(self.reference, names)}")
        other = next((arm for arm in self.arms if arm.landmarks != self.landmarks.name), None)
        if other is not None:
            raise ValueError(
                f"arm {other.name!r} measures {other.landmarks}, {names[0]!r} {self.landmarks.name}: errors of which "
                "neither can be held against the other; make a grid of each"
            )
        for name in self.groups:
            if not name or set(name) & set("/\\\n"):
                raise ValueError(f"a group's name must be one line without slashes, not {name!r}")
        for arm in self.arms:
            if arm.group not in self.groups:
                raise ValueError(f"arm {arm.name!r}: {unknown('group', arm.group, self.groups)}")
        merged((f"arm {arm.name!r}", arm.declared) for arm in self.arms)
        held = {f"arm {arm.name!r}": arm.against for arm in self.arms}
        held |= {f"groups.{name}": group.against for name, group in self.groups.items()}
        for what, against in held.items():
            if against and against not in names:
                raise ValueError(f"{what}: against = {against!r} is no arm; {_meant(against, names)}")

    @property
    def landmarks(self) -> Scheme:
        """What all arms are measured on."""
        return SCHEMES[self.arms[0].landmarks]

    @property
    def declared(self) -> tuple[Declared, ...]:
        """All tasks of the arms that are not built in."""
        return merged((arm.name, arm.declared) for arm in self.arms)

    def runs(self, names: Sequence[str] = ()) -> list[tuple[Arm, int]]:
        """Every seed of the arms of these names, of all without names; the first seeds of all arms first: a grid cut
        short is a grid with fewer seeds. Raises LandmarksError for an unknown name."""
        arms = self.choose(names)
        return [(arm, seed) for seed in range(max(arm.seeds for arm in arms)) for arm in arms if seed < arm.seeds]

    def choose(self, names: Sequence[str]) -> list[Arm]:
        """The arms of these names, all without names. Raises LandmarksError for an unknown one."""
        known = {arm.name: arm for arm in self.arms}
        for name in names:
            if name not in known:
                raise LandmarksError(f"no arm {name!r} in the grid; {_meant(name, known)}")
        return [known[name] for name in dict.fromkeys(names)] or list(self.arms)

    def without(self, names: Collection[str]) -> Grid:
        """The grid without these arms. The reference must stay; what was held against another of them no longer is."""

        def left(against: str) -> str:
            return "" if against in names else against

        arms = (replace(arm, against=left(arm.against)) for arm in self.arms if arm.name not in names)
        groups = {name: replace(group, against=left(group.against)) for name, group in self.groups.items()}
        return Grid(tuple(arms), self.reference, groups)


def _meant(name: str, known: Iterable[str]) -> str:
    """The five arms whose names come nearest to a wrong one, a line each."""
    names = list(known)
    return "\n  ".join(["did you mean", *(nearest(name, names, 5) or names[:5])])
