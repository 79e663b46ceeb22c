"""Faces: what was found in one image, as one struct of arrays with an empty value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from landmarks.schemes import ATTRIBUTES, GENDER, POINTS_5, Attribute, Quantity, Scheme
from landmarks.scores import AttributeScores, QuantityValues

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Number:
    """A number that `Faces` may hold for every face or every landmark, and its name in tables and files."""

    field: str
    """Its field in `Faces`; a result whose field is None does not have it."""
    column: str
    """Its column; of a landmark, after the landmark's name: `nose_error`."""
    meaning: str
    type: str = "float32"
    """Its type in tables, or `int32`."""


PER_FACE = (
    Number("scores", "score", "the detector's score, higher is surer; empty where there was no detector"),
    Number("quality", "quality", "how far to trust this face, 0 to 1; the doubtful ones are low"),
    Number("yaw", "yaw", "degrees, positive where the face, turned upright, looks to the right of the image"),
    Number("pitch", "pitch", "degrees, positive where it looks up"),
    Number("roll", "roll", "degrees, how the face is turned in the image, positive clockwise"),
    Number("track", "track", "which faces of a video's frames are the same one: its number, from 0", "int32"),
)
"""Numbers of a face. Tables, files and the review list read from here: a line more is a column more in all of them."""
WHOLE = tuple(number.column for number in PER_FACE if number.type == "int32")
"""Columns of whole numbers among them."""
PER_POINT = (Number("point_errors", "error", "expected error of the landmark as a share of the face size"),)
"""Numbers of a landmark, likewise."""
OPTIONAL = {number.field: number in PER_POINT for number in (*PER_FACE, *PER_POINT) if number.field != "scores"}
"""The fields that may be None, and whether they have a number for each landmark."""


