from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from landmarks import Annotator, AnnotatorConfig
from landmarks.device import choose_device


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": 17}, "no scheme of 17"),
        ({"passes": 0}, "at least 1"),
        ({"batch_size": 0}, "at least 1"),
        ({"max_faces": 0}, "at least 1"),
        ({"max_pixels": 0}, "max_pixels must be at least 1, not 0"),
        ({"min_face_size": -1}, "not -1"),
        ({"min_face_size": float("nan")}, "not nan"),
        ({"backend": "jax"}, "unknown backend 'jax'; known: torch, onnx"),
        ({"tasks": "smile"}, r"such as \['smile'\], not one name"),
    ],
)
def test_values_that_cannot_be_meant(options, message):
    with pytest.raises(ValueError, match=message):
        AnnotatorConfig(**options)


def test_a_config_makes_the_annotator_it_describes(small_weights):
    config = AnnotatorConfig(small_weights, "whole-image", device="cpu", tasks=["smile"], max_faces=3, passes=1)
    annotator = config.create()
    assert isinstance(annotator, Annotator) and annotator.config == config
    assert annotator.attributes == ("smile",) and annotator.settings()["max_faces"] == 3
    assert Annotator(**config.options()).settings() == Annotator.from_config(config).settings() == annotator.settings()


def test_a_config_travels(small_weights):
    config = AnnotatorConfig(small_weights, tasks=["smile", "pose"], device="cuda:0, cuda:1")
    assert pickle.loads(pickle.dumps(config)) == config
    assert config.for_worker(3).device == "cuda:1" and config.for_worker(3).options() == {
        **config.options(), "device": "cuda:1",
    }  # fmt: skip


def test_a_config_loads_nothing_heavy():
    code = "import sys; from landmarks import AnnotatorConfig; AnnotatorConfig(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "", "cpu:7x"])
def test_devices_that_are_not_there(device):
    with pytest.raises(ValueError, match="cannot be used here"):
        choose_device(device)


def test_devices():
    assert choose_device("cpu").type == "cpu" and choose_device("auto").type in ("cpu", "cuda")
