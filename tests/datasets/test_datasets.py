import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest

from landmarks.datasets.crops.augment import FIRST_PASS, flip
from landmarks.datasets.crops.cutting import CACHE_SCALE, CACHE_SIZE
from landmarks.datasets.crops.samples import Samples
from landmarks.datasets.dataset import check_images, load_crops, prepare, read_dataset
from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import counts, labels_of, load_table, points_of, save_table, split_validation
from landmarks.errors import DataError, ImageError
from landmarks.schemes import ABSENT, ATTRIBUTES, GENDER, GLASSES, POINTS_5, POINTS_68, POSE, SMILE
from tests.helpers.faces import draw_face, mtfl_line, shared, write_png


def zipped(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
    return path


def test_mtfl_reads_what_was_drawn(mtfl, tmp_path):
    folder = read_dataset(mtfl)
    archive = read_dataset(zipped(mtfl, tmp_path / "mtfl.zip"))
    for dataset in (folder, archive):
        assert dataset.name == "mtfl" and len(dataset.table) == 48
        test = dataset.table[dataset.table["split"] == "test"]
        for row, seed in zip(test.index, range(40, 48)):
            image, points, labels = draw_face(seed)
            assert np.array_equal(dataset.image(row), image)
            assert np.allclose(points_of(test.loc[[row]], POINTS_5)[0], points, atol=1e-5)
            for attribute in ATTRIBUTES.values():
                assert labels_of(test.loc[[row]], attribute)[0] == labels[attribute.name]
        assert set(dataset.table["source"]) == {"lfw", "web", "aflw"}
        assert np.isnan(points_of(test, POINTS_68)).all()
    assert (folder.table["split"] == archive.table["split"]).all()


GOOD = mtfl_line("lfw_5590\\a.png", draw_face(0)[1], draw_face(0)[2])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lfw_5590\\a.jpg 1 2 3", "line 2: 15 fields wanted"),
        (GOOD[:-1] + "6", "line 2: not a number or not a label"),
        (GOOD[:-1] + "x", "line 2: not a number or not a label"),
        (GOOD.replace(GOOD.split()[1], "nan"), "line 2: a coordinate is not finite"),
        (GOOD.replace(GOOD.split()[1], "1e999"), "line 2: a coordinate is not finite"),
    ],
)
def test_mtfl_names_the_wrong_line(tmp_path, line, message):
    (tmp_path / "training.txt").write_text(f"{GOOD}\r\n {line}\r\n")
    (tmp_path / "testing.txt").write_text("")
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_real_mtfl_has_its_published_counts():
    dataset = read_dataset(shared("datasets/MTFL.zip"))
    table = dataset.table
    train, test = table[table["split"] != "test"], table[table["split"] == "test"]
    assert (len(train), len(test)) == (10_000, 2_995)
    assert np.bincount(labels_of(train, GENDER)).tolist() == [4193, 5807]
    assert np.bincount(labels_of(train, SMILE)).tolist() == [4384, 5616]
    assert np.bincount(labels_of(test, GLASSES)).tolist() == [2754, 241]
    assert np.bincount(labels_of(train, POSE)).tolist() == [136, 1113, 7445, 1111, 195]
    assert (table["split"] == "val").sum() == 1000
    assert dataset.image(len(table) - 1).shape == (150, 150, 3)