@dataclass(frozen=True)
class Faces:
    """N faces of one image. Pixels of the upright image (EXIF orientation applied), pixel centres at integers."""

    boxes: np.ndarray
    """(N, 4) float32: x0, y0, x1, y1 as the detector gave them."""
    points: np.ndarray
    """(N, K, 2) float32: x, y of each landmark."""
    scores: np.ndarray
    """(N,) float32: the detector's score; NaN where there was no detector."""
    attributes: dict[str, AttributeScores] = field(default_factory=dict)
    scheme: Scheme = POINTS_5
    point_errors: np.ndarray | None = None
    """(N, K) float32: expected error of each point as a share of the face size, which is the larger side of the extent
    of eyes, nose and mouth corners; None if the network is not calibrated."""
    quality: np.ndarray | None = None
    """(N,) float32: probability that the points' mean error is below a tenth of the face size; low for what is no face
    and for half a face at the border; None if the network is not calibrated."""
    yaw: np.ndarray | None = None
    """(N,) float32 degrees: see `landmarks.head_pose.head_angles`, likewise the two below; None where nobody told."""
    pitch: np.ndarray | None = None
    roll: np.ndarray | None = None
    track: np.ndarray | None = None
    """(N,) float32: number of the face's track, from 0 in each video; NaN for a face without one; None if no tracks
    were asked for."""
    path: str | None = None
    """The file that they were found in, which is read again to show them; None where the caller has the image."""
    quantities: dict[str, QuantityValues] = field(default_factory=dict)
    """By name, those that the network was taught beside the attributes: `quantities["head_turn"].values`, (N,)."""

    def __post_init__(self) -> None:
        n, k = len(self.boxes), len(self.scheme)
        shapes: dict[str, tuple[int, ...]] = {"boxes": (n, 4), "points": (n, k, 2), "scores": (n,)}
        shapes |= {name: (n, k) if of_points else (n,) for name, of_points in OPTIONAL.items()}
        for name, shape in shapes.items():
            if getattr(self, name) is None and name in OPTIONAL:
                continue
            array = np.asarray(getattr(self, name), dtype=np.float32)
            if array.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, not {array.shape}")
            object.__setattr__(self, name, array)
        for name, scores in self.attributes.items():
            shape = (n, len(scores.attribute))
            if scores.probabilities.shape != shape:
                raise ValueError(f"{name} probabilities must have shape {shape}, not {scores.probabilities.shape}")
        for name, quantity in self.quantities.items():
            if quantity.values.shape != (n,):
                raise ValueError(f"{name} must have shape {(n,)}, not {quantity.values.shape}")

    @classmethod
    def empty(
        cls,
        scheme: Scheme = POINTS_5,
        attributes: Iterable[str | Attribute] = (),
        calibrated: bool = False,
        turned: bool = False,
        quantities: Iterable[Quantity] = (),
    ) -> Faces:
        """No faces, with the same fields as any other result of a network (that is calibrated; with angles).

        attributes: built-in ones by name, others themselves.
        """
        held = [ATTRIBUTES[one] if isinstance(one, str) else one for one in attributes]
        nothing = np.zeros(0, np.float32)
        angle = nothing if turned else None
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            points=np.zeros((0, len(scheme), 2), np.float32),
            scores=np.zeros(0, np.float32),
            attributes={one.name: AttributeScores(one, np.zeros((0, len(one)), np.float32)) for one in held},
            quantities={one.name: QuantityValues(one, nothing) for one in quantities},
            scheme=scheme,
            point_errors=np.zeros((0, len(scheme)), np.float32) if calibrated else None,
            quality=np.zeros(0, np.float32) if calibrated else None,
            yaw=angle,
            pitch=angle,
            roll=angle,
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Any) -> Faces:
        """The faces that an integer, slice, mask or index array picks; always a Faces."""
        if isinstance(index, (int, np.integer)):
            index = [index]
        return Faces(
            boxes=self.boxes[index],
            points=self.points[index],
            scores=self.scores[index],
            attributes={name: scores[index] for name, scores in self.attributes.items()},
            scheme=self.scheme,
            **{name: value[index] for name in OPTIONAL if (value := getattr(self, name)) is not None},
            quantities={name: quantity[index] for name, quantity in self.quantities.items()},
            path=self.path,
        )

    def __iter__(self) -> Iterator[Faces]:
        return (self[i] for i in range(len(self)))

    @classmethod
    def concatenate(cls, several: Sequence[Faces]) -> Faces:
        """The faces of several results with the same fields, in order. Raises ValueError if there is no result."""
        if not several:
            raise ValueError("there is nothing to concatenate")
        first = several[0]
        held = ["boxes", "points", "scores", *(name for name in OPTIONAL if getattr(first, name) is not None)]
        arrays: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in several]) for name in held}
        return type(first)(
            **arrays,
            attributes={
                name: AttributeScores.concatenate([faces.attributes[name] for faces in several])
                for name in first.attributes
            },
            scheme=first.scheme,
            quantities={
                name: QuantityValues.concatenate([faces.quantities[name] for faces in several])
                for name in first.quantities
            },
        )

    @property
    def angles(self) -> np.ndarray:
        """(N, 3) float32 degrees: yaw, pitch, roll; NaN where nobody told."""
        absent = np.full(len(self), np.nan, np.float32)
        return np.stack([absent if a is None else a for a in (self.yaw, self.pitch, self.roll)], axis=1)

    def numbers(self, kinds: Sequence[Number]) -> dict[str, np.ndarray]:
        """Those of `kinds` (PER_FACE or PER_POINT) that this result holds: column name -> (N,) or (N, K) float32."""
        values = {number.column: getattr(self, number.field) for number in kinds}
        return {column: value for column, value in values.items() if value is not None}

    def columns(self) -> dict[str, np.ndarray]:
        """The table of faces, column by column, each (N,).

        face, x0 y0 x1 y1, the numbers of a face (score, quality, yaw, pitch, roll), for each landmark NAME_x NAME_y and
        its numbers (NAME_error), then each attribute's label and the highest probability, then each quantity. A label
        whose probability is NaN is None. Quality, angles and errors are left out where there are none.
        """
        columns: dict[str, np.ndarray] = {"face": np.arange(len(self))}
        columns.update(zip(("x0", "y0", "x1", "y1"), self.boxes.T))
        columns.update({name: _as_column(values, name) for name, values in self.numbers(PER_FACE).items()})
        of_points = self.numbers(PER_POINT)
        for i, name in enumerate(self.scheme.points):
            columns[f"{name}_x"], columns[f"{name}_y"] = self.points[:, i, 0], self.points[:, i, 1]
            columns.update({f"{name}_{column}": values[:, i] for column, values in of_points.items()})
        for name, scores in self.attributes.items():
            confidence = scores.confidence
            columns[name] = scores.labels.astype(object)
            columns[name][np.isnan(confidence)] = None
            columns[f"{name}_probability"] = confidence
        columns.update({name: quantity.values for name, quantity in self.quantities.items()})
        return columns

    def to_pandas(self) -> pd.DataFrame:
        """A row a face: the columns of `columns`."""
        import pandas as pd  # Here, since no worker needs it.

        frame = pd.DataFrame(self.columns())
        whole = {name: "Int64" for name in WHOLE if name in frame}
        return frame.astype(whole) if whole else frame

    def to_supervision(self) -> Any:
        """The faces as `Detections` of the library supervision: boxes, scores, and in `data` points and labels.

        Raises LandmarksError if supervision is not installed.
        """
        from landmarks.conversions import to_supervision

        return to_supervision(self)

    def to_fiftyone(self, width: int, height: int) -> dict[str, Any]:
        """The faces as labels of the tool FiftyOne: `sample.update_fields(faces.to_fiftyone(width, height))`.

        width, height: of the upright image in pixels, since FiftyOne counts in shares of its sides. `faces` are its
        Detections, with the label `face`, the detector's score as confidence, and quality, angles, and the attributes'
        labels and probabilities as attributes; `landmarks` its Keypoints in the same order, with `errors`. Landmarks
        outside the image are NaN, FiftyOne's word for none. A track is the `index` of both.

        Raises LandmarksError if fiftyone is not installed, ValueError for sides below 1.
        """
        from landmarks.conversions import to_fiftyone

        return to_fiftyone(self, width, height)

    def show(self, image: np.ndarray | None = None) -> None:
        """Show the image with the faces drawn into it: in the notebook, or else in the system's viewer.

        image: (H, W, 3) uint8 RGB; where not given, the file at `path` is read again. Raises LandmarksError if there is
        neither, ImageError if the file cannot be read any more.
        """
        from landmarks.drawing.notebook import show

        show(self, image)

    def __repr__(self) -> str:
        """A line a face, without the landmarks. Gender is left out, since it errs; `attributes` has it."""
        return "\n".join(map(_line, range(len(self)), self)) or f"no faces ({len(self.scheme)} points)"

    def _repr_html_(self) -> str:
        """What a notebook shows: the picture, if its file can be read, and the lines of `repr`."""
        from landmarks.drawing.notebook import html

        return html(self)


def _line(number: int, face: Faces) -> str:
    """One face in words. face: a Faces of one."""
    parts = ["box " + " ".join(f"{value:.0f}" for value in np.rint(face.boxes[0]) + 0.0)]
    for name, values in face.numbers(PER_FACE).items():
        if np.isfinite(values[0]):
            parts.append(f"{name} {values[0]:.{0 if name in WHOLE else 2}f}")
    parts += [
        f"{scores.labels[0]} {scores.confidence[0]:.0%}"
        for name, scores in face.attributes.items()
        if name != GENDER.name and np.isfinite(scores.confidence[0])
    ]
    parts += [
        f"{name} {quantity.values[0]:.4g} {quantity.quantity.unit}".rstrip()
        for name, quantity in face.quantities.items()
        if np.isfinite(quantity.values[0])
    ]
    return f"face {number}: {', '.join(parts)}"


def _as_column(values: np.ndarray, name: str) -> np.ndarray:
    """Numbers of faces as a table has them: whole ones as Python's, None where there is none."""
    if name not in WHOLE:
        return values
    return np.array([int(value) if np.isfinite(value) else None for value in values], object)
