"""The public interface: its names and how they are called. A change here is a change for everybody."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import landmarks
from landmarks import Annotator, AnnotatorConfig

CALLS = {
    "Annotator": "weights detector scheme device tasks passes batch_size max_pixels max_faces min_face_size backend "
    "accept_damaged exact keep_pixels",
    "AnnotatorConfig": "weights detector scheme device tasks passes batch_size max_pixels max_faces min_face_size "
    "backend accept_damaged exact keep_pixels",
    "Faces": "boxes points scores attributes scheme point_errors quality yaw pitch roll track path quantities",
    "Record": "image status faces reason width height orientation frame time pixels",
    "Resume": "fresh retry_failed",
    "RunOptions": "formats coords drawings draw_frames style chips chip_format track smooth engine address workers "
    "timeout shard",
    "Style": "box points names label gender colour_by scale",
    "Summary": "statuses faces seconds done changed stages boxes_unused images_without_boxes doubtful upside_down "
    "backend",
    "annotate_folder": "sources out config options resume recursive every report progress writing",
    "draw": "image faces style",
    "evaluate": "weights data split detector passes device backend report faces",
    "find": "sources recursive every timeout",
    "load_model": "name",
    "read_dataset": "path",
    "read_results": "path format corrected",
}
METHODS = {
    "Annotator": {"from_config", "predict", "settings", "stream", "calibrated"},
    "AnnotatorConfig": {"create", "for_worker", "options", "preload"},
}


def test_names():
    assert set(landmarks.__all__) == {*CALLS, "__version__"} == set(dir(landmarks))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        landmarks.nothing  # noqa: B018


@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    assert " ".join(inspect.signature(getattr(landmarks, name)).parameters) == CALLS[name]
    assert inspect.getdoc(getattr(landmarks, name))


@pytest.mark.parametrize("name", METHODS)
def test_methods(name):
    members = vars(getattr(landmarks, name)).items()
    methods = {key for key, value in members if callable(value) or isinstance(value, (property, classmethod))}
    assert {method for method in methods if not method.startswith("_")} == METHODS[name]


def test_an_annotator_takes_what_its_config_holds():
    """The same names with the same defaults, in the same order."""
    arguments = list(inspect.signature(Annotator).parameters.values())
    assert [(one.name, one.default) for one in arguments] == [(f.name, f.default) for f in fields(AnnotatorConfig)]


def test_type_checkers_see_what_is_imported_at_run_time():
    tree = ast.parse(Path(landmarks.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == landmarks._MODULES and (Path(landmarks.__file__).parent / "py.typed").is_file()


def test_importing_the_package_loads_nothing():
    code = "import sys, landmarks; print([m for m in ('torch', 'cv2', 'pandas', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
