"""Tiny datasets in the official layout of the published ones, with their quirks."""

import json

import cv2
import numpy as np
import pytest

from landmarks.schemes import POINTS_5, POINTS_29, POINTS_68, POINTS_98
from tests.helpers.faces import draw_face, write_png

GARBAGE = bytes(range(256)) * 4


def ring(x, y, width, height, count):
    """Points on an ellipse, clockwise as seen from its left end."""
    turn = np.pi + 2 * np.pi * np.arange(count) / count
    return np.stack([x + width * np.cos(turn), y + height * np.sin(turn)], axis=1)


def line(x0, x1, y, count):
    return np.stack([np.linspace(x0, x1, count), np.full(count, y)], axis=1)


def jaw(count):
    turn = np.pi * np.arange(count) / (count - 1)
    return np.stack([-np.cos(turn), np.sin(turn)], axis=1)


def both(x, y):
    return [(-x, y), (x, y)]


def symmetric_face(scheme):
    """A face that is its own mirror image about x = 0, as each scheme numbers it. (K, 2), y down."""
    nose = [(0, -0.3), (0, -0.2), (0, -0.1), (0, 0), *line(-0.2, 0.2, 0.1, 5)]
    lips = [*ring(0, 0.5, 0.3, 0.12, 12), *ring(0, 0.5, 0.25, 0.06, 8)]
    if scheme is POINTS_5:
        parts = [*both(0.45, -0.4), (0, 0), *both(0.3, 0.5)]
    elif scheme is POINTS_68:
        brows = [*line(-0.7, -0.2, -0.6, 5), *line(0.2, 0.7, -0.6, 5)]
        parts = [*jaw(17), *brows, *nose, *ring(-0.45, -0.4, 0.15, 0.05, 6), *ring(0.45, -0.4, 0.15, 0.05, 6), *lips]
    elif scheme is POINTS_98:
        left = [*line(-0.7, -0.2, -0.65, 5), *line(-0.2, -0.6, -0.6, 4)]
        right = [*line(0.2, 0.7, -0.65, 5), *line(0.6, 0.2, -0.6, 4)]
        eyes = [*ring(-0.45, -0.4, 0.15, 0.05, 8), *ring(0.45, -0.4, 0.15, 0.05, 8)]
        parts = [*jaw(33), *left, *right, *nose, *eyes, *lips, *both(0.45, -0.4)]
    else:
        brows = [*both(0.7, -0.6), *both(0.2, -0.6), (-0.5, -0.7), (-0.5, -0.6), (0.5, -0.7), (0.5, -0.6)]
        eyes = [*both(0.6, -0.4), *both(0.3, -0.4), (-0.45, -0.45), (-0.45, -0.35), (0.45, -0.45), (0.45, -0.35)]
        middle = [*both(0.45, -0.4), *both(0.2, 0.05), (0, 0), (0, 0.1), *both(0.3, 0.5)]
        parts = [*brows, *eyes, *middle, (0, 0.4), (0, 0.45), (0, 0.55), (0, 0.6), (0, 1)]
    return np.array(parts, float)


def face(scheme, seed=0):
    """A face in an image of 160 x 160 pixels, two decimals."""
    generator = np.random.default_rng(seed)
    return (symmetric_face(scheme) * 40 + 80 + generator.uniform(-5, 5, (len(scheme), 2))).round(2)


# 300-W


def pts(points):
    body = "\n".join(f"{x + 1:.3f} {y + 1:.3f}" for x, y in points)
    return f"version: 1\r\nn_points:  68\r\n{{\r\n{body}\r\n}}\r\n"


# CelebA and MAFL

COLUMNS = "Bald Eyeglasses Male Smiling Young"
POINT_COLUMNS = (
    "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
)

CELEBA_POINTS = np.array([[69, 109], [106, 113], [77, 142], [73, 152], [108, 154]])


def listing(columns, rows):
    return f"{len(rows)}\n{columns} \n" + "".join(f"{row}\n" for row in rows)


