"""The readers of published datasets and of COCO, on tiny datasets in their official layout with their quirks."""

import json
import pickle
import sys
import zipfile

import cv2
import numpy as np
import pandas as pd
import pytest

from landmarks.datasets.dataset import CACHE_SIZE, check_images, load_crops, prepare, read_dataset
from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.samples import canonical_squares
from landmarks.datasets.table import BOX, counts, labels_of, load_table, points_of
from landmarks.detection.centerface import CenterFace
from landmarks.errors import DataError, ImageError
from landmarks.geometry import FACE_BOX, face_squares
from landmarks.schemes import ATTRIBUTES, GENDER, GLASSES, POINTS_5, POINTS_29, POINTS_68, POINTS_98, SCHEMES, SMILE
from tests.helpers.faces import draw_face, shared, write_png

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


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_mirrored_symmetric_face_is_itself(scheme):
    points = symmetric_face(scheme)
    assert points.shape == (len(scheme), 2)
    assert np.allclose((points * [-1, 1])[list(scheme.swap)], points)
    assert [scheme.swap[scheme.swap[i]] for i in range(len(scheme))] == list(range(len(scheme)))
    left_eye, right_eye, nose, mouth_left, mouth_right = scheme.anchors(points)
    assert left_eye == pytest.approx([-0.45, -0.4]) and right_eye == pytest.approx([0.45, -0.4])
    assert nose.tolist() == [0, 0] and mouth_left == pytest.approx([-0.3, 0.5])
    assert mouth_right == pytest.approx([0.3, 0.5])
    left, right = points[list(scheme.interocular)]
    assert left[0] == pytest.approx(-right[0]) and left[0] <= points[list(scheme.left_eye), 0].min() + 1e-9
    assert face_squares(points[None], scheme, 1)[0] == pytest.approx([0, 0.05, 0.9, 0])


def test_schemes_share_no_name():
    names = [name for scheme in SCHEMES.values() for name in scheme.points]
    assert len(names) == len(set(names)), "columns of a faces.csv would mean two things"


def test_face_box_is_a_detectors():
    assert CenterFace.rule == FACE_BOX


# 300-W


def pts(points):
    body = "\n".join(f"{x + 1:.3f} {y + 1:.3f}" for x, y in points)
    return f"version: 1\r\nn_points:  68\r\n{{\r\n{body}\r\n}}\r\n"


W300 = {  # folder -> source, split
    "helen/trainset": ("helen", "train"),
    "helen/testset": ("helen", "test"),
    "LFPW/trainset": ("lfpw", "train"),
    "lfpw/testset": ("lfpw", "test"),
    "afw": ("afw", "train"),
    "ibug": ("ibug", "test"),
    "01_Indoor": ("01_indoor", "test"),
}


def test_300w(tmp_path):
    for seed, folder in enumerate(W300):
        path = tmp_path / "300W" / folder / f"image _{seed}.pts"
        write_png(path.with_suffix(".jpg" if seed % 2 else ".png"), draw_face(seed)[0])
        path.write_text(pts(face(POINTS_68, seed)), encoding="utf-8-sig" if seed else "utf-8", newline="")
    dataset = read_dataset(tmp_path)
    assert dataset.name == "ibug" and len(dataset.table) == len(W300)
    for row in dataset.table.itertuples():
        seed = int(row.image.split("_")[-1].split(".")[0])
        assert (row.source, row.split) == list(W300.values())[seed]
        assert np.allclose(row.points_68, face(POINTS_68, seed))
    assert check_images(dataset) == [] and labels_of(dataset.table, SMILE).max() == -1


def test_plain_pts_files(tmp_path):
    for name in ("a.pts", "set one/b.pts"):
        write_png((tmp_path / name).with_suffix(".JPG"), draw_face(0)[0])
        (tmp_path / name).write_text(pts(face(POINTS_68)))
    (tmp_path / "._a.pts").write_bytes(GARBAGE)  # what macOS leaves in archives
    table = read_dataset(tmp_path).table
    assert table["source"].tolist() == ["", "set one"] and set(table["split"]) <= {"train", "val"}


