"""Tasks of one's own: attributes and quantities that a `tasks.toml` declares.

    [tasks.mouth_open]
    labels = ["closed", "open"]

    [tasks.gaze]
    labels = ["left", "ahead", "right"]
    flip = ["right", "ahead", "left"]      # labels of the mirrored faces, where they are others
    note = "As seen by one annotator."     # what users must know before they use it

    [tasks.head_turn]
    kind = "number"                        # where nothing is said, a task is one of classes
    unit = "degrees"
    flip = "negated"                       # what it is of the mirrored faces, where it is not the same

Declared tasks are kept as values, never in a registry: two weights may declare tasks of one name and two meanings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from landmarks.config import build, checked, parse_toml
from landmarks.errors import DataError, LandmarksError, unknown
from landmarks.faces import PER_FACE, PER_POINT
from landmarks.geometry import BOX
from landmarks.schemes import (
    ATTRIBUTES,
    RECONSTRUCTION,
    SAME,
    SCHEMES,
    UNCERTAIN,
    Attribute,
    Declared,
    Quantity,
    plain_label,
)

ABSENT_WORDS = frozenset({"", "nan", "na", "n/a", "<na>", "none", "null"})
"""Cells, in any case, that say that there is no label."""
_COLUMNS = (
    "image",
    "split",
    "source",
    "status",
    "face",
    "ignore",
    "easy",
    "medium",
    "hard",
    "task",
    "arm",
    "seed",
    "race",
    "age",
    "track",
    "frame",
    "time",
)
_PARTS = ("crop", "coarse", "locator", "coupling", "quality", "images", "boxes", "crops", "box", "points", "name")
_OF_MODULES = (
    "add_module apply bfloat16 buffers call_super_init children clear compile cpu cuda double dump_patches eval train "
    "extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu items keys modules mtia "
    "load_state_dict named_buffers named_children named_modules named_parameters parameters pop requires_grad_ to xpu "
    "set_extra_state set_submodule share_memory state_dict to_empty training type update values zero_grad"
)
"""What torch's dictionaries of modules have of their own, so that no head can be called so."""
_ENDS = ("_x", "_y", "_error", "_errors", "_signs", "_logits", "_probability", "_distance")
_STARTS = ("points_", "point_", "guess_", "level_", "vectors", "register_")


@checked
@dataclass(frozen=True)
class OfClasses:
    """A task of some classes as it is written."""

    labels: tuple[str, ...]
    """Text of each class."""
    flip: tuple[str, ...] = ()
    """The labels of the mirrored faces, in the order of `labels`; (): the same ones."""
    note: str = ""
    """What users must know before they use it."""

    def task(self, name: str) -> Attribute:
        """The attribute. Raises ValueError."""
        texts = [plain_label(label) for label in self.labels]
        absent = [label for label in self.labels if label.strip().lower() in ABSENT_WORDS | {UNCERTAIN}]
        if absent:
            raise ValueError(f"the label {absent[0]!r} means that there is no label; give it another word")
        for label in self.flip:
            if plain_label(label) not in texts:
                raise ValueError(f"flip: {unknown('label', label, self.labels)}")
        if self.flip and len(self.flip) != len(self.labels):
            raise ValueError(
                f"flip has {len(self.flip)} labels, labels {len(self.labels)}; give for each the label of the mirrored "
                "face"
            )
        return Attribute(name, self.labels, tuple(texts.index(plain_label(label)) for label in self.flip), self.note)


@checked
@dataclass(frozen=True)
class OfNumbers:
    """A task that is a number as it is written."""

    unit: str = ""
    """Of the values, such as `degrees`."""
    flip: str = SAME
    """What the number is of the mirrored face: `same` or `negated`."""
    note: str = ""
    """What users must know before they use it."""

    def task(self, name: str) -> Quantity:
        """The quantity. Raises ValueError."""
        return Quantity(name, self.unit, self.flip, self.note)


KINDS: dict[str, type[OfClasses] | type[OfNumbers]] = {"class": OfClasses, "number": OfNumbers}
"""How a task is written, by its `kind`; it is one of classes where the file does not say."""


@checked
@dataclass(frozen=True)
class TasksFile:
    """The file as it is written."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_declared(text: str, where: str) -> tuple[Declared, ...]:
    """The tasks that a `tasks.toml` declares, in its order. Raises LandmarksError naming file, task and cure."""
    found: list[Declared] = []
    for name, table in build(TasksFile, parse_toml(text, where), where).tasks.items():
        kind = table.pop("kind", "class")
        if kind not in KINDS:
            raise LandmarksError(f"{where}: tasks.{name}: {unknown('kind', str(kind), KINDS)}")
        declaration = build(KINDS[kind], table, f"{where}: tasks.{name}")
        try:
            found.append(declaration.task(name))
            check_declared(found)
        except ValueError as error:
            raise LandmarksError(f"{where}: tasks.{name}: {error}") from error
    return tuple(found)


@checked
@dataclass(frozen=True)
class _Kept:
    tasks: tuple[dict[str, Any], ...]


def read_kept(values: Any, where: str) -> tuple[Declared, ...]:
    """The tasks of plain values, as files keep them (`dataclasses.asdict` of each). Raises DataError."""
    try:
        kept = build(_Kept, {"tasks": values}, where).tasks
        tasks = tuple(_kept_task(one, where) for one in kept)
        check_declared(tasks)
    except (LandmarksError, ValueError) as error:
        raise DataError(str(error)) from error
    return tasks


def _kept_task(values: dict[str, Any], where: str) -> Declared:
    return build(Attribute, values, where) if "labels" in values else build(Quantity, values, where)


def declared_from_dict(values: dict[str, Any]) -> Declared:
    """An attribute or a quantity from the plain values of its fields. Raises ValueError, KeyError or TypeError."""
    if "labels" not in values:
        return Quantity(**{name: str(values[name]) for name in ("name", "unit", "flip", "note")})
    return Attribute(values["name"], tuple(values["labels"]), tuple(values["flip"]), values["note"])


def check_declared(declared: Collection[Declared]) -> None:
    """Raise ValueError for tasks whose names are taken: by a built-in task, by a column, or by each other."""
    names = [task.name for task in declared]
    for name in names:
        if name in (*SCHEMES, *ATTRIBUTES, RECONSTRUCTION.name):
            raise ValueError(f"{name!r} is a built-in task; give yours another name")
        if names.count(name) > 1:
            raise ValueError(f"the task {name!r} is declared twice")
        if name in _taken() or name in _OF_MODULES.split() or name.startswith(_STARTS) or name.endswith(_ENDS):
            raise ValueError(f"{name!r} is, or looks like, the name of something else; give the task another one")


def merged(several: Iterable[tuple[str, Iterable[Declared]]]) -> tuple[Declared, ...]:
    """The tasks of several places, each once. Raises DataError where two places mean different things by a name.

    several: where, and what is declared there.
    """
    found: dict[str, tuple[str, Declared]] = {}
    for where, declared in several:
        for task in declared:
            first, same = found.setdefault(task.name, (where, task))
            if same != task:
                raise DataError(
                    f"{first} and {where} declare {task.name!r} differently; give one of the tasks another name"
                )
    return tuple(task for _, task in found.values())


def _taken() -> set[str]:
    """Names of columns, of what a batch holds and of losses."""
    points = {point for scheme in SCHEMES.values() for point in scheme.points}
    return {*_COLUMNS, *_PARTS, *BOX, *points, *(number.column for number in (*PER_FACE, *PER_POINT))}