def celeba(root, size=(178, 218), points=False):
    """Six images and the list of attributes: glasses in every second, men the first three, smiles none but the last."""
    labels = [(i % 2, i < 3, i == 5) for i in range(6)]
    rows = [f"00000{i}.jpg -1 " + " ".join(f"{2 * v - 1:2}" for v in label) + "  1" for i, label in enumerate(labels)]
    (root / "Anno").mkdir(parents=True)
    (root / "Anno" / "list_attr_celeba.txt").write_text(listing(COLUMNS, rows))
    for i in range(6):
        write_png(root / "Img" / "img_align_celeba" / f"00000{i}.jpg", cv2.resize(draw_face(i)[0], size))
        write_png(root / "Img" / "img_celeba" / f"00000{i}.jpg", np.zeros((9, 9, 3), np.uint8))  # not aligned ones
    if points:
        numbers = " ".join(f"{v:3}" for v in CELEBA_POINTS.ravel())
        rows = [f"00000{i}.jpg {numbers}" for i in range(6)]
        (root / "Anno" / "list_landmarks_align_celeba.txt").write_text(listing(POINT_COLUMNS, rows))
    return root


# WFLW


def wflw_line(image, points, box=(10, 20, 110, 140)):
    numbers = " ".join(f"{v:.6f}" for v in points.ravel())
    return f"{numbers} {' '.join(map(str, box))} 0 1 0 0 1 0 {image}"


def wflw(root, train, test=(), images="WFLW_images"):
    lists = root / "WFLW_annotations" / "list_98pt_rect_attr_train_test"
    lists.mkdir(parents=True)
    (lists / "list_98pt_rect_attr_train.txt").write_text("\n".join(train) + "\n")
    (lists / "list_98pt_rect_attr_test.txt").write_text("\n".join(test))
    for name in ("0--Parade/0_Parade_1.jpg", "1--Hand/a.jpg"):
        write_png(root / images / name, draw_face(0)[0])
    return root


# COFW


def cofw_file(path, images, shapes, boxes, ending="Tr"):
    """As MATLAB writes it: axes reversed, cells as references. shapes: (N, 87), boxes: (N, 4), counted from 1."""
    h5py = pytest.importorskip("h5py")
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for i, image in enumerate(images):
            file[f"#refs#/{i}"] = image.T
        references = [[file[f"#refs#/{i}"].ref for i in range(len(images))]]
        file.create_dataset(f"Is{ending}", data=np.array(references, dtype=h5py.ref_dtype))
        file[f"phis{ending}"], file[f"bboxes{ending}"] = np.asarray(shapes).T, np.asarray(boxes).T


def cofw_shape(points):
    return np.concatenate([points[:, 0] + 1, points[:, 1] + 1, np.zeros(len(points))])


def cofw(root, faces=3, colour=True):
    images = [draw_face(seed)[0][:, : 150 + seed] for seed in range(faces)]
    images = images if colour else [image[..., 0] for image in images]
    shapes = [cofw_shape(face(POINTS_29, seed)) for seed in range(faces)]
    boxes = [[11 + seed, 21, 100, 110] for seed in range(faces)]
    for part, ending in (("train", "Tr"), ("test", "T")):
        name = f"COFW_{part}_color.mat" if colour else f"COFW_{part}.mat"
        cofw_file(root / "common" / name, images, shapes, boxes, ending)
    return root


# COCO


def keypoints(points, v=2):
    return [float(value) for x, y in points for value in (x, y, v)]


def coco(root, annotations, name="annotations/faces.json", images=({"id": 7, "file_name": "a.png"},)):
    write_png(root / "images" / "a.png", draw_face(3)[0])
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": list(images), "annotations": annotations, "categories": [{"id": 1, "name": "face"}]}
    path.write_text(json.dumps(content), encoding="utf-8")
    return root


def entry(points=None, **more):
    return {"id": 5, "image_id": 7, "keypoints": keypoints(points) if points is not None else [], **more}
