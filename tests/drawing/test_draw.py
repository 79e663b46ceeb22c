"""Drawings: what must change, what must not, at every size."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from landmarks.drawing.draw import Style, contact_sheet, draw
from landmarks.drawing.strokes import LEFT, RIGHT
from landmarks.faces import Faces
from landmarks.schemes import ATTRIBUTES, POINTS_5, POINTS_68, SCHEMES
from landmarks.scores import AttributeScores

GREY = 120
DEFAULT = Style()
FIVE = np.array([[0.31, 0.36], [0.69, 0.36], [0.5, 0.58], [0.35, 0.76], [0.65, 0.76]])
"""Landmarks as shares of the box."""


def grey_image(height, width):
    return np.full((height, width, 3), GREY, np.uint8)


def face_at(x, y, size, scheme=POINTS_5, words=False):
    """One face with its box at x, y; with words, every attribute has its last label."""
    share = FIVE if scheme is POINTS_5 else np.random.default_rng(0).uniform(0.1, 0.9, (68, 2))
    attributes = {}
    if words:
        for name, attribute in ATTRIBUTES.items():
            attributes[name] = AttributeScores(attribute, np.eye(len(attribute), dtype=np.float32)[[-1]])
    return Faces([[x, y, x + size, y + size]], (share * size + [x, y])[None], [0.93], attributes, scheme)


def several(*faces):
    return Faces(
        np.concatenate([face.boxes for face in faces]),
        np.concatenate([face.points for face in faces]),
        np.concatenate([face.scores for face in faces]),
        {
            name: AttributeScores(scores.attribute, np.concatenate([f.attributes[name].probabilities for f in faces]))
            for name, scores in faces[0].attributes.items()
        },
        faces[0].scheme,
    )


def changed(image, faces, style=DEFAULT):
    """(H, W) bool: the pixels that are not as they were."""
    return (draw(image, faces, style) != image).any(axis=2)


@pytest.mark.parametrize("scheme", [POINTS_5, POINTS_68])
def test_input_is_left_alone(scheme):
    image = grey_image(200, 300)
    image.flags.writeable = False
    drawn = draw(image, face_at(80, 60, 100, scheme, words=True), Style(names=True))
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    assert (image == GREY).all() and (drawn != image).any()


def test_no_faces_give_an_equal_copy():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    drawn = draw(image, Faces.empty(attributes=("smile",)))
    assert np.array_equal(drawn, image) and not np.shares_memory(drawn, image)


def test_nothing_switched_on_draws_nothing():
    style = Style(box=False, points=False, label=False)
    assert not changed(grey_image(200, 200), face_at(50, 50, 100, words=True), style).any()


def test_dots_are_centred_on_their_points_to_a_tenth_of_a_pixel():
    faces = face_at(100.37, 80.81, 150)
    drawn = draw(np.zeros((320, 360, 3), np.uint8), faces, Style(box=False, label=False)).max(axis=2).astype(float)
    for x, y in faces.points[0]:
        column, row = round(float(x)), round(float(y))
        patch = drawn[row - 9 : row + 10, column - 9 : column + 10]
        offsets = np.arange(-9, 10)
        centre = np.array([patch.sum(0) @ offsets + column * patch.sum(), patch.sum(1) @ offsets + row * patch.sum()])
        assert np.abs(centre / patch.sum() - [x, y]).max() < 0.1


@pytest.mark.parametrize("scheme", [POINTS_5, POINTS_68])
@pytest.mark.parametrize("size", [60, 250, 900])
def test_only_the_surroundings_of_faces_change(scheme, size):
    mask = changed(grey_image(3 * size, 4 * size), face_at(1.5 * size, size, size, scheme, words=True))
    margin = int(max(0.9 * size, 60))
    mask[size - margin : 2 * size + margin, int(1.5 * size) - margin : int(2.5 * size) + margin] = False
    assert not mask.any()


def test_dots_change_only_pixels_near_the_points():
    faces = face_at(60, 60, 120)
    mask = changed(grey_image(240, 240), faces, Style(box=False, label=False))
    pixels = np.argwhere(mask)[:, ::-1]
    distances = np.linalg.norm(pixels[:, None] - faces.points[0][None], axis=2)
    assert (distances.min(axis=1) < 6).all() and (distances.min(axis=0) < 1).all()


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda scheme: scheme.name)
def test_every_landmark_has_a_side(scheme):
    left = scheme.left
    right = {scheme.swap[i] for i in left}
    middle = {i for i in range(len(scheme)) if scheme.swap[i] == i}
    assert not left & right and left | right | middle == set(range(len(scheme)))
    assert {*scheme.left_eye, *scheme.mouth_left} <= left


def test_sides_have_their_colours_and_faces_theirs():
    faces = several(face_at(40, 60, 200), face_at(300, 60, 200))
    by_side = draw(grey_image(320, 540), faces)
    by_face = draw(grey_image(320, 540), faces, Style(colour_by="face"))
    (x0, y0), (x1, y1) = np.round(faces.points[:, 0]).astype(int)
    right_x, right_y = np.round(faces.points[0, 1]).astype(int)
    assert tuple(by_side[y0, x0]) == tuple(by_side[y1, x1]) == LEFT and tuple(by_side[right_y, right_x]) == RIGHT
    assert tuple(by_face[y0, x0]) != tuple(by_face[y1, x1])
    assert tuple(by_face[y0, x0]) == tuple(by_face[right_y, right_x])


@pytest.mark.parametrize("scheme", [POINTS_5, POINTS_68])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -1e9, 5000.0])
def test_missing_and_far_points_are_left_out(scheme, bad):
    image, whole = grey_image(200, 200), face_at(50, 50, 100, scheme, words=True)
    for hole in (slice(0, 1), slice(None)):
        points = whole.points.copy()
        points[:, hole] = bad
        faces = Faces(whole.boxes, points, whole.scores, whole.attributes, scheme)
        drawn = draw(image, faces, Style(names=True))
        assert (drawn[60, 50:150] != GREY).sum() < 100  # no streaks across the face


@pytest.mark.parametrize("box", [[np.nan] * 4, [9, np.nan, 80, 90], [-np.inf, 0, np.inf, 9], [90, 90, 10, 10]])
def test_missing_and_mad_boxes_keep_the_points(box):
    whole = face_at(50, 50, 100, words=True)
    faces = Faces([box], whole.points, whole.scores, whole.attributes)
    x, y = np.round(whole.points[0, 0]).astype(int)
    assert changed(grey_image(200, 200), faces)[y, x]


def test_a_face_half_outside_is_drawn_inside():
    mask = changed(grey_image(200, 200), face_at(-50, -50, 100, words=True))
    assert mask[:60, :60].any() and not changed(grey_image(200, 200), face_at(900, 900, 100, words=True)).any()


@pytest.mark.parametrize("scheme", [POINTS_5, POINTS_68])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 3), (16, 16), (0, 10)])
def test_tiny_images(scheme, shape):
    for face in (face_at(0, 0, max(shape), scheme, words=True), face_at(-0.5, -0.5, 0, scheme)):
        assert draw(grey_image(*shape), face, Style(names=True, scale=3)).shape == (*shape, 3)


def test_strokes_and_text_grow_with_the_face():
    """The share of the picture that is drawn over is about the same from thumbnail to poster."""
    shares = []
    for size in (120, 600, 2400):
        faces = face_at(0.5 * size, 0.5 * size, size)
        shares.append(changed(grey_image(2 * size, 2 * size), faces, Style(label=False)).mean())
    assert max(shares) < 3 * min(shares)


@pytest.mark.parametrize("size", [150, 300, 1000])
@pytest.mark.parametrize("place", ["top left", "top right", "bottom left", "bottom right", "all of it"])
def test_labels_spare_the_middle_of_the_face(size, place):
    side = size if place == "all of it" else size // 2
    x = size - side if "right" in place else 0
    y = size - side if "bottom" in place else 0
    mask = changed(grey_image(size, size), face_at(x, y, side, words=True), Style(box=False, points=False))
    core = mask[y + side // 3 : y + int(0.8 * side), x + side // 4 : x + int(0.75 * side)]
    assert mask.any() and not core.any()


def test_labels_stay_inside_the_image():
    """A label that ran out of the image would lose its rounded corners at the border; there is a margin."""
    for x, y in ((0, 0), (330, 0), (0, 230), (330, 230), (150, 100)):
        mask = changed(grey_image(300, 400), face_at(x, y, 70, words=True), Style(box=False, points=False))
        assert mask.any()
        assert not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def test_labels_of_neighbours_do_not_overlap():
    left, right = face_at(100, 150, 90, words=True), face_at(200, 150, 90, words=True)
    image, style = grey_image(400, 400), Style(box=False, points=False)
    both = changed(image, several(left, right), style)
    alone = [changed(image, face, style) for face in (left, right)]
    assert both.sum() > 0.6 * (alone[0].sum() + alone[1].sum())


def test_labels_never_bury_a_small_image():
    for size in (40, 60, 100, 150):
        mask = changed(
            grey_image(size, size), face_at(0.2 * size, 0.2 * size, 0.6 * size, words=True), Style(box=False)
        )
        assert mask.mean() < 0.3
    assert not changed(grey_image(40, 40), face_at(8, 8, 24, words=True), Style(box=False, points=False)).any()


def test_unremarkable_labels_are_not_written():
    attributes = {
        name: AttributeScores(ATTRIBUTES[name], np.eye(len(ATTRIBUTES[name]), dtype=np.float32)[[quiet]])
        for name, quiet in (("pose", 2), ("smile", 0), ("glasses", 0))
    }
    face = face_at(100, 100, 150)
    quiet = Faces(face.boxes, face.points, [np.nan], attributes)
    assert not changed(grey_image(350, 350), quiet, Style(box=False, points=False)).any()


def test_gender_is_told_only_where_it_is_asked_for():
    face = face_at(100, 100, 150, words=True)
    without = {name: scores for name, scores in face.attributes.items() if name != "gender"}
    other = Faces(face.boxes, face.points, face.scores, without, face.scheme)
    image, asked = grey_image(350, 350), Style(gender=True)
    np.testing.assert_array_equal(draw(image, face), draw(image, other))
    assert (draw(image, face, asked) != draw(image, other, asked)).any()


def test_the_number_of_a_label_is_the_quality_where_there_is_one():
    face = face_at(100, 100, 150)
    errors = np.full((1, 5), 0.02, np.float32)

    def of_quality(value):
        return Faces(face.boxes, face.points, face.scores, {}, face.scheme, errors, np.array([value], np.float32))

    image = grey_image(350, 350)
    assert (draw(image, of_quality(0.2)) != draw(image, of_quality(0.9))).any()
    scored = [Faces(face.boxes, face.points, [score], {}, face.scheme) for score in (0.2, 0.9)]
    assert (draw(image, scored[0]) != draw(image, scored[1])).any()


def with_quality(face, quality, error=0.0):
    """The face as a calibrated network gives it."""
    errors = np.full(face.points.shape[:2], error, np.float32)
    return Faces(face.boxes, face.points, face.scores, face.attributes, face.scheme, errors, np.array([quality]))


@pytest.mark.parametrize("scheme", [POINTS_5, POINTS_68])
def test_a_doubtful_face_is_dimmer_than_a_good_one(scheme):
    image, style = grey_image(350, 350), Style(label=False)
    good, doubtful = (draw(image, with_quality(face_at(100, 100, 150, scheme), q), style) for q in (0.9, 0.2))
    strength = [np.abs(one.astype(int) - GREY).sum() for one in (good, doubtful)]
    assert 0 < strength[1] < 0.8 * strength[0]
    x, y = np.round(face_at(100, 100, 150, scheme).points[0, 0]).astype(int)
    assert (doubtful[y, x] != GREY).any()


def test_a_doubtful_neighbour_changes_nothing_of_a_good_face():
    good, other = with_quality(face_at(40, 60, 120), 0.9), with_quality(face_at(300, 60, 120), 0.1)
    image, style = grey_image(260, 520), Style(label=False, box=False)
    both = draw(image, Faces.concatenate([good, other]), style)
    np.testing.assert_array_equal(both[:, :240], draw(image, good, style)[:, :240])


def test_discs_are_as_large_as_expected_errors():
    """The area that changes grows with the square of the error, up to a bound."""
    image, style = grey_image(700, 700), Style(label=False, box=False)
    face = face_at(150, 150, 400)
    areas = [changed(image, with_quality(face, 0.9, error), style).sum() for error in (0.0, 0.05, 0.1, 5.0, np.nan)]
    size = np.ptp(face.points[0], axis=0).max()
    assert areas[1] == pytest.approx(5 * np.pi * (0.05 * size) ** 2, rel=0.3)
    assert areas[2] == pytest.approx(4 * areas[1], rel=0.25)
    assert areas[3] < 0.25 * image.shape[0] * image.shape[1] and areas[4] == areas[0] < areas[1]


@pytest.mark.parametrize("scheme", [POINTS_5, POINTS_68])
def test_points_outside_the_image_leave_no_trace(scheme):
    """Dots just beyond the border, and lines towards them."""
    face = face_at(60, 60, 120, scheme)
    out = face.points.copy()
    left = out[0, :, 0] < 110
    out[0, left, 0] = -1.0 - 0.01 * np.arange(left.sum())
    moved = Faces(face.boxes, out, face.scores, {}, scheme)
    mask = changed(grey_image(240, 240), moved, Style(box=False, label=False))
    assert mask.any() and not mask[:, :100].any()


def test_small_faces_in_large_pictures_keep_a_label():
    image, face = grey_image(600, 900), face_at(400, 300, 22, words=True)
    assert changed(image, face, Style(box=False, points=False)).any()
    bare = with_quality(face_at(400, 300, 22), 0.3)
    assert changed(image, bare, Style(box=False, points=False)).any()


def test_a_doubtful_face_tells_its_quality_first():
    """Where there is room for one thing alone."""
    image, style = grey_image(600, 900), Style(box=False, points=False)
    labels = [draw(image, with_quality(face_at(400, 300, 22, words=True), q), style) for q in (0.2, 0.3)]
    assert (labels[0] != labels[1]).any()
    labels = [draw(image, with_quality(face_at(400, 300, 22, words=True), q), style) for q in (0.8, 0.9)]
    assert (labels[0] == labels[1]).all()


def test_names_appear_where_they_can_be_read():
    for scheme in (POINTS_5, POINTS_68):
        for size, readable in ((40, False), (500, True)):
            image, faces = grey_image(2 * size, 2 * size), face_at(size / 2, size / 2, size, scheme)
            without, with_names = draw(image, faces), draw(image, faces, Style(names=True))
            assert np.array_equal(without, with_names) != readable


def test_threads_draw_the_same():
    image, faces = grey_image(300, 400), several(face_at(40, 90, 120, words=True), face_at(220, 90, 120, words=True))
    alone = draw(image, faces, Style(names=True))
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda _: draw(image, faces, Style(names=True)), range(40))
        assert all(np.array_equal(result, alone) for result in results)


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        draw(np.zeros((9, 9, 3)), Faces.empty())
    with pytest.raises(ValueError, match="colour_by"):
        Style(colour_by="mood")
    with pytest.raises(ValueError, match="scale"):
        Style(scale=0)


def test_contact_sheet_has_a_cell_for_each_picture():
    pictures = [grey_image(*shape) for shape in ((10, 10), (300, 100), (100, 300), (1, 500), (64, 64))]
    sheet = contact_sheet(pictures, columns=2, cell=96)
    assert sheet.shape == (3 * (96 + 4) + 4, 2 * (96 + 4) + 4, 3) and sheet.dtype == np.uint8
    assert (sheet[4:100, 4:100] == GREY).all()  # the square one fills its cell
    tall = (sheet[4:100, 104:200] == GREY).all(axis=2)
    assert tall.any(axis=0).sum() == 32 and tall.any(axis=1).all()  # the tall one keeps its shape, centred
    assert (sheet[204 + 4 :, 104:] == sheet[0, 0]).all()  # no sixth picture


def test_contact_sheet_captions_stand_below_and_inside_their_cells():
    pictures = [grey_image(64, 64)] * 3
    captions = ["short", "a_very_long_file_name_" * 9 + ".jpg", ""]
    plain, titled = (contact_sheet(pictures, columns=3, cell=120, captions=c) for c in (None, captions))
    assert titled.shape[0] > plain.shape[0] and titled.shape[1] == plain.shape[1]
    written = (titled[130:] != titled[0, 0]).any(axis=(0, 2))
    first, second, third = written[5:125], written[130:250], written[255:375]
    assert first.any() and second.sum() > first.sum() and not third.any()
    assert not (written[:5].any() or written[125:130].any() or written[250:].any())


def test_contact_sheet_of_nothing_and_bad_calls():
    assert contact_sheet([], columns=4, cell=48).shape[1] == 4 * (48 + 2) + 2
    with pytest.raises(ValueError, match="captions"):
        contact_sheet([grey_image(9, 9)], captions=[])
    with pytest.raises(ValueError, match="column"):
        contact_sheet([], columns=0)
