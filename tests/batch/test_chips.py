import cv2
import numpy as np
import pytest

from landmarks import Faces
from landmarks.batch.writers.chips import Chips, chip_matrices, extract_chips, template
from landmarks.geometry import transform
from landmarks.record import Record
from landmarks.schemes import POINTS_5, POINTS_68

ANGLES = np.radians([0, 20, -75, 180])


def faces_at(angle: float, scale: float, centre=(200.0, 150.0), scheme=POINTS_5) -> Faces:
    """One face that has the template's shape, turned, scaled and shifted."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    anchors = (template(112) - 56) @ np.array([[cos, sin], [-sin, cos]]) + centre
    points = np.zeros((len(scheme), 2))
    groups = (scheme.left_eye, scheme.right_eye, scheme.nose, scheme.mouth_left, scheme.mouth_right)
    for anchor, group in zip(anchors, groups):
        points[list(group)] = anchor
    return Faces(np.zeros((1, 4)), points[None], np.ones(1), scheme=scheme)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("scheme", [POINTS_5, POINTS_68])
@pytest.mark.parametrize("size", [112, 64, 256])
def test_landmarks_land_where_the_template_says(angle, scale, scheme, size):
    faces = faces_at(angle, scale, scheme=scheme)
    landed = transform(chip_matrices(faces.points, scheme, size), scheme.anchors(faces.points))
    assert landed[0] == pytest.approx(template(size), abs=1e-3 * size)


@pytest.mark.parametrize("angle", ANGLES)
def test_a_spot_on_the_eye_is_seen_at_the_template(angle):
    faces = faces_at(angle, 0.9)
    image = np.zeros((300, 400, 3), np.uint8)
    for point, colour in zip(faces.points[0], [(255, 0, 0), (0, 255, 0), (0, 0, 255)]):
        cv2.circle(image, tuple(int(v) for v in np.round(point * 16)), 4 * 16, colour, -1, cv2.LINE_AA, shift=4)
    (chip,) = extract_chips(image, faces, 112)
    assert chip.shape == (112, 112, 3)
    for channel, place in enumerate(template(112)[:3]):
        y, x = np.nonzero(chip[..., channel] > 127)
        assert (x.mean(), y.mean()) == pytest.approx(tuple(place), abs=0.5)


def test_another_shape_is_fitted_without_shear_or_mirror():
    rng = np.random.default_rng(0)
    points = faces_at(0.3, 1.5).points + rng.normal(0, 3, (50, 5, 2))
    matrices = chip_matrices(points, POINTS_5, 112)
    linear = matrices[:, :, :2]
    assert linear[:, 0, 0] == pytest.approx(linear[:, 1, 1]) and linear[:, 0, 1] == pytest.approx(-linear[:, 1, 0])
    errors = ((transform(matrices, points) - template(112)) ** 2).sum(axis=(1, 2))
    for change in np.eye(4):  # Any other similarity is further from the template.
        a, b, x, y = 0.01 * change * (1, 1, 100, 100)
        other = matrices + np.array([[a, -b, x], [b, a, y]])
        assert (((transform(other, points) - template(112)) ** 2).sum(axis=(1, 2)) > errors).all()


def test_template_keeps_its_place_in_other_sizes():
    """The corner of the first pixel stays in the corner, the middle in the middle."""
    assert template(112)[0].tolist() == [38.2946, 51.6963]
    assert (template(224) + 0.5) / 224 == pytest.approx((template(112) + 0.5) / 112)


def test_chips_are_files_beside_each_other(tmp_path):
    image = np.full((300, 400, 3), (10, 200, 30), np.uint8)
    one = faces_at(0, 1)
    faces = Faces.concatenate(
        [one, faces_at(0.5, 0.5), Faces(np.zeros((1, 4)), np.full((1, 5, 2), np.nan), np.ones(1))]
    )
    record = Record("../a/b.jpg", "ok", faces, "", 400, 300, 1, pixels=image)
    for suffix in (".png", ".jpg"):
        Chips(tmp_path / "chips", 64, suffix).write(record)
    files = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert files == [f"chips/%2E%2E/a/b.jpg.{i}{suffix}" for i in (0, 1) for suffix in (".jpg", ".png")]
    chip = cv2.imread(str(tmp_path / files[1]))
    assert chip.shape == (64, 64, 3) and chip[32, 32].tolist() == [30, 200, 10]
    Chips(tmp_path / "none").write(Record("c.jpg", "unreadable", Faces.empty()))
    assert not (tmp_path / "none").exists()


def test_faces_without_extent_have_no_chip():
    image = np.zeros((10, 10, 3), np.uint8)
    assert extract_chips(image, Faces(np.zeros((1, 4)), np.zeros((1, 5, 2)), np.ones(1)), 112) == [None]
    assert extract_chips(image, Faces.empty(), 112) == []


@pytest.mark.parametrize("options", [{"size": 4}, {"size": 10_000}, {"suffix": ".gif"}])
def test_what_is_no_chip_is_refused(tmp_path, options):
    with pytest.raises(ValueError, match="chips"):
        Chips(tmp_path, **options)


def test_a_chip_that_cannot_be_written_costs_only_itself(tmp_path):
    (tmp_path / "chips").write_text("in the way")
    record = Record("a.jpg", "ok", faces_at(0, 1), "", 400, 300, 1, pixels=np.zeros((300, 400, 3), np.uint8))
    with pytest.warns(UserWarning, match="no chip"):
        Chips(tmp_path / "chips").write(record)
