"""Drawn photographs, decoded once for all tests of the detector's training."""

from __future__ import annotations

import pytest

from landmarks.datasets.photographs import read_photographs
from landmarks.training.detector.crops.pictures import Pictures
from landmarks.training.detector.crops.store import open_store
from tests.helpers.photographs import photographs


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A folder of drawn photographs with boxes."""
    root = tmp_path_factory.mktemp("photographs") / "drawn"
    root.mkdir()
    return photographs(root)


@pytest.fixture(scope="session")
def pictures(drawn, tmp_path_factory) -> Pictures:
    """Its training part, decoded."""
    datasets = [read_photographs(drawn)]
    return Pictures(open_store(datasets, tmp_path_factory.mktemp("store")), datasets, "train")
