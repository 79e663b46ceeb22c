"""Files of boxes as people have them: how they are read, and which image is meant."""

from __future__ import annotations

import csv
import pickle

import numpy as np
import pytest

from landmarks import AnnotatorConfig, RunOptions
from landmarks.batch.run import annotate
from landmarks.detection.box_names import match_names
from landmarks.detection.boxes import BoxFile
from landmarks.errors import DataError
from landmarks.sources.find import find
from tests.helpers.archives import make
from tests.helpers.faces import draw_face, write_png

BOX = [10, 20.5, 110, 140]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("image,x0,y0,x1,y1\na.jpg,10,20.5,110,140\n", "utf-8"),
        ("Image,X0,Y0,X1,Y1\r\na.jpg,10,20.5,110,140\r\n", "utf-8-sig"),
        ("image;x0;y0;x1;y1\r\na.jpg;10;20,5;110;140\r\n", "utf-8"),
        ("image;x0;y0;x1;y1\na.jpg;10;20.5;110;140", "utf-16"),
        ("image\tx0\ty0\tx1\ty1\na.jpg\t10\t20,5\t110\t140\n", "utf-16"),
        ("image,x0,y0,x1,y1\na.jpg,10,20.5,110,140\n", "utf-16-le"),
        ("filename,xmin,ymin,xmax,ymax\na.jpg,10,20.5,110,140\n", "utf-8"),
        ("path,left,top,right,bottom\na.jpg,10,20.5,110,140\n", "utf-8"),
        ("file, x1, y1, x2, y2\na.jpg, 10, 20.5, 110, 140\n", "utf-8"),
        ("id,file_name,x,y,w,h\n7,a.jpg,10,20.5,100,119.5\n", "utf-8"),
        ("image_path,x,y,width,height\na.jpg,10,20.5,100,119.5\n\n , , \n", "utf-8"),
        ('"image";"x0";"y0";"x1";"y1"\n"a.jpg";"10";"20,5";"110";"140"\n', "utf-8"),
    ],
)
def test_tables_are_read(tmp_path, text, encoding):
    (tmp_path / "boxes.csv").write_bytes(text.encode(encoding))
    found = BoxFile(tmp_path / "boxes.csv")(np.zeros((1, 1, 3), np.uint8), "a.jpg")
    assert found.boxes.tolist() == [BOX] and np.isnan(found.scores).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: the column image is missing"),
        ("a.jpg,1,2,3,4\n", "line 1: the column image is missing; wanted image,x0,y0,x1,y1"),
        ("image,x0,y0\n", "line 1: the column x1 is missing"),
        ("image,x0,y0,x1,y1\na.jpg,0.1,0.2,0.5,0.6\n", "between 0 and 1.*pixels"),
        ("image,x0,y0,x1,y1\na.jpg,1,2,3\n", "line 2: a coordinate or the score is not a number"),
        ("image,x,y,w,h\na.jpg,1,2,-3,4\n", "line 2: a box needs"),
        ("image,x0,y0,x1,y1\n,1,2,3,4\n", "line 2: a box needs an image name"),
        ("image;x0;y0;x1;y1\na.jpg;1.000,5;2;3;4\n", "line 2: a coordinate or the score is not a number"),
        ("image,x0,y0,x1,y1\na.jpg,10,5,60,7,280,0,200,0\n", "line 2: has 9 cells, the header 5; .*semicolons"),
        ("image,x0,y0,x1,y1,x0\na.jpg,1,2,3,4,5\n", "line 1: the column x0 is there twice"),
        ("image,x0,y0,x1,y1\na.jpg,1e300,2,1e301,4\n", "line 2: a box needs .* at most 10,000,000"),
        ("image,x0,y0,x1,y1\na.jpg,nan,2,3,4\n", "line 2: a box needs"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, words):
    (tmp_path / "boxes.csv").write_text(text)
    with pytest.raises(DataError, match=rf"boxes\.csv.*{words}"):
        BoxFile(tmp_path / "boxes.csv")


@pytest.mark.parametrize(
    ("boxes", "images", "aliases"),
    [
        (["a.jpg"], ["a.jpg"], {}),
        (["s\\a.jpg", ".\\b.jpg"], ["s/a.jpg", "b.jpg"], {"s/a.jpg": "s\\a.jpg", "b.jpg": ".\\b.jpg"}),
        (["A.JPG"], ["a.jpg"], {"a.jpg": "A.JPG"}),
        (["a.jpg"], ["a.jpg", "A.jpg"], {}),
        (["A.JPG"], ["a.jpg", "A.jpg"], {}),
        (["A.JPG", "a.JPG"], ["a.jpg"], {}),
        (["e\u0301.jpg"], ["\u00e9.jpg"], {"\u00e9.jpg": "e\u0301.jpg"}),
        (["/d/p/a.jpg", "/d/p/s/b.jpg"], ["a.jpg", "s/b.jpg"], {"a.jpg": "/d/p/a.jpg", "s/b.jpg": "/d/p/s/b.jpg"}),
        (["/d/x/a.jpg", "/d/a.jpg"], ["x/a.jpg", "a.jpg"], {"x/a.jpg": "/d/x/a.jpg", "a.jpg": "/d/a.jpg"}),
        (["C:\\d\\a.jpg"], ["a.jpg"], {"a.jpg": "C:\\d\\a.jpg"}),
        (["a.jpg", "b.jpg"], ["in/a.jpg", "in/b.jpg"], {"in/a.jpg": "a.jpg", "in/b.jpg": "b.jpg"}),
        (["p\\a.jpg", "b c.JPG"], ["a.jpg", "b c.jpg"], {"a.jpg": "p\\a.jpg", "b c.jpg": "b c.JPG"}),
        (["a.jpg"], ["1/a.jpg", "2/a.jpg"], {}),
        (["1/a.jpg", "2/a.jpg"], ["a.jpg"], {}),
        (["1/a.jpg"], ["2/a.jpg"], {}),
        (["a.jpg"], ["ba.jpg"], {}),
        ([], ["a.jpg"], {}),
        (["a.jpg"], [], {}),
        (["", "/", "..", "//\\"], ["a.jpg", "", "/"], {}),
    ],
)
def test_names_are_matched_where_that_is_certain(boxes, images, aliases):
    matching = match_names(boxes, images)
    assert matching.aliases == aliases
    assert sum(matching.ways.values()) == len(aliases)
    assert not matching.ambiguous & set(aliases.values())


