"""What can be predicted: landmark schemes, attributes and quantities; and the crop itself.

Each of them is a *task*: a name, how the task flips when the image is mirrored,
and what its outputs mean. Networks, losses, metrics, files and drawings all read from here.

Left and right are the image's: `left_eye` is the eye with the smaller x in an upright face seen from
the front, and pose `left` is a face that looks towards the left border of the image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from landmarks.config import checked

UNCERTAIN = "uncertain"
"""In the place of an attribute's label where a face does not tell it."""
ABSENT = -1
"""The value of an attribute label that a dataset does not give. Absent points and quantities are NaN."""
LARGEST = 1e30
"""No value of a quantity is larger: networks compute in 32 bits."""
SAME, NEGATED = "same", "negated"
"""What a quantity of the mirrored face is: the same one, or its negative."""


@dataclass(frozen=True)
class Scheme:
    """An ordered set of landmarks. Points of a face are an array of shape (K, 2), x and y in pixels."""

    name: str
    """Task name and table column, such as `points_5`."""
    points: tuple[str, ...]
    """Name of each landmark, in order. No two schemes share a name."""
    swap: tuple[int, ...]
    """`points[swap]` puts the landmarks of a mirrored face back in order."""
    left_eye: tuple[int, ...]
    """Landmarks whose mean is the centre of the left eye; likewise the four below."""
    right_eye: tuple[int, ...]
    nose: tuple[int, ...]
    mouth_left: tuple[int, ...]
    mouth_right: tuple[int, ...]
    interocular: tuple[int, int]
    """The two landmarks whose distance is the inter-ocular normaliser."""
    left: frozenset[int] = frozenset()
    """The landmarks on the left of an upright face; `swap` leads to those on the right, the others are between."""
    chains: tuple[tuple[int, ...], ...] = ()
    """The landmarks that lines join, line by line."""

    def __len__(self) -> int:
        return len(self.points)

    def anchors(self, points: np.ndarray) -> np.ndarray:
        """The face as five points: eye centres, nose tip, mouth corners. points: (..., K, 2) -> (..., 5, 2).

        What holds for every scheme, such as where a face is and how it is turned, is said of these.
        """
        groups = (self.left_eye, self.right_eye, self.nose, self.mouth_left, self.mouth_right)
        return np.stack([points[..., list(group), :].mean(axis=-2) for group in groups], axis=-2)


@checked
@dataclass(frozen=True)
class Attribute:
    """A property of the whole face with a few classes, labelled 0, 1, ... Raises ValueError for what is none.

    The built-in ones are in ATTRIBUTES. Others are declared beside a dataset (`landmarks.declared`) and travel with its
    prepared form, with the weights and with the results.
    """

    name: str
    """Task name and table column."""
    labels: tuple[str, ...]
    """Text of each class."""
    flip: tuple[int, ...] = ()
    """`flip[label]` is the label of the mirrored face; (): the same one."""
    note: str = field(default="", compare=False)
    """What users must know before they use it; another note does not make it another attribute."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        texts = [plain_label(label) for label in self.labels]
        if not 2 <= len(texts) <= MOST_LABELS:
            raise ValueError(f"{self.name}: labels must be two or more, and at most {MOST_LABELS}")
        for label, text in zip(self.labels, texts):
            if not text or not label.isprintable():
                raise ValueError(f"{self.name}: labels must be texts of printable signs, not {label!r}")
            if texts.count(text) > 1:
                raise ValueError(f"{self.name}: the label {label!r} is there twice; case, _ and - make no difference")
        flip = self.flip or tuple(range(len(texts)))
        if sorted(flip) != list(range(len(texts))) or any(flip[flip[label]] != label for label in flip):
            raise ValueError(
                f"{self.name}: flip must name each of the {len(texts)} labels once, and mirrored twice a face must be "
                "as it was"
            )
        object.__setattr__(self, "flip", flip)

    def __len__(self) -> int:
        return len(self.labels)


@checked
@dataclass(frozen=True)
class Quantity:
    """A property of the whole face that is a number, such as an angle in degrees or a time of life in years. Raises
    ValueError for what is none.

    None is built in: they are declared beside a dataset (`landmarks.declared`) and travel as declared attributes do.
    """

    name: str
    """Task name and table column."""
    unit: str = ""
    """Of its values, such as `degrees`; empty where they have none."""
    flip: str = SAME
    """What it is of the mirrored face: `same`, or `negated`, as a turn to the left is one to the right there."""
    note: str = field(default="", compare=False)
    """What users must know before they use it; another note does not make it another quantity."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not self.unit.isprintable() or len(self.unit) > 30:
            raise ValueError(f"{self.name}: unit must be at most 30 printable signs, not {self.unit!r}")
        if self.flip not in (SAME, NEGATED):
            raise ValueError(f"{self.name}: flip must be {SAME!r} or {NEGATED!r}, not {self.flip!r}")

    @property
    def sign(self) -> int:
        """What its value is multiplied by where the face is mirrored."""
        return -1 if self.flip == NEGATED else 1


