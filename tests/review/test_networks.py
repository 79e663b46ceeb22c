"""What networks say for the page: of a box that a person drew, and of a picture that is dropped."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks import Annotator, images
from landmarks.errors import LandmarksError
from landmarks.formats.layout import Layout
from landmarks.review.propose import Proposals, box_around
from landmarks.review.side_by_side import SideBySide
from tests.helpers.faces import SAMPLES, draw_face, write_png


def test_a_face_is_found_in_its_box_however_it_is_turned():
    pixels = images.read(SAMPLES / "astronaut.png").pixels
    (faces,) = Annotator("compact", detector="centerface").stream(SAMPLES / "astronaut.png")
    faces = faces.faces
    propose = Proposals("compact", Layout.of(faces))
    found = propose(pixels, tuple(faces.boxes[0].tolist()))
    size = np.ptp(faces.points[0], axis=0).max()
    assert np.abs(found["points"] - faces.points[0]).max() < 0.05 * size
    assert found["attributes"]["smile"]["label"] == "smiling"
    for quarters in (1, 2, 3):  # The picture is turned clockwise; the face in it is as it was.
        turned = np.ascontiguousarray(np.rot90(pixels, -quarters))
        truth = np.array(found["points"])
        for _ in range(quarters):
            truth = np.stack([511 - truth[:, 1], truth[:, 0]], axis=1)
        again = propose(turned, box_around(truth, faces.scheme), quarters)
        assert np.abs(again["points"] - truth).max() < 0.1 * size


@pytest.mark.parametrize("box", [(-90, -90, -20, -20), (900, 0, 950, 50), (5, 5, 1, 1), None, (1, 2, 3), "abcd"])
def test_boxes_that_hold_nothing_are_refused(box):
    propose = Proposals("compact", Layout.of(Annotator("compact", detector="whole-image").empty))
    with pytest.raises((LandmarksError, TypeError)):
        propose(np.zeros((40, 40, 3), np.uint8), box)


def test_two_networks_side_by_side(drawn, opened, small_weights, tmp_path):
    networks = SideBySide([str(small_weights), "compact"], detector="whole-image", hidden=["gender"])
    client = opened(drawn.path, side_by_side=networks).client
    assert "side by side" in client.get("networks").text and "networks" in client.get("").text
    picture = write_png(tmp_path / "face.png", draw_face(0)[0]).read_bytes()
    answer = client.post("api/networks", content=picture, headers={"content-type": "application/octet-stream"}).json()
    assert [one["name"] for one in answer["networks"]] == [str(small_weights), "compact"]
    for one in answer["networks"]:
        assert np.shape(one["points"]) == (1, 5, 2) and one["attributes"]["smile"]["labels"]
        assert "smile" in one["tasks"] and "gender" not in [*one["tasks"], *one["attributes"]]
    wrong = client.post("api/networks", content=b"no picture", headers={"content-type": "application/octet-stream"})
    assert wrong.status_code == 404 and "not an image" in wrong.json()["message"]


@pytest.mark.parametrize("names", [[], ["compact"] * 5])
def test_how_many_networks(names):
    with pytest.raises(LandmarksError, match="one to 4"):
        SideBySide(names)