def test_validation_split_is_fixed_and_stratified():
    rows = [{"image": f"{i}.jpg", "split": "train", "source": "ab"[i % 2], "pose": i % 4 // 2} for i in range(400)]
    rows += [{"image": "0.jpg", "split": "train", "source": "a", "pose": 0}]
    from landmarks.datasets.table import make_table

    table = make_table(rows)
    first, again = split_validation(table, 0.1), split_validation(table.sample(frac=1, random_state=1), 0.1)
    chosen = first[first["split"] == "val"]
    assert set(chosen["image"]) == set(again[again["split"] == "val"]["image"])
    assert set(chosen.drop_duplicates("image").groupby(["source", "pose"]).size()) == {10}
    assert (first.loc[[0, 400], "split"]).nunique() == 1, "faces of one image stay together"
    assert set(split_validation(table, 0.1, seed=1).query("split == 'val'")["image"]) != set(chosen["image"])


CSV = "image,split,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,mouth_left_x,mouth_left_y,"
CSV += "mouth_right_x,mouth_right_y,smile,pose,x0,y0,x1,y1\n"


def test_own_csv(tmp_path):
    image, points, _ = draw_face(3)
    write_png(tmp_path / "sub dir" / "ü.png", image)
    numbers = ",".join(str(v) for v in points.ravel())
    text = CSV + f"ü.png,val,{numbers},smiling,4,1,2,30,40\nü.png,,,,,,,,,,,,,left profile,,,,\n"
    (tmp_path / "sub dir" / "faces.csv").write_text(text, encoding="utf-8-sig")
    dataset = read_dataset(tmp_path)
    assert dataset.table["split"].tolist() == ["val", "train"]
    assert np.allclose(points_of(dataset.table, POINTS_5)[0], points)
    assert labels_of(dataset.table, SMILE).tolist() == [1, ABSENT]
    assert labels_of(dataset.table, POSE).tolist() == [4, 0]
    assert dataset.table.loc[0, ["x0", "y0", "x1", "y1"]].tolist() == [1, 2, 30, 40]
    assert np.array_equal(dataset.image(0), image)
    assert counts(dataset.table).loc["boxes"].tolist() == [0, 1]
    assert check_images(dataset) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture\na.png\n", "no column `image`"),
        (CSV + "a.png,train,1,2,3,4,5,6,7,8,9,,smiling,0,,,,\n", "line 2: mouth_right_y is missing"),
        (CSV + "a.png,train,1,2,3,4,5,6,7,8,9,x,smiling,0,,,,\n", "line 2: mouth_right_y must be a number"),
        (CSV + "a.png,train,,,,,,,,,,,grin,0,,,,\n", "line 2: smile must be one of not smiling, smiling"),
        (CSV + "a.png,train,,,,,,,,,,,,0,5,5,5,9\n", "the box needs x0 < x1"),
        (CSV + "a.png,dev,,,,,,,,,,,,0,,,,\n", "split must be one of"),
        (CSV + ",train,,,,,,,,,,,,0,,,,\n", "line 2: the image is empty"),
        (CSV + "a.png,train,1,1,1,1,1,1,1,1,1,1,,0,,,,\n", "all points_5 coincide"),
    ],
)
def test_own_csv_names_what_is_wrong(tmp_path, text, message):
    (tmp_path / "faces.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


@pytest.mark.parametrize("what", ["missing", "text", "empty folder"])
def test_no_dataset(tmp_path, what):
    path = tmp_path / "x"
    if what == "text":
        path.write_text("hello")
    elif what == "empty folder":
        path.mkdir()
    with pytest.raises(DataError, match=str(path)):
        read_dataset(path)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/../../secret"])
def test_files_stay_inside(tmp_path, name):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "root").mkdir()
    with pytest.raises(DataError, match="leads out"):
        Files(tmp_path / "root").read(name)


def test_table_survives_parquet(mtfl, tmp_path):
    table = read_dataset(mtfl).table
    save_table(table, tmp_path / "t.parquet")
    again = load_table(tmp_path / "t.parquet")
    assert again.columns.tolist() == table.columns.tolist()
    assert np.array_equal(points_of(again, POINTS_5), points_of(table, POINTS_5))
    simple = [c for c in table if not c.startswith("points_")]
    pd.testing.assert_frame_equal(again[simple], table[simple])
    (tmp_path / "bad.parquet").write_text("no table")
    with pytest.raises(DataError, match=r"bad\.parquet"):
        load_table(tmp_path / "bad.parquet")


def test_cached_crops_hold_the_face_where_the_table_says(prepared, mtfl):
    crops = load_crops(prepared)
    assert len(crops.table) == 40 and crops.picture(39).shape == (CACHE_SIZE, CACHE_SIZE, 3)
    assert len(crops.part("train")) == 36 and len(crops.part("val")) == 4
    points = points_of(crops.table, POINTS_5)
    extent = np.ptp(points, axis=1).max(axis=1)
    assert np.allclose(extent, CACHE_SIZE / CACHE_SCALE, rtol=0.02)
    eyes = points[:, :2].round().astype(int)
    for pixels, (x, y) in zip(map(crops.picture, range(40)), eyes[:, 0]):
        assert pixels[y, x].sum() < 150, "the drawn eyes are dark"
    assert len(read_dataset(prepared).table) == 48


