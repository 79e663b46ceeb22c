"""The cards of the shipped weights say what was measured, of the file that is shipped."""

import json
import sys

import pytest

from landmarks import shipped
from landmarks.evaluation.card import END, START, figures_markdown, fill, main
from landmarks.models import files
from tests.helpers.faces import SAMPLES

RESULTS = SAMPLES.parents[1] / "docs" / "results"
REPORTS = sorted(
    path for path in RESULTS.glob("*.json") if "weights" in json.loads(path.read_text()).get("protocol", ())
)


def reports_of(name: str) -> list:
    """The reports that a card names, in its order."""
    card = (shipped.SHIPPED / f"{name}.md").read_text(encoding="utf-8")
    return sorted((path for path in REPORTS if path.name in card), key=lambda path: card.index(path.name))


@pytest.mark.parametrize("path", REPORTS, ids=[path.stem for path in REPORTS])
def test_report_is_of_a_shipped_file_and_in_its_card(path):
    protocol = json.loads(path.read_text())["protocol"]
    assert protocol["weights_sha256"] == shipped.checksums()[f"{protocol['weights']}.safetensors"]
    assert path in reports_of(protocol["weights"])


@pytest.mark.parametrize("name", files.shipped_names())
def test_card_is_what_its_reports_say(name):
    card = (shipped.SHIPPED / f"{name}.md").read_text(encoding="utf-8")
    reports = [json.loads(path.read_text()) for path in reports_of(name)]
    assert len(reports) >= 3 and fill(card, reports) == card
    assert shipped.checksums()[f"{name}.safetensors"] in card


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*detectors-*.json")), ids=lambda path: path.stem)
def test_the_detectors_card_is_what_its_reports_say(path):
    """Of the file that is shipped, and the peers beside it."""
    card = (shipped.SHIPPED / f"{files.DETECTOR}.md").read_text(encoding="utf-8")
    detectors = json.loads(path.read_text())["detectors"]
    sums = shipped.checksums()
    assert path.name in card
    assert detectors["facegrid"]["settings"]["weights"] == sums[f"{files.DETECTOR}.int8.onnx"]
    assert all(sums[f"{files.DETECTOR}{suffix}"] in card for suffix in (".int8.onnx", ".safetensors"))
    for level in ("easy", "medium", "hard"):
        of = [detector["average_precision"][level] for detector in detectors.values()]
        cells = [f"{100 * m['value']:.1f} ({100 * m['interval'][0]:.1f} to {100 * m['interval'][1]:.1f})" for m in of]
        assert f"{level} | {' | '.join(cells)} |" in card


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*detector-curves-*.json")), ids=lambda path: path.stem)
def test_the_detectors_card_has_its_curves(path):
    card = (shipped.SHIPPED / f"{files.DETECTOR}.md").read_text(encoding="utf-8")
    report = json.loads(path.read_text())
    detectors = report["protocol"]["detectors"]
    assert path.name in card
    assert detectors["facegrid"]["weights"] == shipped.checksums()[f"{files.DETECTOR}.int8.onnx"]
    for row in report["curves"]:
        cells = " | ".join(f"{100 * row[name]['recall']:.0f}" for name in detectors)
        assert f"| {row['change']}: {row['strength']:g} | {cells} |" in card


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*detector-masks-*.json")), ids=lambda path: path.stem)
def test_the_detectors_card_has_its_figures_of_masks(path):
    card = (shipped.SHIPPED / f"{files.DETECTOR}.md").read_text(encoding="utf-8")
    detectors = json.loads(path.read_text())["detectors"]
    assert path.name in card
    assert detectors["facegrid"]["settings"]["weights"] == shipped.checksums()[f"{files.DETECTOR}.int8.onnx"]
    found = " | ".join(f"{100 * detector['recall']:.1f}" for detector in detectors.values())
    assert f"| found at the score above, % | {found} |" in card


def test_a_group_that_is_worse_by_a_third_is_named():
    (path,) = (path for path in reports_of("compact") if path.name.endswith("mtfl-test-whole-image.json"))
    report = json.loads(path.read_text())
    slices = report["landmarks"]["points_5"]["slices"]
    slices["gender"]["female"]["nme"] = 10 * slices["gender"]["male"]["nme"]
    assert "gender female" in figures_markdown([report]).split("more than a third:")[1].split("\n")[0]


def test_the_command_in_a_card_makes_it_anew(tmp_path, monkeypatch):
    """With all reports of a name, in any order and with those of other measurements among them."""
    card = (shipped.SHIPPED / "compact.md").read_text(encoding="utf-8")
    begin, rest = card.split(START)
    empty = tmp_path / "compact.md"
    empty.write_text(f"{begin}{START}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")
    reports = sorted(map(str, RESULTS.glob("*-compact-*.json")), reverse=True)
    assert any("robustness" in path for path in reports)
    monkeypatch.setattr(sys, "argv", ["card", str(empty), *reports])
    main()
    assert empty.read_text(encoding="utf-8") == card
    (tmp_path / "other.json").write_text("{}")
    monkeypatch.setattr(sys, "argv", ["card", str(empty), str(tmp_path / "other.json")])
    with pytest.raises(SystemExit):
        main()


def test_a_card_without_marks_is_refused():
    with pytest.raises(ValueError, match="must hold the lines"):
        fill(f"{START} no end", [])
    assert fill(f"a\n{START}\nold\n{END}\nb\n", []) == f"a\n{START}\n\n\n\n{END}\nb\n"