Declared = Attribute | Quantity
"""A task that a dataset may declare."""


@dataclass(frozen=True)
class Reconstruction:
    """The network's own crop as a task: it needs no labels, is learnt beside others, and nobody is told its outputs.
    What it is for and how it looks is said in `landmarks.models.heads`."""

    name: str = "reconstruction"
    """Task name."""
    side: int = 16
    """Of the rebuilt picture, in pixels."""


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"a task's name must be small letters, digits and _ and begin with a letter, not {name!r}")


_NAME = re.compile("[a-z][a-z0-9_]{0,62}")
MOST_LABELS = 127
"""Tables keep labels as integers of 8 bits."""


def plain_label(text: str) -> str:
    """A label's text as it is compared: whatever its case, with _, - or a blank between words, a comma or a point."""
    return " ".join(text.lower().replace("_", " ").replace("-", " ").replace(",", ".").split())


POINTS_5 = Scheme(
    name="points_5",
    points=("left_eye", "right_eye", "nose", "mouth_left", "mouth_right"),
    swap=(1, 0, 2, 4, 3),
    left_eye=(0,),
    right_eye=(1,),
    nose=(2,),
    mouth_left=(3,),
    mouth_right=(4,),
    interocular=(0, 1),
    left=frozenset({0, 3}),
)


def _multi_pie_swap() -> tuple[int, ...]:
    """Mirror order of the 68 Multi-PIE points, section by section as the scheme numbers them."""
    jaw = range(16, -1, -1)
    brows = range(26, 16, -1)
    nose = (27, 28, 29, 30, 35, 34, 33, 32, 31)
    eyes = (45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40)
    outer_lips = (54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55)
    inner_lips = (64, 63, 62, 61, 60, 67, 66, 65)
    return (*jaw, *brows, *nose, *eyes, *outer_lips, *inner_lips)


POINTS_68 = Scheme(
    name="points_68",
    points=tuple(f"point_{i}" for i in range(68)),
    swap=_multi_pie_swap(),
    left_eye=tuple(range(36, 42)),
    right_eye=tuple(range(42, 48)),
    nose=(30,),
    mouth_left=(48,),
    mouth_right=(54,),
    interocular=(36, 45),
    left=frozenset({*range(8), *range(17, 22), 31, 32, *range(36, 42), *range(48, 51), 58, 59, 60, 61, 67}),
    chains=(
        (*range(17),),  # jaw
        *((*range(17, 22),), (*range(22, 27),)),  # brows
        *((*range(27, 31),), (*range(31, 36),)),  # bridge and base of the nose
        *((36, 37, 38, 39), (39, 40, 41, 36), (42, 43, 44, 45), (45, 46, 47, 42)),  # upper and lower lid of each eye
        *((*range(48, 55),), (*range(54, 60), 48), (*range(60, 65),), (*range(64, 68), 60)),  # upper and lower lip
    ),
)


def _wflw_swap() -> tuple[int, ...]:
    """Mirror order of WFLW's 98 points, section by section."""
    jaw = range(32, -1, -1)
    brows = (46, 45, 44, 43, 42, 50, 49, 48, 47, 37, 36, 35, 34, 33, 41, 40, 39, 38)
    nose = (51, 52, 53, 54, 59, 58, 57, 56, 55)
    eyes = (72, 71, 70, 69, 68, 75, 74, 73, 64, 63, 62, 61, 60, 67, 66, 65)
    outer_lips = (82, 81, 80, 79, 78, 77, 76, 87, 86, 85, 84, 83)
    inner_lips = (92, 91, 90, 89, 88, 95, 94, 93)
    pupils = (97, 96)
    return (*jaw, *brows, *nose, *eyes, *outer_lips, *inner_lips, *pupils)