def test_prepare_leaves_out_copies_and_unreadable_images(mtfl, tmp_path):
    shutil.copytree(mtfl, tmp_path / "data")
    folder = tmp_path / "data" / "MTFL" / "net_7876"
    shutil.copy(folder / "000.png", folder / "002.png")
    (folder / "004.png").write_bytes(b"")
    (folder / "006.png").unlink()
    counts = r"3 of 40 .*1 in copies .*net_7876/002\.png.*1 in images that cannot be read.*1 without their image"
    with pytest.warns(UserWarning, match=counts) as record:
        crops = prepare(read_dataset(tmp_path / "data"), tmp_path / "out")
    assert len(record) == 1 and len(crops.table) == 37
    named = pd.read_csv(tmp_path / "out" / "left_out.csv")
    assert dict(zip(named["image"].str[-7:], named["reason"])) == {
        "002.png": "copy", "004.png": "unreadable", "006.png": "missing",
    }  # fmt: skip
    problems = check_images(read_dataset(tmp_path / "data"))
    assert len(problems) == 2 and "004.png" in problems[0] and "006.png" in problems[1]
    with pytest.raises(ImageError, match=r"006\.png"):
        read_dataset(tmp_path / "data").image(6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,split,smile\na.png,train,1\nb.png,test,1\n", r"1 of 1 faces cannot be used: 1 without a box or points"),
        ("image,split,smile\nb.png,test,1\n", "no face in the splits train and val"),
        (
            "image,x0,y0,x1,y1\n" + "".join(f"{i}.png,1,1,9,9\n" for i in range(80)),
            r"80 of 80 faces .*: 80 without their image \(0\.png, \.\.\.\); nothing to prepare\. .*left_out\.csv",
        ),
    ],
)
def test_nothing_to_prepare(tmp_path, text, message, recwarn):
    (tmp_path / "faces.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        prepare(read_dataset(tmp_path), tmp_path / "out")
    assert not [str(w.message) for w in recwarn] and not list((tmp_path / "out").glob("crops.npy*"))


@pytest.mark.parametrize("damage", ["no json", "bad json", "no crops", "short crops"])
def test_half_prepared_is_refused(prepared, tmp_path, damage):
    folder = shutil.copytree(prepared, tmp_path / "p")
    if damage == "no json":
        (folder / "dataset.json").unlink()
    elif damage == "bad json":
        (folder / "dataset.json").write_text("{")
    elif damage == "no crops":
        (folder / "crops.npy").unlink()
    else:
        np.save(folder / "crops.npy", np.zeros((2, CACHE_SIZE, CACHE_SIZE, 3), np.uint8))
    with pytest.raises(DataError, match=str(folder)):
        load_crops(folder)


def test_samples_depend_on_seed_epoch_and_index_alone(prepared):
    crops = load_crops(prepared)
    make = lambda seed: Samples(crops, crops.part("train"), ("points_5", "pose"), 64, 1.8, seed=seed)  # noqa: E731
    first, again, other = make(1), make(1), make(2)
    again[5]
    assert all((first[3][key] == again[3][key]).all() for key in ("crop", "points_5", "pose"))
    assert not (first[3]["crop"] == other[3]["crop"]).all()
    assert all((first[3, 0][key] == first[3][key]).all() for key in ("crop", "points_5"))
    assert not (first[3, 1]["points_5"] == first[3]["points_5"]).all()  # Drawn again in an epoch, it looks otherwise.
    again.epoch = 1
    assert not (first[3]["points_5"] == again[3]["points_5"]).all()


def test_samples_move_points_with_the_picture(prepared):
    """Eyes stay dark under their points through crop, rotation and flip; left stays left when upright."""
    crops = load_crops(prepared)
    samples = Samples(crops, crops.part("train"), ("points_5", "glasses"), 96, 1.8)
    samples.picture = lambda image: {"image": image}
    samples.picture.set_random_state = lambda generator, python: None
    for index in range(len(samples)):
        item = samples[index]
        points, crop = item["points_5"].numpy(), item["crop"].numpy().astype(int)
        for x, y in points[:2].round().astype(int):
            if 0 <= x < 96 and 0 <= y < 96:
                assert crop[y, x].sum() < 250
        assert points[0, 0] < points[1, 0]


def test_flip_is_its_own_inverse_for_everything():
    image, points, _ = draw_face(1)
    labels = {"pose": 1, "smile": 1, "gender": ABSENT}
    flipped = flip(image, {"points_5": points}, labels)
    assert flipped[2] == {"pose": 3, "smile": 1, "gender": ABSENT}
    assert not np.array_equal(flipped[0], image)
    back = flip(*flipped)
    assert np.array_equal(back[0], image) and np.allclose(back[1]["points_5"], points) and back[2] == labels


def test_jitter_stays_within_its_limits():
    generator = np.random.default_rng(0)
    drawn = np.stack([FIRST_PASS.draw(np.array([50.0, 60, 20, 0]), generator) for _ in range(500)])
    assert abs(drawn[:, :2] - [50, 60]).max() <= 20 * FIRST_PASS.shift
    assert drawn[:, 2].min() >= 20 * FIRST_PASS.scale[0] and drawn[:, 2].max() <= 20 * FIRST_PASS.scale[1]
