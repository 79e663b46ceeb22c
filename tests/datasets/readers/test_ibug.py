"""300-W and loose `.pts` files."""

import numpy as np
import pytest

from landmarks.datasets.dataset import check_images, prepare, read_dataset
from landmarks.datasets.table import counts, labels_of, points_of
from landmarks.errors import DataError
from landmarks.schemes import POINTS_68, SMILE
from tests.helpers.datasets import GARBAGE, face, pts
from tests.helpers.faces import draw_face, shared, write_png

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


def test_real_300w_has_its_counts():
    dataset = read_dataset(shared("datasets/300W-crops.zip"))
    figures = counts(dataset.table)
    assert figures.loc["source helen"].tolist() == [783, 87, 330]
    assert figures.loc["source lfpw"].tolist() == [721, 80, 224]
    assert figures.loc["points_68"].tolist() == figures.loc["faces"].tolist() == [1504, 167, 554]
    height, width = dataset.image(0).shape[:2]
    assert 0 < points_of(dataset.table, POINTS_68)[0].mean() < max(height, width)
