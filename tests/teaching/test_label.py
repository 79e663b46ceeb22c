"""A network labels what people did not, and says how far off it may be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from landmarks.datasets.crops.samples import Samples
from landmarks.datasets.dataset import load_crops
from landmarks.datasets.digest import digest
from landmarks.datasets.table import LABEL_ERRORS, label_errors_of, points_of
from landmarks.errors import DataError, WeightsError
from landmarks.models.calibration import Calibration, ErrorCurve
from landmarks.models.network import Network
from landmarks.models.store import save_model
from landmarks.schemes import POINTS_5, POINTS_68
from landmarks.teaching.label import main
from tests.helpers.faces import SMALL

BOTH = (POINTS_5.name, POINTS_68.name)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    curves = {name: ErrorCurve(-3.0, 0.0, 0.0) for name in BOTH}
    save_model(Network(replace(SMALL, tasks=BOTH)), path, {}, Calibration(curves))
    return path


@pytest.fixture(scope="module")
def labelled(prepared, teacher, tmp_path_factory):
    out = tmp_path_factory.mktemp("labelled")
    main([str(prepared), "--weights", str(teacher), "--out", str(out), "--device", "cpu"])
    return out


def test_what_people_labelled_stays(prepared, labelled):
    before, after = load_crops(prepared), load_crops(labelled)
    assert np.array_equal(points_of(before.table, POINTS_5), points_of(after.table, POINTS_5))
    assert label_errors_of(before.table, POINTS_5) is None
    assert not np.any(label_errors_of(after.table, POINTS_5))
    assert np.array_equal(before.picture(3), after.picture(3))
    assert digest(before) != digest(after)


def test_training_faces_get_points_and_validation_faces_none(labelled):
    crops = load_crops(labelled)
    given = ~np.isnan(points_of(crops.table, POINTS_68)).any(axis=(1, 2))
    train = (crops.table["split"] == "train").to_numpy()
    assert given[train].all() and not given[~train].any()
    errors = label_errors_of(crops.table, POINTS_68)
    assert (errors[train] > 0).all() and not errors[~train].any()


def test_an_expected_error_is_a_share_of_the_face(labelled):
    """An untrained network's views lie apart: the larger of both counts."""
    crops = load_crops(labelled)
    train = crops.part("train")
    assert (label_errors_of(crops.table.iloc[train], POINTS_68) > np.exp(-3.0)).all()


def test_samples_turn_the_errors_with_the_points(labelled):
    crops = load_crops(labelled)
    rows = crops.part("train")[:1]
    errors = label_errors_of(crops.table.iloc[rows], POINTS_68)[0]
    samples = Samples(crops, rows, BOTH, 40, 2.0)
    seen = []
    for samples.epoch in range(12):
        item = samples[0]
        found = item[LABEL_ERRORS[POINTS_68.name]].numpy()
        flipped = not np.allclose(found / found[0], errors / errors[0], rtol=1e-4)
        expected = errors[list(POINTS_68.swap)] if flipped else errors
        assert np.allclose(found / found[0], expected / expected[0], rtol=1e-4)
        seen.append(flipped)
    assert set(seen) == {True, False}


def test_a_folder_is_never_labelled_in_place(prepared, teacher):
    before = {path.name: path.read_bytes() for path in prepared.iterdir() if path.is_file()}
    for out in (prepared, prepared / ".." / prepared.name):
        with pytest.raises(DataError, match="another one"):
            main([str(prepared), "--weights", str(teacher), "--out", str(out), "--device", "cpu"])
    assert {path.name: path.read_bytes() for path in prepared.iterdir() if path.is_file()} == before


def test_a_teacher_must_know_its_errors(prepared, small_weights, tmp_path):
    with pytest.raises(WeightsError, match="calibrate"):
        main([str(prepared), "--weights", str(small_weights), "--out", str(tmp_path), "--device", "cpu"])
