"""A run with its corrections as a dataset, and a network that learns from it."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks import read_results
from landmarks.corrections import Correction, CorrectionLog
from landmarks.datasets.dataset import load_crops, prepare, read_dataset
from landmarks.errors import DataError
from landmarks.models.store import load_model
from landmarks.review.labelled import read_reviewed
from landmarks.review.run import read_run
from landmarks.review.session import Session
from landmarks.schemes import POINTS_5, Attribute, Quantity
from tests.helpers.commands import run
from tests.helpers.drawn_runs import NAMES, make_run
from tests.helpers.faces import draw_face


def say(drawn, image, kind, face="0", points=None, **attributes):
    """A line about a face, by default with where its landmarks really are."""
    points = drawn.points.get(image, np.zeros((5, 2))) if points is None else points
    labels = {"points": dict(zip(POINTS_5.points, map(tuple, points.round(4).tolist()))), "attributes": attributes}
    box = tuple(np.concatenate([points.min(axis=0) - 9, points.max(axis=0) + 9]).tolist())
    line = Correction(kind, image, face, box=box, **({} if kind == "remove" else labels))
    with CorrectionLog(drawn.path) as log:
        log.append(line)


def test_only_what_a_person_vouches_for_is_taken(tmp_path):
    drawn = make_run(tmp_path)
    say(drawn, NAMES[0], "correct", smile="smiling", pose=None)
    say(drawn, NAMES[1], "remove")
    say(drawn, NAMES[2], "put off")
    say(drawn, "none.png", "add", "n1", drawn.points[NAMES[0]] / 4)
    dataset = read_reviewed([drawn.path])
    assert dataset.table["image"].tolist() == [NAMES[0], "none.png"] and dataset.files.root == drawn.photos
    row = dataset.table.iloc[0]
    assert row["points_5"] == pytest.approx(drawn.points[NAMES[0]], abs=1e-3)
    assert row["smile"] == 1 and row[["pose", "glasses"]].isna().all() and row["source"] == "run"
    table = read_reviewed([drawn.path], unseen=True).table
    assert sorted(table["image"]) == sorted([NAMES[0], "none.png", NAMES[2], NAMES[3]])
    assert table[table["image"] == NAMES[3]]["smile"].notna().all()


def test_a_task_of_ones_own_is_reviewed_and_learnt(tmp_path):
    beard = Attribute("beard", ("none", "full"), (0, 1))
    drawn = make_run(tmp_path, declared=[beard])
    with CorrectionLog(drawn.path) as log:
        session = Session(read_run(drawn.path), log, "ann")
        image, face = session.queue("doubtful")[0]
        shown = session.face(image, face)
        assert shown["attributes"]["beard"]["label"] == "none"
        labels = {name: value["label"] for name, value in shown["attributes"].items()} | {"beard": "full"}
        line = {"id": "0" * 8, "kind": "correct", "image": image, "face": face, "version": 0, "box": shown["box"]}
        session.say(line | {"points": shown["points"], "attributes": labels})
        with pytest.raises(DataError, match="beard must be one of none, full, or null, not 'grey'"):
            session.say(
                line | {"id": "1" * 8, "version": 1, "points": shown["points"], "attributes": {"beard": "grey"}}
            )
    dataset = read_reviewed([drawn.path])
    assert dataset.declared == (beard,) and dataset.table["beard"].tolist() == [1]


def test_several_runs_together(tmp_path):
    first, second = make_run(tmp_path / "one"), make_run(tmp_path / "two", formats=["parquet"])
    for drawn in (first, second):
        say(drawn, NAMES[0], "accept")
    dataset = read_reviewed([first.path, second.path])
    assert dataset.table["image"].tolist() == ["one/photos/a.png", "two/photos/a.png"]
    crops = prepare(dataset, tmp_path / "prepared")  # Both draw the same face.
    assert len(crops.table) == 1 and read_dataset(tmp_path / "prepared").image(0).shape == (160, 160, 3)


def test_what_cannot_be_learnt_from_is_told(tmp_path):
    drawn = make_run(tmp_path)
    with pytest.raises(DataError, match="nobody has accepted or corrected a face"):
        read_reviewed([drawn.path])
    say(drawn, NAMES[0], "accept")
    drawn.photos.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="not where the run found it"):
        read_reviewed([drawn.path])
    assert len(read_reviewed([drawn.path], [str(tmp_path / "moved")]).table) == 1
    with pytest.raises(DataError, match="holds no finished run"):
        read_reviewed([tmp_path / "moved"])


def test_partly_labelled_faces(tmp_path):
    drawn = make_run(tmp_path)
    say(drawn, NAMES[0], "accept")
    with CorrectionLog(drawn.path) as log:
        points = dict(log.corrections[0].points) | {"nose": None}
        log.append(Correction("correct", NAMES[2], "0", box=(1, 1, 90, 90), points=points))
    points = read_reviewed([drawn.path]).table["points_5"].iloc[1]
    assert np.isnan(points[2]).all() and np.isfinite(points[[0, 1, 3, 4]]).all()


CONFIG = """
[network]
input_size = 48
features = 64
width = 0.5
tasks = ["points_5", "smile"]