GOOD_PTS = pts(face(POINTS_68)).splitlines()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "line 1: 'version: 1'"),
        (["version: 1", "n_points: 5", "{"], "line 1: .*n_points: 5"),
        (GOOD_PTS[:40], "line 40: the file ends before"),
        ([*GOOD_PTS[:9], *GOOD_PTS[10:]], "line 71: 68 points wanted, 67 found"),
        ([*GOOD_PTS[:9], "1 2 3", *GOOD_PTS[10:]], "line 10: 'x y' wanted, '1 2 3' found"),
        ([*GOOD_PTS[:9], "1 x", *GOOD_PTS[10:]], "line 10: 'x y' wanted"),
        ([*GOOD_PTS[:9], "1 nan", *GOOD_PTS[10:]], "line 10: a coordinate is not finite"),
        ([*GOOD_PTS[:9], "1 1e999", *GOOD_PTS[10:]], "line 10: a coordinate is not finite"),
    ],
)
def test_pts_names_the_wrong_line(tmp_path, lines, message):
    write_png(tmp_path / "a.png", draw_face(0)[0])
    (tmp_path / "a.pts").write_text("\n".join(lines))
    with pytest.raises(DataError, match=rf"a\.pts {message}"):
        read_dataset(tmp_path)


def test_pts_without_image_or_text(tmp_path):
    write_png(tmp_path / "a.png", draw_face(0)[0])
    (tmp_path / "a.pts").write_text(pts(face(POINTS_68)))
    (tmp_path / "b.pts").write_text(pts(face(POINTS_68)))
    with pytest.warns(UserWarning, match=r"1 without their image \(b\.jpg\)"):
        assert len(prepare(read_dataset(tmp_path), tmp_path / "out").table) == 1
    (tmp_path / "b.pts").unlink()
    (tmp_path / "a.pts").write_bytes(GARBAGE)
    with pytest.raises(DataError, match=r"a\.pts is not UTF-8"):
        read_dataset(tmp_path)


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


def test_celeba_attributes_alone(tmp_path):
    dataset = read_dataset(celeba(tmp_path, size=(89, 109)))
    table = dataset.table
    assert dataset.name == "celeba" and set(table["source"]) == {"celeba"}
    assert labels_of(table, GLASSES).tolist() == [0, 1, 0, 1, 0, 1]
    assert labels_of(table, GENDER).tolist() == [1, 1, 1, 0, 0, 0]
    assert labels_of(table, SMILE).tolist() == [0, 0, 0, 0, 0, 1]
    assert table["pose"].isna().all() and table["points_5"].isna().all()
    box = table[BOX].to_numpy()
    assert (box == box[0]).all() and np.allclose((box[0] + 0.5) / [89, 109, 89, 109], [0.267, 0.317, 0.751, 0.837])
    assert dataset.image(0).shape == (109, 89, 3)


@pytest.mark.parametrize(("size", "expected"), [((178, 218), CELEBA_POINTS), ((89, 109), CELEBA_POINTS / 2 - 0.25)])
def test_celeba_points_and_partition(tmp_path, size, expected):
    celeba(tmp_path, size, points=True)
    text = "".join(f"00000{i}.jpg {i // 2}\n" for i in range(6))
    (tmp_path / "Anno" / "list_eval_partition.txt").write_text(text)
    table = read_dataset(tmp_path).table
    assert table["split"].tolist() == ["train", "train", "val", "val", "test", "test"]
    assert np.allclose(points_of(table, POINTS_5), expected) and table["x0"].isna().all()


