"""Tasks of one's own: declared in a file, known everywhere without it."""

import csv
import io
import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console

from landmarks import Annotator, read_results
from landmarks.batch.options import RunOptions
from landmarks.batch.run import annotate
from landmarks.comparison.analysis.accuracies import accuracy_contrast
from landmarks.comparison.page.document import Facts, write_document
from landmarks.comparison.results import read_results as read_comparison
from landmarks.datasets.dataset import load_crops, prepare, read_dataset
from landmarks.datasets.labels import label_counts, label_gaps
from landmarks.datasets.table import labels_of, make_table, values_of
from landmarks.declared import check_declared, read_declared
from landmarks.errors import DataError, LandmarksError, WeightsError
from landmarks.evaluation.measures import measure, predict_dataset
from landmarks.evaluation.tables import tables
from landmarks.export.file import NETWORK, parse_onnx
from landmarks.export.graph import export_model
from landmarks.export.header import outputs
from landmarks.inference.config import AnnotatorConfig
from landmarks.inference.onnx_backend import OnnxBackend
from landmarks.models.network import Network
from landmarks.models.store import load_model
from landmarks.schemes import ABSENT, POINTS_5, Attribute, Quantity
from landmarks.sources.find import find
from landmarks.training.from_config import train_from_config
from landmarks.training.start import begin_with, standardise
from tests.helpers.commands import run
from tests.helpers.comparisons import hurry
from tests.helpers.faces import draw_face, write_png
from tests.helpers.packages import needs_export

