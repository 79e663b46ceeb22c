import cv2
import numpy as np
import pytest

from landmarks.geometry import (
    BoxRule,
    crop_matrices,
    extract_crop,
    extract_crops,
    face_squares,
    flip_points,
    invert,
    roll,
    rotate,
    transform,
)
from landmarks.schemes import POINTS_5, POINTS_68, SCHEMES

FRONTAL = np.array([[-1, -1], [1, -1], [0, 0.2], [-0.8, 1.2], [0.8, 1.2]])
PROFILE = np.array([[-0.1, -1], [0.1, -1], [-0.9, 0.2], [-0.3, 1.2], [0.1, 1.2]])


@pytest.mark.parametrize("size", [1, 40, 81])
def test_matrix_and_inverse_undo_each_other(size):
    generator = np.random.default_rng(size)
    squares = np.c_[generator.normal(100, 50, (20, 2)), generator.uniform(5, 500, 20), generator.uniform(-3, 3, 20)]
    points = generator.normal(100, 100, (20, 5, 2))
    matrices = crop_matrices(squares, size)
    assert np.allclose(transform(invert(matrices), transform(matrices, points)), points)


def test_square_fills_the_crop():
    """The corners of the square, at half pixels, are the corners of the crop."""
    corners = np.array([[[10.0, 20], [50, 20], [50, 60], [10, 60]]])
    matrix = crop_matrices(np.array([[30, 40, 40, 0]]), 80)
    assert np.allclose(transform(matrix, corners), [[[-0.5, -0.5], [79.5, -0.5], [79.5, 79.5], [-0.5, 79.5]]])


def test_dense_scheme_has_the_square_of_its_five_points():
    """Jaw and brows do not make a face larger."""
    points = np.random.default_rng(0).uniform(0, 100, (3, 68, 2))
    five = POINTS_68.anchors(points)
    assert five.shape == (3, 5, 2)
    assert np.allclose(face_squares(points, POINTS_68, 2.0), face_squares(five, POINTS_5, 2.0))


@pytest.mark.parametrize("face", [FRONTAL, PROFILE], ids=["frontal", "profile"])
@pytest.mark.parametrize("degrees", [-170, -90, -20, 0, 45, 179])
def test_crop_is_upright_whatever_the_rotation(face, degrees):
    turned = rotate(face[None] * 30, np.radians([degrees])) + 200
    squares = face_squares(turned, POINTS_5, 2.0)
    upright = face_squares(face[None] * 30, POINTS_5, 2.0)
    in_crop = transform(crop_matrices(squares, 64), turned)
    expected = transform(crop_matrices(upright, 64), face[None] * 30)
    assert np.allclose(in_crop, expected)
    assert abs(roll(in_crop, POINTS_5)[0]) < 1e-6


def test_roll_sees_frontal_rotation_exactly():
    turned = rotate(FRONTAL[None], np.array([0.3]))
    assert roll(turned, POINTS_5) == pytest.approx([0.3])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (BoxRule(), [20, 30, 40, 0]),
        (BoxRule(shift_y=0.1, extent=0.5), [20, 30 + 0.1 * 28.2843, 1.8 * 0.5 * 28.2843, 0]),
        (BoxRule(shift_x=-0.5, extent=1.0), [20 - 14.1421, 30, 1.8 * 28.2843, 0]),
    ],
)
def test_box_rule(rule, expected):
    assert np.allclose(rule.squares([[10, 10, 30, 50]], 1.8), [expected], atol=1e-3)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_flip_twice_is_nothing(scheme):
    points = np.random.default_rng(0).uniform(0, 50, (3, len(scheme), 2))
    assert np.allclose(flip_points(flip_points(points, 50, scheme), 50, scheme), points)
    assert sorted(scheme.swap) == list(range(len(scheme)))


def test_flip_swaps_left_and_right():
    flipped = flip_points(np.array([[10.0, 5], [30, 6], [20, 7], [12, 8], [28, 9]]), 50, POINTS_5)
    assert flipped.tolist() == [[19, 6], [39, 5], [29, 7], [21, 9], [37, 8]]


def test_swap_of_68_points_keeps_a_mirrored_shape():
    """Left groups go to right groups: eyes, mouth corners, inter-ocular landmarks, chin in place."""
    swap = np.array(POINTS_68.swap)
    assert set(swap[list(POINTS_68.left_eye)]) == set(POINTS_68.right_eye)
    assert swap[48] == 54 and swap[36] == 45 and swap[8] == 8 and swap[33] == 33 and swap[27] == 27


