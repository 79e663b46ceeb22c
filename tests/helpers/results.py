"""Records of made-up faces, for the tests of what is written and read back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from landmarks import Faces
from landmarks.formats import FORMATS, Results
from landmarks.record import Record
from landmarks.schemes import ATTRIBUTES, Attribute, Quantity, scheme_of_size
from landmarks.scores import AttributeScores, QuantityValues

WIDTH, HEIGHT = 640, 480
"""Of the images in these records."""
HELD = {name: {"box", "score", "attributes"} for name in FORMATS} | {"yolo": {"box"}, "pts": set()}
"""Beside the landmarks; `score` stands for all numbers: the score, the quality and the expected errors."""
TOLERANCE = {name: 1e-4 for name in FORMATS} | {"parquet": 0, "yolo": 2e-3}
"""How far a number that was read back may be from the one that was written, in pixels."""
NAMES = [
    "plain.jpg", "folder/b.jpg", "folder_b.jpg", "folder/b.png", "päris été 東京 🙂.jpg", "quo\"te 'single'.jpg",
    "a,b;c.jpg", "new\nline.jpg", "car\rriage.jpg", "<&>.jpg", "=1+1.jpg", "+a.jpg", "-b.jpg", "@c.jpg", "'d.jpg",
    "\ttab.jpg", "NA", "nan.jpg", "null", "../up.jpg", "/absolute.jpg", "%2E.jpg", "no_suffix", ".hidden", " space ",
    "x" * 250 + ".jpg", "日" * 80 + ".jpg", "a.b.c.jpg", "archive.zip/member.jpg", "C:\\windows.jpg", "]]>.jpg",
    "semi;colon&amp;.jpg", "#hash.jpg", "1.50", "True",
]  # fmt: skip


def some_faces(count: int, points: int = 5, attributes=tuple(ATTRIBUTES), seed: int = 0) -> Faces:
    """Faces inside an image of WIDTH x HEIGHT, the numbers of float32 at random."""
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(1, 200, (count, 2)), rng.uniform(40, 230, (count, 1))
    boxes = np.concatenate([corner, corner + size], axis=1)
    scores = {}
    for name in attributes:
        raw = rng.uniform(0.01, 1, (count, len(ATTRIBUTES[name])))
        scores[name] = AttributeScores(ATTRIBUTES[name], (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32))
    located = corner[:, None] + size[:, None] * rng.uniform(0, 1, (count, points, 2))
    return Faces(boxes, located, rng.uniform(0.3, 1, count), scores, scheme_of_size(points))


def calibrated(count: int, points: int = 5, seed: int = 3) -> Faces:
    """The same with a quality and an expected error for each landmark."""
    rng, faces = np.random.default_rng(seed), some_faces(count, points, seed=seed)
    return replace(faces, quality=rng.uniform(0, 1, count), point_errors=rng.uniform(0, 0.1, (count, points)))


MOUTH = Attribute("mouth_open", ("closed", "half, or less", "=open <wide>"), note="Our own.")


def declared(count: int, seed: int = 5) -> Faces:
    """The same with an attribute that is not built in, between two that are."""
    rng, faces = np.random.default_rng(seed), some_faces(count, attributes=("smile", "gender"), seed=seed)
    mouth = AttributeScores(
        MOUTH, rng.dirichlet(np.ones(len(MOUTH)), count).astype(np.float32).reshape(count, len(MOUTH))
    )
    smile, gender = faces.attributes.values()
    return replace(faces, attributes={"smile": smile, "mouth_open": mouth, "gender": gender})


TURN, YEARS = Quantity("head_turn", "degrees", "negated", "Ours."), Quantity("years", "a <b> & 'c'")


def measured(count: int, seed: int = 6) -> Faces:
    """The same with two quantities beside attributes, of which one is not known of the last face."""
    rng, faces = np.random.default_rng(seed), declared(count, seed)
    turn, years = rng.normal(0, 30, count).astype(np.float32), rng.uniform(1e5, 9e5, count).astype(np.float32)
    turn[-1:] = NAN
    return replace(faces, quantities={"head_turn": QuantityValues(TURN, turn), "years": QuantityValues(YEARS, years)})


def record(faces: Faces, image: str = "a.jpg", **facts) -> Record:
    status = "ok" if len(faces) else "no_face"
    return Record(image, status, faces, **{"width": WIDTH, "height": HEIGHT} | facts)


def write(out: Path, found: list[Record], formats, coords: str = "upright") -> None:
    results = Results(out, found[0].faces[:0], formats, coords)
    for one in found:
        results.write(one)
    results.close()


def expected(found: list[Record], format: str) -> pd.DataFrame:
    """What the format holds of the records, as the table of faces."""
    frame = pd.concat([one.faces.to_pandas().assign(image=one.image) for one in found], ignore_index=True)
    frame = frame[["image", *frame.columns.drop("image")]]
    drop = [] if "box" in HELD[format] else ["x0", "y0", "x1", "y1"]
    if "score" not in HELD[format]:
        drop += ["score", *(c for c in frame if c in ("quality", "track") or c.endswith("_error"))]
    if "attributes" not in HELD[format]:
        drop += [c for name in found[0].faces.attributes for c in (name, f"{name}_probability")]
        drop += list(found[0].faces.quantities)
    return frame.drop(columns=drop)


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame, tolerance: float) -> None:
    assert found.columns.tolist() == wanted.columns.tolist()
    assert len(found) == len(wanted)
    measured = [name for name in wanted if wanted[name].dtype.kind == "f" and name != "track"]
    assert (found[measured].dtypes == "float32").all()
    values = (frame[measured].to_numpy(float) for frame in (found, wanted))
    np.testing.assert_allclose(*values, rtol=2e-7, atol=tolerance, err_msg=f"of the columns {measured}")
    for name in wanted.columns.drop(measured):
        if wanted[name].dtype.kind in "fi":
            assert found[name].dtype == {"face": "int64", "track": "Int64"}.get(name, "float32")
            values = (frame[name].to_numpy(float, na_value=NAN) for frame in (found, wanted))
            np.testing.assert_allclose(*values, rtol=2e-7, atol=tolerance, err_msg=name)
        else:
            values = [[None if pd.isna(v) else v for v in frame[name].tolist()] for frame in (found, wanted)]
            assert values[0] == values[1]


NAN = np.float32("nan")
CASES = {
    "two faces": [record(some_faces(2))],
    "68 landmarks": [record(some_faces(3, 68))],
    "29 landmarks": [record(calibrated(3, 29))],
    "98 landmarks": [record(calibrated(2, 98))],
    "no attributes": [record(some_faces(1, 68, ()))],
    **{f"only {name}": [record(some_faces(2, 5, (name,)))] for name in ATTRIBUTES},
    "declared": [record(declared(3)), record(declared(0), "b.jpg")],
    "quantities": [record(measured(3)), record(measured(0), "b.jpg")],
    "no score": [record(replace(some_faces(2), scores=np.array([NAN, 0.5])))],
    "no faces": [record(some_faces(0)), record(some_faces(0, seed=1), "b.jpg")],
    "no faces, 68": [record(some_faces(0, 68, ("smile",)))],
    "some without": [record(some_faces(2)), record(some_faces(0), "b.jpg"), record(some_faces(1, seed=2), "c/d.jpg")],
    "failed": [
        record(some_faces(1)),
        Record("bad.jpg", "unreadable", some_faces(0), "=the file is <empty>", 0, 0),
    ],
    "calibrated": [record(calibrated(2)), record(calibrated(0), "b.jpg"), record(calibrated(1, seed=4), "c.jpg")],
    "calibrated, 68": [record(calibrated(3, 68))],
    "tracks": [
        record(replace(some_faces(2), track=np.array([12, 0])), "clip.mp4/000000", frame=0, time=0.0),
        record(replace(some_faces(0), track=np.zeros(0)), "clip.mp4/000001", frame=1, time=0.04),
        record(replace(some_faces(2, seed=1), track=np.array([NAN, 3])), "clip.mp4/000002", frame=2, time=0.08),
    ],
    "many": [record(some_faces(i % 3, seed=i), f"{i // 20}/{i}.jpg") for i in range(60)],
}