@pytest.fixture
def photos(tmp_path):
    for i, name in enumerate(("a.png", "b c.png", "d.png")):
        write_png(tmp_path / "photos" / name, draw_face(i)[0])
    return tmp_path / "photos"


def unmatched(out):
    path = out / "boxes_unmatched.csv"
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [(row["name"], int(row["boxes"])) for row in csv.DictReader(file)]


HEAD = "image,x0,y0,x1,y1\n"


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("rows", "faces", "unused", "left"),
    [
        (HEAD, 0, 0, [("a.png", 0), ("b c.png", 0), ("d.png", 0)]),
        (HEAD + "/x/gone.png,1,2,30,40\n/x/gone.png,5,6,30,40\n/x/d.png,,,,\n/x/A.png,1,2,30,40\n", 1, 1,
         [("/x/gone.png", 2), ("b c.png", 0)]),
        (HEAD + "photos\\a.png,1,2,99,99\nB C.PNG,1,2,99,99\nd.png,1,2,99,99\n", 3, 0, []),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*names of images were found")
def test_a_run_names_what_did_not_match(photos, small_weights, tmp_path, workers, rows, faces, unused, left):
    (tmp_path / "boxes.csv").write_text(rows)
    config = AnnotatorConfig(small_weights, tmp_path / "boxes.csv", device="cpu")
    for _ in range(2):
        summary = annotate(config, find([photos]), tmp_path / "out", RunOptions(workers=workers))
        assert (summary.faces, summary.boxes_unused) == (faces, unused)
        assert summary.images_without_boxes == len(left) - unused
        assert unmatched(tmp_path / "out") == left


def test_members_of_archives_are_known_at_the_end(photos, small_weights, tmp_path):
    """Their names are not looked up beforehand: they match as they are, or with other slashes."""
    archive = make(tmp_path / "x.zip", {f"in/{path.name}": path.read_bytes() for path in photos.iterdir()})
    (tmp_path / "boxes.csv").write_text(HEAD + "x.zip/in/a.png,1,2,99,99\nx.zip\\in\\d.png,1,2,99,99\nq.png,1,2,3,4\n")
    config = AnnotatorConfig(small_weights, tmp_path / "boxes.csv", device="cpu")
    summary = annotate(config, find([archive]), tmp_path / "out")
    assert summary.faces == 2
    assert unmatched(tmp_path / "out") == [("q.png", 1), ("x.zip/in/b c.png", 0)]


def test_how_names_were_understood_is_said(photos, small_weights, tmp_path):
    (tmp_path / "boxes.csv").write_text(HEAD + "/data/photos/a.png,1,2,99,99\n/data/photos/d.png,1,2,99,99\n")
    config = AnnotatorConfig(small_weights, tmp_path / "boxes.csv", device="cpu")
    with pytest.warns(UserWarning, match=r"boxes\.csv: names of images were found 2 without the folder 'data/photos/'"):
        annotate(config, find([photos]), tmp_path / "out")


def test_a_matched_file_of_boxes_travels_to_workers(tmp_path):
    (tmp_path / "boxes.csv").write_text(HEAD + "p\\a.jpg,10,20.5,110,140\n")
    boxes = BoxFile(tmp_path / "boxes.csv")
    boxes.match(["a.jpg"])
    assert pickle.loads(pickle.dumps(boxes))(np.zeros((1, 1, 3), np.uint8), "a.jpg").boxes.tolist() == [BOX]


def test_an_image_without_a_row_is_told_where_no_run_reports_it(tmp_path):
    (tmp_path / "boxes.csv").write_text("image,x0,y0,x1,y1\nphotos\\a.jpg,1,2,30,40\n")
    boxes, image = BoxFile(tmp_path / "boxes.csv"), np.zeros((50, 50, 3), np.uint8)
    assert len(boxes(image, "photos/a.jpg")) == 1
    with pytest.warns(UserWarning, match=r"boxes.csv: has no row for '/d/photos/a.jpg', but for 'photos"):
        assert len(boxes(image, "/d/photos/a.jpg")) == 0
    assert len(boxes(image, "b.jpg")) == 0  # Once is enough.
    matched = BoxFile(tmp_path / "boxes.csv")
    matched.match(["a.jpg"])
    assert len(matched(image, "a.jpg")) == 1 and len(matched(image, "b.jpg")) == 0