@pytest.mark.parametrize("side", [20, 64, 150, 700])
def test_extract_crop_keeps_places(side):
    """A blurred dot is found where the matrix says, enlarged, equal or averaged down."""
    image = np.zeros((900, 900, 3), np.uint8)
    dot = np.array([430.0, 520.0])
    cv2.circle(image, (430, 520), max(2, side // 20), (255, 255, 255), -1)
    matrix = crop_matrices(np.array([[430 + side / 4, 520 - side / 8, side * 1.4, 0.4]]), 64)
    crop = extract_crop(image, matrix[0], 64).astype(float).sum(axis=2)
    rows, columns = np.mgrid[:64, :64]
    centre = np.array([(columns * crop).sum(), (rows * crop).sum()]) / crop.sum()
    assert np.allclose(centre, transform(matrix, dot[None, None])[0, 0], atol=0.1)


def test_shrinking_does_not_alias():
    """A fine checkerboard becomes grey, not a pattern."""
    image = np.indices((1024, 1024)).sum(axis=0) % 2 * 255
    image = np.repeat(image[..., None], 3, axis=2).astype(np.uint8)
    crop = extract_crop(image, crop_matrices(np.array([[512, 512, 700, 0.0]]), 64)[0], 64)
    assert crop.std() < 2 and abs(crop.mean() - 127.5) < 2


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (3000, 2, 3)])
@pytest.mark.parametrize("square", [[0, 0, 10, 0], [5000, -5000, 100, 1], [0, 0, 1e-3, 0], [0, 0, 1e7, 0]])
def test_extract_crop_of_odd_images(shape, square):
    crop = extract_crop(np.zeros(shape, np.uint8), crop_matrices(np.array([square]), 32)[0], 32)
    assert crop.shape == (32, 32, 3)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("square", "seen"),
    [
        ((60_000, 12, 30, 0.2), True),
        ((60_000, 12, 900, 0), True),
        ((2_000_000, 12, 4e6, 0), False),
        ((-90, 12, 30, 0), False),
    ],
)
def test_crops_of_images_longer_than_opencv_warps(square, seen, turned):
    """White in its middle row alone, where the square's centre is. Of a strip that is far thinner than a crop's pixel
    there is nothing to see."""
    x, y, side, angle = square
    image = np.zeros((25, 70_000 if side < 1e6 else 4_000_000, 3), np.uint8)
    image[12] = 255
    if turned:
        image, x, y = np.ascontiguousarray(image.swapaxes(0, 1)), y, x
    crop = extract_crop(image, crop_matrices(np.array([[x, y, side, angle]]), 32)[0], 32)
    assert (crop[15:17, 15:17].max() > 0) == seen and (seen or not crop.any())
    if seen and side < 100:  # As the part of it around the crop gives.
        low = int((y if turned else x) - 200)
        part, centre = (image[low:], (x, y - low)) if turned else (image[:, low:], (x - low, y))
        near = np.ascontiguousarray(part[:400] if turned else part[:, :400])
        expected = extract_crop(near, crop_matrices(np.array([[*centre, side, angle]]), 32)[0], 32)
        assert np.abs(crop.astype(int) - expected).max() <= 2


def crop_alone(image, matrix, size):
    """One crop, step by step: shrink the part under it by a whole factor, then warp."""
    if not np.isfinite(matrix).all():
        return np.zeros((size, size, 3), np.uint8)
    factor = int(1 / max(np.hypot(matrix[0, 0], matrix[1, 0]), 1e-9))
    if factor >= 2:
        corners = np.array([[0, 0], [size, 0], [0, size], [size, size]]) - 0.5
        corners = transform(invert(matrix[None]), corners[None])[0]
        limits = image.shape[1::-1]
        x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int) - factor, 0, limits)
        x1, y1 = np.clip(np.ceil(corners.max(axis=0)).astype(int) + factor, 0, limits)
        columns, rows = (x1 - x0) // factor, (y1 - y0) // factor
        if columns >= 1 and rows >= 1:
            part = image[y0 : y0 + rows * factor, x0 : x0 + columns * factor]
            image = cv2.resize(part, (int(columns), int(rows)), interpolation=cv2.INTER_AREA)
            shift = matrix[:, 2] + matrix[:, :2] @ (np.array([x0, y0]) + (factor - 1) / 2)
            matrix = np.c_[matrix[:, :2] * factor, shift]
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


@pytest.mark.parametrize("size", [16, 56, 88])
def test_crops_of_a_batch_are_those_of_each_alone(size):
    """Byte for byte: enlarged, shrunk by any factor, at and beyond borders, of images of any size, and of no number."""
    generator = np.random.default_rng(size)
    shapes = [(1, 1, 3), (1, 700, 3), (900, 2, 3), *([(640, 480, 3), (300, 1000, 3)] * 60)]
    images = [generator.integers(0, 256, shape, np.uint8) for shape in shapes]
    squares = np.c_[
        generator.uniform(-100, 900, (len(images), 2)),
        np.exp(generator.uniform(np.log(4), np.log(3000), len(images))),
        generator.uniform(-4, 4, len(images)),
    ]
    squares[7] = np.nan
    matrices = crop_matrices(squares, size)
    crops = extract_crops(images, matrices, size)
    assert crops.shape == (len(images), size, size, 3) and crops.dtype == np.uint8
    for image, matrix, crop in zip(images, matrices, crops):
        np.testing.assert_array_equal(crop, crop_alone(image, matrix, size))
    views = [image[::-1, ::-1] for image in images]  # not contiguous
    np.testing.assert_array_equal(extract_crops(views, matrices, size)[20], crop_alone(views[20], matrices[20], size))
    assert extract_crops([], np.zeros((0, 2, 3)), size).shape == (0, size, size, 3)