[training]
epochs = 6
draws = 64
batch_size = 8
learning_rate = 2e-3
average_decay = 0.8
workers = 0
"""


def test_a_network_learns_from_corrections(tmp_path, monkeypatch, capsys):
    """From a run to its corrections to a prepared folder to weights, by the commands."""
    names = [f"{i:02}.png" for i in range(24)]
    drawn = make_run(tmp_path, names, empty=())
    for name in names:
        say(drawn, name, "correct", smile="smiling" if int(name[:2]) % 2 else "not smiling")
    assert run(monkeypatch, "data", "prepare", drawn.path, "--out", tmp_path / "mine") == 0
    assert "24 faces" in capsys.readouterr().out
    crops = load_crops(tmp_path / "mine")
    assert set(crops.table["split"]) == {"train", "val"} and set(crops.table["source"]) == {"run"}
    (tmp_path / "mine.toml").write_text(CONFIG)
    config, out = tmp_path / "mine.toml", tmp_path / "first"
    assert run(monkeypatch, "train", config, "--data", tmp_path / "mine", "--out", out, "--device", "cpu") == 0
    start = out / "weights.safetensors"
    command = ["train", config, "--start", start, "--data", tmp_path / "mine", "--out", tmp_path / "again"]
    assert run(monkeypatch, *command, "--device", "cpu") == 0
    about = load_model(tmp_path / "again" / "weights.safetensors").about
    assert about["trained_on"][0]["dataset"] == "reviewed" and "started_from" in about
    first, again = (
        load_model(folder / "weights.safetensors").about["validation"] for folder in (out, tmp_path / "again")
    )
    assert again["points_5"] < first["points_5"]


def test_a_network_learns_from_corrected_numbers(tmp_path, monkeypatch):
    """The run says of every face another number than the right one, which shows in the picture; a person says that."""
    rims, names = Quantity("rims", "mm"), [f"{i:02}.png" for i in range(24)]
    drawn = make_run(tmp_path, names, empty=(), declared=[rims])
    truth = np.array([10.0 + 70 * draw_face(i)[2]["glasses"] for i in range(len(names))])
    with CorrectionLog(drawn.path) as log:
        session = Session(read_run(drawn.path), log, "ann")
        for i, name in enumerate(names):
            face = session.face(i, "0")
            line = {"id": f"{i:08}", "kind": "correct", "image": i, "face": "0", "version": 0, "box": face["box"]}
            points = drawn.points[name].round(4).tolist()
            session.say(line | {"points": points, "attributes": {}, "quantities": {"rims": truth[i]}})
    assert run(monkeypatch, "data", "prepare", drawn.path, "--out", tmp_path / "mine") == 0
    crops = load_crops(tmp_path / "mine")
    assert crops.declared == (rims,) and set(crops.table["rims"]) == {10, 80}
    config, out = tmp_path / "mine.toml", tmp_path / "weights"
    config.write_text(CONFIG.replace('"smile"]', '"rims"]').replace("epochs = 6", "epochs = 40"))
    assert run(monkeypatch, "train", config, "--data", tmp_path / "mine", "--out", out, "--device", "cpu") == 0
    weights, taught = out / "weights.safetensors", crops.table[crops.table["split"] == "train"]["rims"]
    assert load_model(weights).network.heads["rims"].mean == pytest.approx(taught.mean())
    command = ["annotate", drawn.photos, "--weights", weights, "--detector", "whole-image", "--device", "cpu"]
    assert run(monkeypatch, *command, "--out", tmp_path / "out", "--format", "csv", "--quiet") == 0
    told = read_results(tmp_path / "out").set_index("image")["rims"][names].to_numpy()
    assert told[truth == 80].mean() - told[truth == 10].mean() > 35