def test_mafl_is_not_taken_for_mtfl(tmp_path):
    celeba(tmp_path, points=True)
    (tmp_path / "training.txt").write_text("000001.jpg\r\n000002.jpg\r\n")
    (tmp_path / "testing.txt").write_text("000005.jpg\n")
    dataset = read_dataset(tmp_path)
    assert dataset.name == "celeba" and dataset.table["split"].tolist() == ["train", "train", "test"]
    assert dataset.table["image"].str.contains("img_align_celeba").all()
    (tmp_path / "training.txt").write_text("other.jpg\n")
    (tmp_path / "testing.txt").write_text("")
    with pytest.raises(DataError, match="no image in common"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("list_attr_celeba.txt", "", "line 1: not CelebA's list"),
        ("list_attr_celeba.txt", "1\nBald Male\nx.jpg 1 1\n", "line 1: not CelebA's list"),
        ("list_attr_celeba.txt", "0\nEyeglasses Male Smiling\n", "the image '' is not there; put img_align_celeba"),
        ("list_attr_celeba.txt", "2\nEyeglasses Male Smiling\nx.jpg 1 1 1\n", "line 1: 2 rows announced, 1 found"),
        (
            "list_attr_celeba.txt",
            "1\nEyeglasses Male Smiling\nx.jpg 1 1\n",
            "line 3: an image name and 3 values wanted",
        ),
        ("list_attr_celeba.txt", "1\nEyeglasses Male Smiling\nx.jpg 1 0 1\n", "line 3: .*one of -1, 1"),
        ("list_attr_celeba.txt", "1\nEyeglasses Male Smiling\nx.jpg 1 1 1\n", "the image 'x.jpg' is not there"),
        ("list_attr_celeba.txt", GARBAGE.decode("latin1"), "line 1"),
        ("list_eval_partition.txt", "000000.jpg 0\n000001.jpg 3\n", "line 2: an image name and 0, 1 or 2 wanted"),
        ("list_eval_partition.txt", "000000.jpg\n", "line 1: an image name and 0, 1 or 2 wanted"),
        ("list_landmarks_align_celeba.txt", f"1\n{POINT_COLUMNS}\nx.jpg 1 1 1 1 1 1 1 1 1 y\n", "line 3: could not"),
        ("list_landmarks_align_celeba.txt", f"1\n{POINT_COLUMNS}\nx.jpg 1 1 1 1 1 1 1 1 1 inf\n", "line 3: .*finite"),
    ],
)
def test_celeba_names_the_wrong_line(tmp_path, name, text, message):
    celeba(tmp_path, points=True)
    (tmp_path / "Anno" / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_faces_with_a_box_alone_are_cached(tmp_path):
    crops = prepare(read_dataset(celeba(tmp_path / "data")), tmp_path / "out")
    assert len(crops.table) == 6 and len(load_crops(tmp_path / "out").part("train")) >= 5
    middle = (CACHE_SIZE - 1) / 2
    assert np.allclose(canonical_squares(crops.table, 1.8), [middle, middle, CACHE_SIZE * 1.8 / 4, 0], atol=1e-6)
    boxes = crops.table[BOX].to_numpy()
    assert (boxes[:, 0] < middle).all() and (boxes[:, 2] > middle).all(), "boxes move with the crop"
    assert all(crops.picture(row)[CACHE_SIZE // 2, CACHE_SIZE // 2].any() for row in range(6))


def test_faces_without_points_and_box_are_not_cached(tmp_path):
    write_png(tmp_path / "a.png", draw_face(0)[0])
    write_png(tmp_path / "b.png", draw_face(1)[0])
    (tmp_path / "faces.csv").write_text("image,smile,x0,y0,x1,y1\na.png,smiling,,,,\nb.png,smiling,20,20,140,140\n")
    crops = prepare(read_dataset(tmp_path), tmp_path / "out")
    assert crops.table["image"].tolist() == ["b.png"] and len(read_dataset(tmp_path / "out").table) == 2


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


@pytest.mark.parametrize("images", ["WFLW_images", "WFLW_images/WFLW_images"])
def test_wflw(tmp_path, images):
    train = [wflw_line("0--Parade/0_Parade_1.jpg", face(POINTS_98, seed)) for seed in range(2)]
    dataset = read_dataset(wflw(tmp_path, train, [wflw_line("1--Hand/a.jpg", face(POINTS_98, 2))], images))
    assert dataset.name == "wflw" and dataset.table["split"].tolist() == ["train", "train", "test"]
    assert np.allclose(points_of(dataset.table, POINTS_98), [face(POINTS_98, seed) for seed in range(3)])
    assert dataset.table[BOX].iloc[2].tolist() == [10, 20, 110, 140]
    assert check_images(dataset) == []
    assert len(prepare(dataset, tmp_path / "out").table) == 2, "two faces of one image are no copies"


GOOD_WFLW = wflw_line("1--Hand/a.jpg", face(POINTS_98))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 2 3", "line 2: 207 fields wanted"),
        (GOOD_WFLW.replace(GOOD_WFLW.split()[0], "x", 1), "line 2: could not convert"),
        (GOOD_WFLW.replace(GOOD_WFLW.split()[0], "nan", 1), "line 2: a coordinate is not finite"),
        (GOOD_WFLW.replace("0 1 0 0 1 0", "0 1 0 0 1 2"), "line 2: the six marks"),
        (wflw_line("1--Hand/a.jpg", face(POINTS_98), (10, 20, 10, 140)), "line 2: the box needs x0 < x1"),
        ("\x00" * 20, "line 2: 207 fields wanted"),
    ],
)
def test_wflw_names_the_wrong_line(tmp_path, line, message):
    with pytest.raises(DataError, match=message):
        read_dataset(wflw(tmp_path, [GOOD_WFLW, line]))


def test_wflw_images_are_sought(tmp_path):
    with pytest.raises(DataError, match=r"other\.jpg is not there; put the folder WFLW_images"):
        read_dataset(wflw(tmp_path / "a", [wflw_line("other.jpg", face(POINTS_98))]))
    outside = wflw_line("../../secret.jpg", face(POINTS_98))
    dataset = read_dataset(wflw(tmp_path / "b", [GOOD_WFLW, outside]))
    with pytest.raises(ImageError, match="leads out"):
        dataset.image(1)


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


@pytest.mark.parametrize("colour", [True, False])
def test_cofw(tmp_path, colour):
    dataset = pickle.loads(pickle.dumps(read_dataset(cofw(tmp_path, colour=colour))))
    table = dataset.table
    assert dataset.name == "cofw" and (table["split"] == "test").sum() == 3
    assert table["source"].tolist() == ["lfpw"] * 3 + ["cofw"] * 3
    for row in range(6):
        drawn = draw_face(row % 3)[0][:, : 150 + row % 3]
        assert np.array_equal(dataset.image(row), drawn if colour else np.repeat(drawn[..., :1], 3, axis=2))
        assert np.allclose(table["points_29"].iloc[row], face(POINTS_29, row % 3))
        assert table[BOX].iloc[row].tolist() == [10 + row % 3, 20, 110 + row % 3, 130]
    assert check_images(dataset) == []
    prepared = prepare(dataset, tmp_path / "out")
    assert len(prepared.table) == 3 and read_dataset(tmp_path / "out").image(4).shape == (160, 151, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shapes": np.full((1, 87), np.nan)}, "face 1: a coordinate is not finite"),
        ({"boxes": [[1, 1, 0, 5]]}, "face 1: the box has width 0"),
        ({"shapes": np.ones((1, 136))}, "N x 87 shapes"),
        ({"shapes": np.ones((2, 87))}, "N x 87 shapes"),
        ({"ending": "T"}, "not the MATLAB 7.3 file"),
    ],
)
def test_cofw_names_the_wrong_face(tmp_path, change, message):
    good = {"images": [draw_face(0)[0]], "shapes": [cofw_shape(face(POINTS_29))], "boxes": [[1, 1, 9, 9]]}
    cofw_file(tmp_path / "COFW_train.mat", **{**good, **change})
    with pytest.raises(DataError, match=rf"COFW_train\.mat.*{message}"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("image", [np.zeros((9, 9)), np.zeros((9, 9, 4), np.uint8), np.zeros(9, np.uint8)])
def test_cofw_image_that_is_none(tmp_path, image):
    cofw_file(tmp_path / "COFW_train.mat", [image], [cofw_shape(face(POINTS_29))], [[1, 1, 9, 9]])
    with pytest.raises(ImageError, match=r"COFW_train\.mat.*not an 8-bit image"):
        read_dataset(tmp_path).image(0)


def test_mat_files_that_cannot_be_read(tmp_path, monkeypatch):
    pytest.importorskip("h5py")
    cofw(tmp_path / "data")
    train = tmp_path / "data" / "common" / "COFW_train_color.mat"
    for name in ("IsTr/0004", "IsTr/x", "IsTr", "none/1", "IsTr/1/../../.."):
        with pytest.raises(DataError):
            Files(tmp_path / "data").read(f"common/COFW_train_color.mat/{name}")
    with zipfile.ZipFile(tmp_path / "cofw.zip", "w") as archive:
        archive.write(train, train.name)
    with pytest.raises(DataError, match="unpack it"):
        read_dataset(tmp_path / "cofw.zip")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "h5py", None)
        with pytest.raises(DataError, match=r"landmarks\[cofw\]"):
            read_dataset(tmp_path / "data")
    for damage in (b"", GARBAGE, train.read_bytes()[:3000]):
        train.write_bytes(damage)
        with pytest.raises(DataError, match=r"COFW_train_color\.mat: not the MATLAB 7.3 file"):
            read_dataset(tmp_path / "data")


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


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_coco(tmp_path, scheme):
    absent = keypoints(face(scheme), v=0)
    entries = [entry(face(scheme), bbox=[10, 20, 30, 40]), entry(keypoints=absent, bbox=[1, 2, 3, 4]), entry()]
    dataset = read_dataset(coco(tmp_path, entries, "annotations/person_keypoints_val2017.json"))
    table = dataset.table
    assert dataset.name == "coco" and table["split"].tolist() == ["val"] * 3
    assert (
        np.allclose(points_of(table, scheme)[0], face(scheme)) and table[scheme.name].isna().tolist()[1:] == [True] * 2
    )
    assert table[BOX].iloc[0].tolist() == [9.5, 19.5, 39.5, 59.5] and np.isnan(table["x0"].iloc[2])
    assert np.array_equal(dataset.image(0), draw_face(3)[0]) and check_images(dataset) == []


