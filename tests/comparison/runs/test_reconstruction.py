"""A comparison whose auxiliary task is the reconstruction of the crop: from the grid's file to the page."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from landmarks.comparison.analysis.learnt import at_chance
from landmarks.comparison.analysis.summary import describe, measure
from landmarks.comparison.analysis.task_measures import task_figures
from landmarks.comparison.grid.arms import Arm
from landmarks.comparison.grid.grid_file import read_grid
from landmarks.comparison.page.cautions import auxiliary_table, cautions
from landmarks.comparison.page.document import Facts, write_document
from landmarks.comparison.results import read_results
from landmarks.comparison.runs.labels import with_labels
from landmarks.comparison.runs.reconstruction import explained
from landmarks.datasets.crops.views import Views
from landmarks.geometry import crop_matrices, extract_crops
from landmarks.models.heads import reconstruction_target
from landmarks.models.network import Network
from landmarks.schemes import ABSENT, RECONSTRUCTION
from tests.helpers.commands import run
from tests.helpers.comparisons import DOCS, POINTS, config, hurry, make_run
from tests.helpers.faces import draw_face

BOTH = (POINTS, RECONSTRUCTION.name)


@pytest.mark.parametrize(
    ("tasks", "order"),
    [
        (("reconstruction", "points_5"), ("points_5", "reconstruction")),
        (("reconstruction", "points_68", "points_5"), ("points_5", "points_68", "reconstruction")),
        (("reconstruction", "smile"), ("smile", "reconstruction")),
    ],
)
def test_an_arm_may_rebuild_the_crop_beside_other_tasks(tasks, order):
    arm = Arm("x", tasks=tasks)
    assert arm.tasks == arm.network_config().tasks == order
    assert arm.training(0).task_weights["reconstruction"] == 0.1
    assert Arm("x", tasks=tasks, task_weights={"reconstruction": 1}).training(0).task_weights["reconstruction"] == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tasks": ("reconstruction",)}, "learnt beside other tasks"),
        ({"labels": {"reconstruction": 5}}, "labels: .* the arm learns no other task of classes or numbers"),
        ({"shuffled": ("reconstruction",)}, "shuffled: .* the arm learns no other task of classes or numbers"),
        ({"network": "cascade"}, "the cascade has one task"),
        ({"tasks": (POINTS,), "task_weights": {"reconstruction": 1}}, "task_weights: unknown task 'reconstruction'"),
    ],
)
def test_arms_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Arm(**{"name": "x", "tasks": BOTH, **values})


def test_every_cell_of_the_grid_of_the_docs_has_the_landmarks_alone_beside_it():
    arms = read_grid(DOCS / "related.toml").arms
    cells = {(arm.faces, arm.views) for arm in arms}
    assert cells == {(faces, views) for faces in (250, 1000) for views in (1, 12)}
    for tasks, weights in {(POINTS,): {None}, BOTH: {0.1, 1.0, 10.0}}.items():
        found = {(arm.faces, arm.views, arm.training(0).task_weights.get("reconstruction"))
                 for arm in arms if arm.tasks == tasks}  # fmt: skip
        assert found == {(*cell, weight) for cell in cells for weight in weights}
    assert {arm.seeds for arm in arms} == {5}


def test_faces_without_a_label_are_learnt_from_where_the_crop_is_rebuilt():
    views = Views({"smile": np.array([[0, 1, ABSENT, 1, 0, 1]])}, np.arange(6))
    faces = {tasks: len(with_labels(views, {"smile": 2}, (), tasks, 0)) for tasks in (("smile",), ("smile", BOTH[1]))}
    assert faces == {("smile",): 2, ("smile", "reconstruction"): 6}


def test_the_variance_that_is_explained_is_of_the_mean_picture_and_not_of_each_crop():
    torch.manual_seed(0)
    network = Network(Arm("x", tasks=BOTH).network_config()).eval()
    pictures = np.stack([draw_face(seed, 192)[0] for seed in range(7)])
    squares = np.tile([95.5, 95.5, 192, 0], (7, 1))
    found = explained(network, pictures, squares, 3)
    assert found.shape == (7,) and found.dtype == np.float32
    assert np.allclose(found, explained(network, pictures, squares, 7), atol=1e-5), "however many at a time"
    head = network.heads["reconstruction"]
    torch.nn.init.zeros_(head.weight)
    assert explained(network, pictures, squares, 7).mean() < 0, "untrained it is worse than the mean picture"
    crops = torch.from_numpy(extract_crops(list(pictures), crop_matrices(squares, 40), 40))
    head.bias.data = reconstruction_target(crops).mean(dim=0).flatten()
    assert explained(network, pictures, squares, 7).mean() == pytest.approx(0, abs=1e-4), "which says nothing of a face"
    assert np.isnan(explained(network, pictures[:1].repeat(3, axis=0), squares[:3], 3)).all(), "where all are alike"


@pytest.mark.parametrize(("shares", "said"), [((0.01, 0.0), True), ((0.6, 0.5), False)])
def test_the_page_tells_the_share_and_warns_where_nothing_was_learnt(tmp_path, shares, said):
    arms = {
        "alone": ("tasks", config((POINTS,)), 0.09, 0.01, 2),
        "rebuilt": ("tasks", config(BOTH), 0.09, 0.01, 2),
    }
    folder = make_run(tmp_path, arms, faces=50, epochs=1)
    table = pd.read_parquet(folder / "results.parquet")
    rebuilt, none = iter(shares), np.zeros(0, np.float32)
    table["guess_reconstruction"] = [
        np.full(50, next(rebuilt), np.float32) if arm == "rebuilt" else none for arm in table["arm"]
    ]
    table.to_parquet(folder / "results.parquet")
    measured = measure(read_results(folder))
    described, results = describe(measured), measured.results
    figures = task_figures(results, results.arms["rebuilt"], "reconstruction")
    assert figures == pytest.approx([100 * share for share in shares], abs=1e-4)
    assert described.loc["rebuilt", "reconstruction_explained_variance"] == pytest.approx(50 * sum(shares), abs=1e-4)
    assert at_chance(results, described) == ({"reconstruction": ["rebuilt"]} if said else {})
    sentence = "reconstruction was not learnt by `rebuilt`: its explained variance is less than 2 points above the 0 %"
    assert any(one.startswith(sentence) for one in cautions(measured, described)) == said
    head = auxiliary_table(measured, described).splitlines()[0]
    assert head.split("|")[1:-1] == ["  ", " reconstruction, explained variance, % (the mean: 0) ", " stopped after "]


def test_a_grid_goes_from_its_file_to_the_page(prepared, tmp_path, monkeypatch):
    hurry(monkeypatch)
    (tmp_path / "grid.toml").write_text(
        '[defaults]\nepochs = 1\nbatch_size = 8\nseeds = 1\nprecision = "float32"\ngradient_cosine = 1\n'
        '[[arms]]\nname = "{tasks}"\n[arms.sweep]\ntasks = [["points_5"], ["points_5", "reconstruction"]]\n'
    )
    out = tmp_path / "out"
    words = ("--data", prepared, "--out", out, "--detector", "whole-image")
    assert run(monkeypatch, "compare", tmp_path / "grid.toml", *words) == 0
    arm = read_results(out).arms["+ reconstruction"]
    assert arm.auxiliary == {"reconstruction"} and arm.vectors.shape == (1, 8, 5, 2)
    assert arm.guesses["reconstruction"].shape == (1, 8)
    (row,) = map(json.loads, (out / "runs" / "+ reconstruction-0" / "log.jsonl").read_text().splitlines())
    assert row["factors"]["reconstruction"] == 0.1 and row["train"]["reconstruction"] > 0
    assert row["val"]["reconstruction"] > 0 and -1 <= row["gradient_cosine"]["reconstruction"] <= 1
    summary = pd.read_csv(out / "summary.csv", index_col="arm").loc["+ reconstruction"]
    assert np.isfinite(
        summary[["reconstruction_explained_variance", "reconstruction_gradient_cosine"]].astype(float)
    ).all()
    write_document(out, tmp_path / "page.md", Facts("today", "this machine", ("landmarks compare",), "As told."))
    page = (tmp_path / "page.md").read_text()
    assert "+ reconstruction" in page and "reconstruction, explained variance, % (the mean: 0)" in page