POINTS_98 = Scheme(
    name="points_98",
    points=tuple(f"wflw_{i}" for i in range(98)),
    swap=_wflw_swap(),
    left_eye=tuple(range(60, 68)),
    right_eye=tuple(range(68, 76)),
    nose=(54,),
    mouth_left=(76,),
    mouth_right=(82,),
    interocular=(60, 72),
    left=frozenset({*range(16), *range(33, 42), 55, 56, *range(60, 68), *range(76, 79), 86, 87, 88, 89, 95, 96}),
    chains=(
        (*range(33),),  # jaw
        *((*range(33, 42), 33), (*range(42, 51), 42)),  # outlines of the brows
        *((*range(51, 55),), (*range(55, 60),)),  # bridge and base of the nose
        *((*range(60, 68), 60), (*range(68, 76), 68)),  # outlines of the eyes
        *((*range(76, 83),), (*range(82, 88), 76), (*range(88, 93),), (*range(92, 96), 88)),  # upper and lower lip
    ),
)

POINTS_29 = Scheme(  # of LFPW and COFW
    name="points_29",
    points=(
        *("left_brow_outer", "right_brow_outer", "left_brow_inner", "right_brow_inner"),
        *("left_brow_top", "left_brow_bottom", "right_brow_top", "right_brow_bottom"),
        *("left_eye_outer", "right_eye_outer", "left_eye_inner", "right_eye_inner"),
        *("left_eye_top", "left_eye_bottom", "right_eye_top", "right_eye_bottom"),
        *("left_pupil", "right_pupil", "nose_left", "nose_right", "nose_tip", "nose_bottom"),
        *("mouth_left_corner", "mouth_right_corner", "upper_lip_top", "upper_lip_bottom"),
        *("lower_lip_top", "lower_lip_bottom", "chin"),
    ),
    swap=(1, 0, 3, 2, 6, 7, 4, 5, 9, 8, 11, 10, 14, 15, 12, 13, 17, 16, 19, 18, 20, 21, 23, 22, 24, 25, 26, 27, 28),
    left_eye=(8, 10, 12, 13),
    right_eye=(9, 11, 14, 15),
    nose=(20,),
    mouth_left=(22,),
    mouth_right=(23,),
    interocular=(8, 9),
    left=frozenset({0, 2, 4, 5, 8, 10, 12, 13, 16, 18, 22}),
    chains=(
        *((0, 4, 2, 5, 0), (3, 6, 1, 7, 3)),  # outlines of the brows
        *((8, 12, 10, 13, 8), (11, 14, 9, 15, 11)),  # outlines of the eyes
        (18, 21, 19),  # base of the nose
        *((22, 24, 23, 27, 22), (22, 25, 23, 26, 22)),  # outer and inner edge of the lips
    ),
)

POSE = Attribute("pose", ("left profile", "left", "frontal", "right", "right profile"), flip=(4, 3, 2, 1, 0))
SMILE = Attribute("smile", ("not smiling", "smiling"), flip=(0, 1))
GLASSES = Attribute("glasses", ("no glasses", "glasses"), flip=(0, 1))
GENDER = Attribute(
    "gender",
    ("female", "male"),
    flip=(0, 1),
    note="How the annotators of the training data perceived a face; not a fact about the person. "
    "Do not use it to decide anything about anybody.",
)

RECONSTRUCTION = Reconstruction()
SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in (POINTS_5, POINTS_68, POINTS_98, POINTS_29)}
ATTRIBUTES: dict[str, Attribute] = {attribute.name: attribute for attribute in (POSE, SMILE, GLASSES, GENDER)}


def known_attributes(declared: Iterable[Declared] = ()) -> dict[str, Attribute]:
    """By name: the built-in attributes, then the declared ones."""
    return ATTRIBUTES | {task.name: task for task in declared if isinstance(task, Attribute)}


def known_quantities(declared: Iterable[Declared]) -> dict[str, Quantity]:
    """By name: the declared quantities."""
    return {task.name: task for task in declared if isinstance(task, Quantity)}


def known_tasks(declared: Iterable[Declared] = ()) -> dict[str, Declared]:
    """By name: all attributes, then all quantities."""
    declared = tuple(declared)
    return {**known_attributes(declared), **known_quantities(declared)}


def in_order(attributes: Iterable[str]) -> list[str]:
    """Names of attributes and quantities as they are told: the built-in ones in their order, then the others by the
    alphabet."""
    given, built_in = set(attributes), list(ATTRIBUTES)
    return [*(name for name in built_in if name in given), *sorted(given - ATTRIBUTES.keys())]


def scheme_of_size(count: int) -> Scheme:
    """The scheme with `count` landmarks. Raises ValueError if there is none."""
    for scheme in SCHEMES.values():
        if len(scheme) == count:
            return scheme
    known = ", ".join(str(len(scheme)) for scheme in SCHEMES.values())
    raise ValueError(f"there is no scheme of {count} landmarks; known: {known}")