@pytest.mark.parametrize(
    ("name", "split"),
    [("train.json", "train"), ("faces-test.json", "test"), ("annotations/person_keypoints_test.json", "test"),
     ("latest.json", "train"), ("annotations/Val.JSON", "val"), ("any.json", "train")],
)  # fmt: skip
def test_coco_split_by_name(tmp_path, name, split):
    table = read_dataset(coco(tmp_path, [entry(face(POINTS_5))], name)).table
    assert table["split"].tolist() == [split]


def test_coco_images_of_a_split_lie_in_its_folder(tmp_path):
    for split in ("train", "val"):
        write_png(tmp_path / f"{split}2017" / "a.png", draw_face(0)[0])
        coco(tmp_path, [entry(face(POINTS_5))], f"annotations/{split}.json")
    assert read_dataset(tmp_path).table["image"].tolist() == ["train2017/a.png", "val2017/a.png"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": keypoints(np.ones((17, 2)))}, "annotation 5: there is no scheme of 17 landmarks"),
        ({"keypoints": [1, 2, 2, 3]}, "annotation 5: keypoints must be x, y, v"),
        ({"keypoints": [float("nan"), *keypoints(face(POINTS_5))[1:]]}, "annotation 5: .*finite numbers"),
        ({"keypoints": ["x", *keypoints(face(POINTS_5))[1:]]}, "annotation 5: could not convert"),
        ({"keypoints": [10**400, *keypoints(face(POINTS_5))[1:]]}, "annotation 5: int too large"),
        ({"keypoints": 7}, "annotation 5: "),
        ({"keypoints": keypoints(face(POINTS_5)[list(POINTS_5.swap)])}, "left and right must be the image's"),
        ({"bbox": [1, 2, 0, 4]}, "annotation 5: bbox must be"),
        ({"bbox": [1, 2, 3]}, "annotation 5: "),
        ({"bbox": [1, 2, float("inf"), 3]}, "annotation 5: bbox must be"),
        ({"image_id": 8}, "annotation 5: there is no image of id or no entry 8"),
        ({"image_id": [8]}, "annotation 5: "),
    ],
)
def test_coco_names_the_wrong_annotation(tmp_path, change, message):
    with pytest.raises(DataError, match=rf"faces\.json:? {message}" if message.startswith("annot") else message):
        read_dataset(coco(tmp_path, [{**entry(face(POINTS_5)), **change}]))


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "a/../../b.png", "..\\secret.png", "", 3, None])
def test_coco_images_stay_inside(tmp_path, name):
    with pytest.raises(DataError, match=r"image 7: file_name .* is not a path inside the dataset"):
        read_dataset(coco(tmp_path, [entry(face(POINTS_5))], images=[{"id": 7, "file_name": name}]))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "7", '{"images": 3, "annotations": []}', '{"images": [], "annotations": [4]}', "[" * 99999]
)
def test_coco_that_is_none(tmp_path, text):
    (tmp_path / "train.json").write_text(text)
    with pytest.raises(DataError, match=r"train\.json: an object with `images`"):
        read_dataset(tmp_path)