TASKS = """
[tasks.mouth_open]
labels = ["closed", "open"]
note = "Ours."

[tasks.gaze]
labels = ["Left", "ahead", "right-ish"]
flip = ["right-ish", "ahead", "Left"]

[tasks.head_turn]
kind = "number"
unit = "degrees"
flip = "negated"
note = "By hand."

[tasks.years]
kind = "number"
"""
CONFIG = """
[network]
input_size = 32
features = 16
width = 0.25
[training]
epochs = 1
batch_size = 8
workers = 0
average_decay = 0.5
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder of 20 drawn faces with two declared attributes, of which the last is not labelled in the test part, and
    two quantities, of which the first is not labelled for every fourth face."""
    root = tmp_path_factory.mktemp("own")
    names = [f"{point}_{axis}" for point in POINTS_5.points for axis in "xy"]
    with open(root / "faces.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "split", *names, "smile", "mouth_open", "gaze", "head_turn", "years"])
        for seed in range(20):
            image, points, labels = draw_face(seed)
            write_png(root / f"{seed}.png", image)
            split = "test" if seed >= 16 else "val" if seed >= 12 else "train"
            gaze = "" if split == "test" else ("LEFT", "2")[seed % 2]
            mouth = ("closed", "OPEN")[labels["smile"]]
            turn = ("NaN", "-12.5", "7", "1e1")[seed % 4]
            labelled = [labels["smile"], mouth, gaze, turn, 20 + seed]
            writer.writerow([f"{seed}.png", split, *np.round(points, 2).ravel(), *labelled])
    (root / "tasks.toml").write_text(TASKS)
    return root


@pytest.fixture(scope="module")
def prepared_own(own, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared_own")
    prepare(read_dataset(own), out)
    return out


@pytest.fixture(scope="module")
def weights(prepared_own, tmp_path_factory):
    """Trained for an epoch; the config names no tasks."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "c.toml").write_text(CONFIG)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return train_from_config(folder / "c.toml", [prepared_own], folder / "run", "cpu")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[tasks.a]\nlabels = ["x"]', "tasks.a: a: labels must be two or more"),
        (f"[tasks.a]\nlabels = {[str(i) for i in range(200)]}", "and at most 127"),
        ('[tasks.a]\nlabels = ["x", "X"]', "tasks.a: a: the label 'x' is there twice"),
        ('[tasks.a]\nlabels = ["x_y", "x-Y"]', "the label 'x_y' is there twice"),
        ('[tasks.a]\nlabels = ["x", "-"]', "labels must be texts of printable signs, not '-'"),
        ('[tasks.a]\nlabels = ["x", " "]', "the label ' ' means that there is no label"),
        ('[tasks.a]\nlabels = ["x", "y\\n"]', "labels must be texts of printable signs"),
        ('[tasks.a]\nlabels = ["None", "beard"]', "the label 'None' means that there is no label; give it another"),
        ('[tasks.a]\nlabels = ["x", "y"]\nflip = ["y"]', "flip has 1 labels, labels 2"),
        ('[tasks.a]\nlabels = ["x", "y"]\nflip = ["y", "z"]', "flip: unknown label 'z'; known: x, y"),
        ('[tasks.a]\nlabels = ["x", "y"]\nflip = ["y", "y"]', "flip must name each of the 2 labels once"),
        ('[tasks.a]\nlabels = ["x", "y", "z"]\nflip = ["y", "z", "x"]', "mirrored twice a face must be as it was"),
        ('[tasks.smile]\nlabels = ["x", "y"]', "'smile' is a built-in task; give yours another name"),
        ('[tasks.points_5]\nlabels = ["x", "y"]', "'points_5' is a built-in task"),
        ('[tasks.nose_x]\nlabels = ["x", "y"]', "'nose_x' is, or looks like, the name of something else"),
        ('[tasks.score]\nlabels = ["x", "y"]', "'score' is, or looks like, the name of something else"),
        ('[tasks.x0]\nlabels = ["x", "y"]', "'x0' is, or looks like, the name of something else"),
        ('[tasks.smile_probability]\nlabels = ["x", "y"]', "looks like, the name of something else"),
        ('[tasks.train]\nlabels = ["x", "y"]', "'train' is, or looks like, the name of something else"),
        ('[tasks.Mouth]\nlabels = ["x", "y"]', "a task's name must be small letters"),
        ('[tasks."a b"]\nlabels = ["x", "y"]', "a task's name must be small letters"),
        ('[tasks.a]\nlabels = "x"', r"tasks.a: labels = 'x': must be a list"),
        ('[tasks.a]\nlabel = ["x", "y"]', "tasks.a: label: unknown key; did you mean 'labels'"),
        ("[tasks.a]", "tasks.a: labels: missing"),
        ("[tasks]\na = 3", "tasks.a = 3: must be a table of keys"),
        ('[tasks.a]\nkind = "text"', "tasks.a: unknown kind 'text'; known: class, number"),
        ("[tasks.a]\nkind = 3", "tasks.a: unknown kind '3'; known: class, number"),
        ('[tasks.a]\nkind = "number"\nlabels = ["x", "y"]', "tasks.a: labels: unknown key; known: unit, flip, note"),
        (
            '[tasks.a]\nkind = "number"\nflip = "mirrored"',
            "tasks.a: a: flip must be 'same' or 'negated', not 'mirrored'",
        ),
        ('[tasks.a]\nkind = "number"\nflip = ["x"]', "tasks.a: flip = ['x']: must be a text in quotes"),
        ('[tasks.a]\nkind = "number"\nunit = "a\\nb"', "unit must be at most 30 printable signs"),
        ('[tasks.a]\nkind = "number"\nunit = 3', "tasks.a: unit = 3: must be a text in quotes"),
        ('[tasks.yaw]\nkind = "number"', "'yaw' is, or looks like, the name of something else"),
        ('[tasks.age]\nkind = "number"', "'age' is, or looks like, the name of something else"),
        ('[tasks.gender]\nkind = "number"', "'gender' is a built-in task"),
        ("tasks = [", "cannot be read as TOML"),
    ],
)
def test_bad_declarations_name_file_task_and_cure(text, message):
    with pytest.raises(LandmarksError, match=r"own/tasks\.toml: ") as error:
        read_declared(text, "own/tasks.toml")
    assert message in str(error.value)


def test_names_that_torch_keeps_are_refused():
    for name in dir(torch.nn.ModuleDict()):
        if not name.startswith("_") and name.islower():
            with pytest.raises(ValueError, match="the name of something else"):
                check_declared([Attribute(name, ("a", "b"))])


def test_labels_are_read_by_text_and_number(own):
    dataset = read_dataset(own)
    mouth, gaze, turn, years = dataset.declared
    assert (mouth.labels, mouth.flip, mouth.note) == (("closed", "open"), (0, 1), "Ours.")
    assert (gaze.labels, gaze.flip) == (("Left", "ahead", "right-ish"), (2, 1, 0))
    labels = labels_of(dataset.table, mouth)
    assert labels.tolist() == [draw_face(seed)[2]["smile"] for seed in range(20)]
    assert labels_of(dataset.table, gaze).tolist() == [0, 2] * 8 + [ABSENT] * 4
    assert (turn.unit, turn.flip, turn.sign, turn.note) == ("degrees", "negated", -1, "By hand.")
    assert (years.unit, years.flip, years.sign) == ("", "same", 1)
    assert np.array_equal(values_of(dataset.table, turn), [np.nan, -12.5, 7, 10] * 5, equal_nan=True)
    assert values_of(dataset.table, years).tolist() == list(range(20, 40))


@pytest.mark.parametrize("cell", ["old", "inf", "-inf", "1e999", "30 years", "3;4", "1e31"])
def test_what_is_no_number_names_its_place(tmp_path, cell):
    (tmp_path / "tasks.toml").write_text('[tasks.years]\nkind = "number"\n')
    (tmp_path / "faces.csv").write_text(f"image,years\na.png,1\nb.png,{cell}\n")
    with pytest.raises(DataError, match=r"(faces\.csv line 3|row 1 \(b\.png\)): years must be a number"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("cell", ["", "nan", "NA", "none", "uncertain"])
def test_words_for_nothing_are_no_number(tmp_path, cell):
    (tmp_path / "tasks.toml").write_text('[tasks.years]\nkind = "number"\n')
    (tmp_path / "faces.csv").write_text(f"image,years\na.png,{cell}\n")
    assert read_dataset(tmp_path).table["years"].isna().all()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([None] * 3, "no training face has labels for head_turn; a network gets no head for them"),
        ([0.0] * 99, "head_turn: every training face with a label has the value 0; a network learns nothing else"),
        ([-0.0] * 99, "head_turn: every training face with a label has the value 0; a network learns nothing else"),
        ([1.0, None, 2.0], "head_turn: 2 training faces have a label; with fewer than 50 it is hardly learnt"),
        ([5.0] * 99, None),  # mirrored it is another one
        (list(range(99)), None),
    ],
)
def test_what_numbers_do_not_teach_is_told(values, told):
    turn = Quantity("head_turn", flip="negated")
    rows = [{"image": f"{i}.png", "split": "train", "head_turn": value} for i, value in enumerate(values)]
    assert label_gaps(make_table(rows, [turn]), ["head_turn"], [turn]) == ([] if told is None else [told])


def test_what_prepared_data_hold_of_numbers_is_counted(prepared_own, monkeypatch, capsys):
    assert run(monkeypatch, "data", "info", prepared_own) == 0
    lines = capsys.readouterr().out.splitlines()
    (faces,) = (line for line in lines if "head_turn " in line and ":" not in line)
    assert [word for word in faces.split() if word.isdigit()] == ["9", "3", "3"]
    assert any("head_turn: mean ± deviation, degrees" in line and "1.5 ± 10" in line for line in lines)


@pytest.mark.parametrize(("cell", "code"), [("1", 0), ("1.0", 0), ("3", 2), ("2.00", 1), ("0", None), ("4", None)])
def test_labels_that_are_numbers_are_read_as_such_not_as_places(tmp_path, cell, code):
    (tmp_path / "tasks.toml").write_text('[tasks.size]\nlabels = ["1", "2", "3"]\n')
    (tmp_path / "faces.csv").write_text(f"image,size\na.png,{cell}\n")
    if code is None:
        with pytest.raises(DataError, match="size must be one of 1, 2, 3, not"):
            read_dataset(tmp_path)
    else:
        assert read_dataset(tmp_path).table["size"].tolist() == [code]


def test_labels_that_the_task_does_not_have_name_line_and_choices(tmp_path):
    (tmp_path / "tasks.toml").write_text(TASKS)
    (tmp_path / "faces.csv").write_text("image,gaze\na.png,left\nb.png,up\n")
    with pytest.raises(DataError, match=r"faces\.csv line 3: gaze must be one of Left, ahead, right-ish, .*'up'"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("tasks", "header", "message"),
    [
        ("", "image,gaze", "unknown columns, not read: 'gaze'; a task of your own is declared in tasks.toml beside it"),
        (TASKS, "image,mouth_opn,gaze", r"not read: 'mouth_opn' \(perhaps 'mouth_open'\)"),
        (TASKS, "image,gaze", "tasks.toml declares 'mouth_open', but there is no such column"),
    ],
)
def test_columns_and_declarations_that_do_not_meet_are_named(tmp_path, tasks, header, message):
    (tmp_path / "tasks.toml").write_text(tasks)
    (tmp_path / "faces.csv").write_text(f"{header}\na.png\n")
    with pytest.warns(UserWarning, match=message):
        read_dataset(tmp_path)


def test_prepared_data_carry_the_declarations(own, prepared_own):
    (again, crops) = read_dataset(prepared_own), load_crops(prepared_own)
    assert again.declared == crops.declared == read_dataset(own).declared
    assert again.declared[0].note == "Ours."
    counts = label_counts(crops.table, ["gaze"], crops.declared)
    assert counts == {"gaze": {"Left": 8, "ahead": 0, "right-ish": 8}}
    assert label_counts(crops.table, ["head_turn"], crops.declared) == {"head_turn": 12}
    assert np.array_equal(crops.table["years"], again.table["years"][: len(crops.table)])


def test_data_that_declare_differently_are_not_taken_together(prepared_own, tmp_path):
    facts = json.loads((prepared_own / "dataset.json").read_text())
    for name in ("table.parquet", "crops.parquet", "crops.npy"):
        (tmp_path / name).symlink_to(prepared_own / name)
    facts["tasks"][0]["labels"] = ["open", "closed"]
    (tmp_path / "dataset.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match=rf"{prepared_own} and {tmp_path} declare 'mouth_open' differently"):
        load_crops(prepared_own, tmp_path)
    facts["tasks"][0]["labels"] = ["open"]
    (tmp_path / "dataset.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match=r"labels must be two or more, .*; prepare the data again"):
        load_crops(tmp_path)


def test_a_training_gives_every_labelled_task_a_head_and_the_weights_know_it(weights, prepared_own):
    model = load_model(weights)
    config = model.network.config
    assert config.attributes == ("smile", "mouth_open", "gaze")
    assert config.declared == load_crops(prepared_own).declared and config.attribute("mouth_open").note == "Ours."
    assert model.network.heads["gaze"].out_features == 3 and model.network.heads["gaze"].unseen == (1,)
    assert model.about["labels"]["gaze"] == {"Left": 6, "ahead": 0, "right-ish": 6}
    assert model.about["labels"]["head_turn"] == 9 and model.about["labels"]["years"] == 12
    assert list(config.quantities) == ["head_turn", "years"] and config.quantities["head_turn"].note == "By hand."
    turn, years = model.network.heads["head_turn"], model.network.heads["years"]
    assert turn.mean == 0 and turn.scale == pytest.approx(np.sqrt((12.5**2 + 7**2 + 10**2) / 3))
    assert years.mean == pytest.approx(25.5) and years.scale == pytest.approx(np.std(np.arange(12)))
    assert 0 < model.about["validation"]["years_distance"] < 30


def test_a_head_that_goes_on_keeps_its_mean_and_scale(weights, prepared_own):
    model, crops = load_model(weights), load_crops(prepared_own)
    network = Network(model.network.config)
    standardise(network, crops.table.iloc[:2])
    assert network.heads["years"].mean == 20.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin_with(network, model)
    assert network.heads["years"].mean == pytest.approx(25.5)


def test_a_config_may_name_the_tasks(prepared_own, tmp_path):
    (tmp_path / "c.toml").write_text(CONFIG.replace("[network]", '[network]\ntasks = ["points_5", "mouth_open"]'))
    trained = load_model(train_from_config(tmp_path / "c.toml", [prepared_own], tmp_path / "run", "cpu"))
    assert trained.network.config.tasks == ("points_5", "mouth_open")
    assert [attribute.name for attribute in trained.network.config.declared] == ["mouth_open"]
    (tmp_path / "c.toml").write_text(CONFIG.replace("[network]", '[network]\ntasks = ["mouth_opn"]'))
    with pytest.raises(LandmarksError, match="unknown task 'mouth_opn'; did you mean 'mouth_open'"):
        train_from_config(tmp_path / "c.toml", [prepared_own], tmp_path / "run", "cpu")


def test_results_in_every_format_know_the_task_without_its_file(weights, own, tmp_path):
    out = tmp_path / "out"
    config = AnnotatorConfig(weights, "whole-image", device="cpu")
    annotate(config, find(own / "0.png"), out, RunOptions(["csv", "jsonl", "parquet", "coco", "cvat", "labelstudio"]))
    faces = Annotator(weights, "whole-image", device="cpu")(own / "0.png")
    wanted = faces.attributes["gaze"].labels[0]
    for format in ("csv", "jsonl", "parquet", "coco", "cvat", "labelstudio"):
        table = read_results(out, format)
        assert table["gaze"].tolist() == [wanted], format
        for name, one in faces.quantities.items():
            assert table[name].dtype == "float32" and table[name][0] == pytest.approx(one.values[0], abs=1e-4), format
    columns = {column["name"]: column for column in json.loads((out / "schema.json").read_text())["tables"]["faces"]}
    assert columns["head_turn"]["unit"] == "degrees" and columns["head_turn"]["meaning"].endswith("By hand.")
    (out / "schema.json").unlink()
    assert {"head_turn", "years"} <= set(read_results(out, "jsonl")) & set(read_results(out, "coco"))
    assert read_results(out, "csv")["gaze"].tolist() == [wanted]
    assert wanted in ("Left", "right-ish")  # no training face looks ahead


def test_evaluation_measures_it(weights, own):
    predictions = predict_dataset(weights, read_dataset(own))
    with pytest.warns(UserWarning, match="no face has labels for gaze"):
        figures = measure(predictions, rounds=10)
    assert set(figures["attributes"]["mouth_open"]["recall"]) <= {"closed", "open"}
    assert "gaze" not in figures["attributes"]
    turn, years = figures["quantities"]["head_turn"], figures["quantities"]["years"]
    assert (turn["unit"], turn["faces"], years["unit"], years["faces"]) == ("degrees", 3, "", 4)
    assert years["of_the_mean"]["value"] == 1.0  # 36 to 39
    assert years["mean_absolute_error"]["value"] > 5  # it was taught 20 to 31
    assert years["share_of_it"]["value"] == pytest.approx(years["mean_absolute_error"]["value"])
    figures["protocol"] = {"weights": "w", "dataset": "d", "split": "test", "input": "whole-image", "passes": 2}
    console = Console(file=io.StringIO(), width=200)
    for table in tables(figures):
        console.print(table)
    assert "head_turn │ degrees │ 3" in console.file.getvalue()


def test_tasks_are_chosen_by_name(weights, own):
    chosen = Annotator(weights, "whole-image", device="cpu", tasks=["years", "smile"])
    faces = chosen(own / "0.png")
    assert (list(faces.attributes), list(faces.quantities)) == (["smile"], ["years"])
    assert chosen.settings()["tasks"] == ["smile", "years"]
    with pytest.raises(WeightsError, match="no head for 'year', only for smile, mouth_open, gaze, head_turn, years"):
        Annotator(weights, "whole-image", device="cpu", tasks=["year"])


def test_evaluation_on_data_without_the_task_or_with_another_of_its_name(weights, mtfl, own, tmp_path):
    predictions = predict_dataset(weights, read_dataset(mtfl))
    with pytest.warns(UserWarning, match="no face has labels for mouth_open, gaze"):
        measure(predictions, rounds=10)
    (tmp_path / "tasks.toml").write_text(TASKS.replace("closed", "shut"))
    (tmp_path / "faces.csv").write_text("image,split,mouth_open,gaze\n0.png,test,shut,left\n")
    write_png(tmp_path / "0.png", draw_face(0)[0])
    with pytest.raises(DataError, match=r"the weights and .* declare 'mouth_open' differently"):
        predict_dataset(weights, read_dataset(tmp_path))


def test_weights_to_start_from_must_mean_the_same(weights, prepared_own, tmp_path, monkeypatch):
    crops = load_crops(prepared_own)
    other = (Attribute("mouth_open", ("open", "closed")), *crops.declared[1:])
    monkeypatch.setattr(crops, "declared", other)
    monkeypatch.setattr("landmarks.training.from_config.load_crops", lambda *paths: crops)
    (tmp_path / "c.toml").write_text(CONFIG)
    with pytest.raises(WeightsError, match=r"another task 'mouth_open' \(closed, open\); give yours another name"):
        train_from_config(tmp_path / "c.toml", [prepared_own], tmp_path / "run", "cpu", start=weights)
    other = (*crops.declared[:2], Quantity("head_turn", "radians", "negated"), Quantity("years"))
    monkeypatch.setattr(crops, "declared", (*load_crops(prepared_own).declared[:2], *other[2:]))
    with pytest.raises(WeightsError, match=r"another task 'head_turn' \(a number, degrees, negated\); give yours"):
        train_from_config(tmp_path / "c.toml", [prepared_own], tmp_path / "run", "cpu", start=weights)


def test_an_export_knows_it(weights, own):
    needs_export()
    model = load_model(weights)
    graphs = export_model(model, (NETWORK,))
    about = parse_onnx(graphs.parts[NETWORK], NETWORK)
    found = Annotator(OnnxBackend(about), "whole-image")(own / "0.png")
    wanted = Annotator(model, "whole-image", device="cpu", backend="torch")(own / "0.png")
    exported, expected = found.attributes["gaze"], wanted.attributes["gaze"]
    assert exported.attribute == expected.attribute
    assert np.allclose(exported.probabilities, expected.probabilities, atol=0.01)
    for name, one in wanted.quantities.items():
        assert found.quantities[name].quantity == one.quantity
        assert found.quantities[name].values == pytest.approx(one.values, abs=0.05)
    told = outputs(model.network.config, model.calibration, NETWORK)["head_turn"]
    assert told == {"shape": ["N"], "meaning": "estimate in degrees. By hand."}


GRID = """
reference = "landmarks only"
[defaults]
epochs = 1
batch_size = 8
seeds = 1
precision = "float32"
gradient_cosine = 1
[[arms]]
name = "{tasks}"
[arms.sweep]
tasks = [["points_5"], ["points_5", "gaze", "mouth_open", "smile", "head_turn"], ["head_turn"]]
"""


def test_a_comparison_may_learn_it(prepared_own, tmp_path, monkeypatch):
    hurry(monkeypatch)
    (tmp_path / "grid.toml").write_text(GRID)
    out = tmp_path / "out"
    command = ["compare", tmp_path / "grid.toml", "--data", prepared_own, "--out", out, "--detector", "whole-image"]
    assert run(monkeypatch, *command) == 0
    results = read_comparison(out)
    arm = results.arms["+ smile + gaze + head_turn + mouth_open"]
    assert arm.auxiliary == {"smile", "mouth_open", "gaze", "head_turn"} and arm.guesses["mouth_open"].shape == (1, 4)
    assert arm.guesses["head_turn"].shape == (1, 4) and arm.guesses["head_turn"].dtype == np.float32
    assert np.array_equal(results.faces["head_turn"], [np.nan, -12.5, 7, 10], equal_nan=True)
    assert results.attributes["mouth_open"].labels == ("closed", "open")
    summary = pd.read_csv(out / "summary.csv", index_col="arm")
    assert "mouth_open_balanced_accuracy" in summary
    cosines = summary.loc[arm.name, [f"{task}_gradient_cosine" for task in sorted(arm.auxiliary)]]
    assert cosines.abs().max() <= 1 and cosines.notna().all()
    assert (
        "points_5_gradient_cosine" not in summary and summary.loc["head_turn alone"].filter(like="_cosine").isna().all()
    )
    error = np.abs(arm.guesses["head_turn"][0, 1:] - [-12.5, 7, 10]).mean()
    assert summary.loc[arm.name, "head_turn_absolute_error"] == pytest.approx(error, rel=1e-4)
    (row,) = accuracy_contrast(results).to_dict("records")
    assert (row["task"], row["measure"], row["lower_is_better"]) == ("head_turn", "mean absolute error, degrees", True)
    assert row["accuracy"] == pytest.approx(error, rel=1e-4)
    write_document(out, tmp_path / "page.md", Facts("2026-11-26", "a machine", (), ""))
    page = (tmp_path / "page.md").read_text()
    assert "head_turn, mean absolute error, degrees (the mean: 9.33)" in page
    assert f"{error:.2f}, cosine {cosines['head_turn_gradient_cosine']:+.2f}" in page
    assert run(monkeypatch, *command) == 0  # it goes on: nothing is left to do
    (tmp_path / "grid.toml").write_text(GRID.replace("gaze", "gase"))
    assert run(monkeypatch, *command) == 2


def test_the_results_of_a_run_are_data_again(weights, own, tmp_path):
    """annotate -> correct -> train: the labels come back, with the declarations beside them."""
    config = AnnotatorConfig(weights, "whole-image", device="cpu")
    annotate(config, find(own / "0.png"), tmp_path, RunOptions(["csv"]))
    (tmp_path / "tasks.toml").write_text(TASKS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read_dataset(tmp_path).table
    label = ("Left", "ahead", "right-ish")[table["gaze"].iloc[0]]
    assert pd.read_csv(tmp_path / "faces.csv")["gaze"][0] == label
