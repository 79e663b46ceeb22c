"""The cards of the shipped weights say what was measured, of the file that is shipped."""

import json

import pytest
from conftest import SAMPLES

from landmarks.models import store

RESULTS = SAMPLES.parents[1] / "docs" / "results"
REPORTS = sorted(RESULTS.glob("*.json"))


def percent(measure: dict, digits: int) -> str:
    value, (low, high) = measure["value"], measure["interval"]
    return f"{100 * value:.{digits}f} ({100 * low:.{digits}f} to {100 * high:.{digits}f})"


@pytest.mark.parametrize("path", REPORTS, ids=[path.stem for path in REPORTS])
def test_report_is_of_the_shipped_file(path):
    protocol = json.loads(path.read_text())["protocol"]
    assert protocol["weights_sha256"] == store.checksums()[f"{protocol['weights']}.safetensors"]
    assert path.name in (store.SHIPPED / f"{protocol['weights']}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["whole-image", "centerface"])
def test_card_quotes_its_reports(name):
    (path,) = RESULTS.glob(f"*-compact-mtfl-test-{name}.json")
    report = json.loads(path.read_text())
    card = (store.SHIPPED / "compact.md").read_text(encoding="utf-8")
    points = report["landmarks"]["points_5"]
    for kind in ("interocular", "shift_free"):
        for key in ("nme", "failure_rate_faces", "failure_rate_landmarks", "auc"):
            assert percent(points[kind][key], 2) in card
    if name == "whole-image":
        for attribute in report["attributes"].values():
            assert percent(attribute["accuracy"], 1) in card and percent(attribute["balanced_accuracy"], 1) in card