def test_binary_json(tmp_path):
    (tmp_path / "train.json").write_bytes(GARBAGE)
    with pytest.raises(DataError, match=r"train\.json is not UTF-8"):
        read_dataset(tmp_path)


# All of them


def test_names_that_no_file_can_have(tmp_path):
    for name in ("a\0b", "x" * 5000):
        with pytest.raises(DataError, match="cannot read"):
            Files(tmp_path).read(name)


def test_damaged_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("training.txt", "x" * 5000)
        archive.writestr("testing.txt", "")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    start = data.index(b"training.txt") + len("training.txt")
    data[start : start + 4] = b"\xff" * 4
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"cannot read training\.txt"):
        read_dataset(tmp_path / "a.zip")


def test_unknown_data_lists_what_is_known(tmp_path):
    with pytest.raises(DataError, match=r"CelebA.*MTFL.*WFLW.*COFW.*faces\.csv.*300-W.*COCO"):
        read_dataset(tmp_path)


def test_table_from_before_a_scheme_existed(prepared, tmp_path):
    frame = pd.read_parquet(prepared / "table.parquet").drop(columns=["points_98", "points_29"])
    frame.to_parquet(tmp_path / "old.parquet")
    again = load_table(tmp_path / "old.parquet")
    assert set(SCHEMES) | set(ATTRIBUTES) <= set(again.columns) and again["points_98"].isna().all()
    assert np.array_equal(points_of(again, POINTS_5), points_of(load_table(prepared / "table.parquet"), POINTS_5))


def test_real_300w_has_its_counts():
    dataset = read_dataset(shared("datasets/300W-crops.zip"))
    figures = counts(dataset.table)
    assert figures.loc["source helen"].tolist() == [783, 87, 330]
    assert figures.loc["source lfpw"].tolist() == [721, 80, 224]
    assert figures.loc["points_68"].tolist() == figures.loc["faces"].tolist() == [1504, 167, 554]
    height, width = dataset.image(0).shape[:2]
    assert 0 < points_of(dataset.table, POINTS_68)[0].mean() < max(height, width)


def test_real_celeba_has_its_counts():
    table = read_dataset(shared("datasets/CelebA-8k.zip")).table
    assert counts(table).loc["boxes"].tolist() == [7200, 800]
    assert np.bincount(labels_of(table, GLASSES)).tolist() == [7454, 546]
    assert np.bincount(labels_of(table, SMILE)).tolist() == [4161, 3839]
    assert np.bincount(labels_of(table, GENDER)).tolist() == [4628, 3372]
