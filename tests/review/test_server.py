"""What the server answers, and what it does not."""

from __future__ import annotations

import io
import json

import numpy as np
import PIL.Image
import pytest

from landmarks import read_results
from landmarks.corrections import FILE, CorrectionLog, read_corrections
from landmarks.review.run import read_run
from landmarks.review.session import Session
from tests.helpers.drawn_runs import NAMES, make_run


@pytest.fixture
def review(drawn, opened):
    return opened(drawn.path)


def first(client, of="doubtful"):
    """The face that is shown first."""
    image, face = client.get("api/queue", params={"of": of}).json()["faces"][0]
    return client.get(f"api/face/{image}", params={"face": face}).json()


def letter(face, kind="accept", **more):
    """What the page sends of a face."""
    said = {"id": f"{kind.replace(' ', '')}{face['version']:08}", "kind": kind, "version": face["version"]}
    labels = {name: value["label"] for name, value in face["attributes"].items()}
    shown = {"box": face["box"], "points": face["points"], "attributes": labels}
    return {**said, "image": face["image"], "face": face["face"], **shown, **more}


def test_the_page_and_its_files(review):
    page = review.client.get("")
    assert page.status_code == 200 and "static/review.js" in page.text
    for name in ("review.js", "api.js", "view.js", "review.css", "icon.svg"):
        assert review.client.get(f"static/{name}").status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert page.headers["referrer-policy"] == "no-referrer" and page.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in page.headers


@pytest.mark.parametrize(
    "path", ["/", "/api/queue", "/static/review.js", "/Token/", "/token2/", "//token/", "/api/picture/0"]
)
def test_no_request_without_the_token_is_answered(review, path):
    answer = review.client.get(f"http://127.0.0.1:8000{path}")
    assert answer.status_code == 403 and "printed" in answer.text
    assert review.client.post("http://127.0.0.1:8000/api/say", json={}).status_code == 403


def test_the_token_alone_leads_to_the_page(review):
    answer = review.client.get("http://127.0.0.1:8000/token")
    assert answer.status_code == 307 and answer.headers["location"] == "/token/"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"host": "127.0.0.1:8000.evil.example"}, 421),
        ({"host": "localhost:8000"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:8000"}, 200),
    ],
)
def test_other_hosts_and_other_pages_are_not_answered(review, headers, status):
    assert review.client.get("api/queue", headers=headers).status_code == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(review, method):
    assert review.client.request(method, "api/queue").status_code == 405


def test_large_requests_are_refused_before_they_are_read(review):
    assert review.client.post("api/say", content=b"x" * (1 << 17)).status_code == 413
    assert review.client.post("api/say", content=iter([b"x"] * 9)).status_code == 411
    assert review.client.get("api/queue", headers={"content-length": "9" * 5000}).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "static/../session.py", "static/%2e%2e/session.py", "static/..%2fsession.py", "api/picture/99",
        "api/picture/../../etc/passwd", "api/picture/0%2f..", "api/face/99?face=0", "api/face/0?face=9", "docs",
        "openapi.json", "networks", "api/picture/-1",
    ],
)  # fmt: skip
def test_nothing_but_the_runs_own_can_be_fetched(review, path):
    answer = review.client.get(path)
    assert answer.status_code in (400, 404, 405), answer.text


def test_faces_come_with_the_most_doubtful_first(review, drawn):
    answer = review.client.get("api/queue").json()
    assert [image for image, _ in answer["faces"]] == [0, 1, 2, 3]
    progress = answer["progress"]
    wrong = progress.pop("wrong")
    assert progress == {"faces": 4, "seen": 0, "put_off": 0}
    assert wrong["expected"] == pytest.approx(0.8 + 0.6 + 0.4 + 0.2) and wrong["least"] < 2 < wrong["most"] <= 4
    face = first(review.client)
    assert face["name"] == NAMES[0] and face["quality"] == pytest.approx(0.2) and "low quality 0.20" in face["reasons"]
    assert face["points"][2] == pytest.approx(drawn.points[NAMES[0]][2] + [8, 0], abs=1e-3)
    assert face["attributes"]["pose"] == {"label": "frontal", "probability": 0.8}
    assert [review.client.get("api/queue", params={"of": of}).status_code for of in ("without", "nothing")] == [
        200,
        400,
    ]
    assert first_without(review) == "none.png"


def first_without(review):
    return first(review.client, "without")["name"]


def test_pictures_are_cut_and_shrunk(review):
    def picture(**query):
        answer = review.client.get("api/picture/0", params=query)
        assert answer.headers["content-type"] == "image/jpeg"
        return np.asarray(PIL.Image.open(io.BytesIO(answer.content)))

    whole = picture()
    assert whole.shape == (160, 160, 3) and picture(side=40).shape == (40, 40, 3)
    part = picture(x0=20, y0=30, x1=120, y1=80)
    assert part.shape == (50, 100, 3)
    assert np.abs(part.astype(int) - whole[30:80, 20:120]).mean() < 4
    assert picture(x0=-50, y0=-50, x1=9999, y1=9999).shape == (160, 160, 3)
    assert picture(x0=500, y0=500, x1=400, y1=400).shape == (1, 1, 3)
    assert review.client.get("api/picture/0?side=x").status_code == 400


def test_a_picture_that_is_gone_costs_itself(review, drawn):
    (drawn.photos / NAMES[0]).unlink()
    (drawn.photos / NAMES[2]).write_bytes(b"\xff\xd8\xffnothing")
    assert review.client.get("api/picture/0").status_code == 404
    assert review.client.get("api/picture/2").status_code == 404
    assert review.client.get("api/picture/3").status_code == 200
    assert "there is no such file" in review.client.get("api/picture/0").json()["message"]


def test_what_is_said_is_on_the_disk_and_in_the_table(review, drawn):
    face = first(review.client)
    moved = [list(point) for point in face["points"]]
    moved[2] = drawn.points[NAMES[0]][2].round(4).tolist()
    answer = review.client.post("api/say", json=letter(face, "correct", points=moved)).json()
    assert answer["face"]["status"] == "corrected" and answer["face"]["version"] == 1
    assert answer["progress"]["seen"] == 1
    (line,) = read_corrections(drawn.path)
    assert (line.who, line.via, line.image, line.face, line.kind) == ("ann", "review", NAMES[0], "0", "correct")
    assert line.found == pytest.approx(line.box) and line.time
    table = read_results(drawn.path, corrected=True)
    assert table["nose_x"][0] == pytest.approx(moved[2][0], abs=1e-3) and table["review"][0] == "corrected"


def expected(review):
    return review.client.get("api/queue").json()["progress"]["wrong"]["expected"]


def test_what_is_said_of_seen_faces_says_how_many_wrong_ones_are_left(review):
    """The nose of every face is 8 pixels, a fifth of the face size, off: a mean of less than a tenth."""
    face, before = first(review.client), 0.6 + 0.4 + 0.2
    said = review.client.post("api/say", json=letter(face)).json()
    right = said["progress"]["wrong"]["expected"]
    assert right < 0.8 * before, "a doubtful one was right"
    labels = {name: one["label"] for name, one in face["attributes"].items()} | {"smile": None}
    said = review.client.post(
        "api/say", json=letter(said["face"], "correct", id="relabelled", attributes=labels)
    ).json()
    assert said["progress"]["wrong"]["expected"] == right, "labels of attributes are not what quality is of"
    near = [[x - 4, y] for x, y in face["points"]]
    said = review.client.post("api/say", json=letter(said["face"], "correct", id="nearby000", points=near)).json()
    far = [[x - 14, y] for x, y in face["points"]]
    assert said["progress"]["wrong"]["expected"] == right
    said = review.client.post("api/say", json=letter(said["face"], "correct", id="faraway000", points=far)).json()
    wrong = said["progress"]["wrong"]["expected"]
    assert wrong > before
    said = review.client.post("api/say", json=letter(said["face"], "remove", id="removed000")).json()
    assert said["progress"]["wrong"]["expected"] == wrong, "what is no face is wrong, too"
    undo = letter(said["face"], "put off", id="putoff0000")
    said = review.client.post("api/say", json=undo).json()
    assert said["progress"]["wrong"]["expected"] == pytest.approx(before + 0.8), "who puts off has not judged"


def test_landmarks_that_cannot_be_told_are_not_wrong(review):
    face = first(review.client)
    right = review.client.post("api/say", json=letter(face)).json()
    points = [*right["face"]["points"][:4], None]
    said = review.client.post("api/say", json=letter(right["face"], "correct", id="nothing000", points=points)).json()
    assert said["progress"]["wrong"] == right["progress"]["wrong"]


def test_what_came_back_from_another_tool_is_seen_but_no_evidence(opened, drawn):
    with CorrectionLog(drawn.path) as log:
        session = Session(read_run(drawn.path), log, "ann", via="labelstudio")
        session.say(letter(session.face(0, "0"), "remove"))
    with CorrectionLog(drawn.path) as log:
        wrong = Session(read_run(drawn.path), log, "ann").progress()
    assert wrong.seen == 1 and wrong.wrong.expected == pytest.approx(0.6 + 0.4 + 0.2)


def test_a_line_that_is_sent_again_is_kept_once(review, drawn):
    face = first(review.client)
    for _ in range(3):
        assert review.client.post("api/say", json=letter(face)).json()["face"]["version"] == 1
    assert len(read_corrections(drawn.path)) == 1
    other = letter(first(review.client), id=letter(face)["id"])
    assert review.client.post("api/say", json=other).status_code == 400


def test_two_browsers_do_not_overwrite_each_other(review, drawn):
    face = first(review.client)
    assert review.client.post("api/say", json=letter(face, "remove")).status_code == 200
    answer = review.client.post("api/say", json=letter(face, "accept"))
    assert answer.status_code == 409 and "changed meanwhile" in answer.json()["message"]
    now = review.client.get(f"api/face/{face['image']}", params={"face": "0"}).json()
    assert now["status"] == "removed" and now["last"]["who"] == "ann"
    assert review.client.post("api/say", json=letter(now, "accept")).json()["face"]["status"] == "accepted"


def test_undo(review):
    face = first(review.client)
    said = review.client.post("api/say", json=letter(face, "remove")).json()["face"]
    assert first(review.client)["image"] == 1
    undo = letter(said, "undo", undoes=said["last"]["id"])
    back = review.client.post("api/say", json=undo).json()
    assert back["face"]["status"] == "" and back["face"]["version"] == 2 and back["progress"]["seen"] == 0
    assert first(review.client)["image"] == 0
    again = letter(back["face"], "undo", undoes=said["last"]["id"], id="another000")
    assert review.client.post("api/say", json=again).status_code == 409


def test_faces_can_be_added_and_taken_back(review, drawn):
    none = first(review.client, "without")
    proposed = review.client.post("api/propose", json={"image": none["image"], "box": [5, 5, 35, 35]}).json()
    add = {
        "id": "added00000",
        "kind": "add",
        "image": none["image"],
        "face": "nabc",
        "version": 0,
        "box": [5, 5, 35, 35],
    }
    add |= {"points": proposed["points"], "attributes": {"smile": "smiling"}}
    answer = review.client.post("api/say", json=add).json()
    assert answer["face"]["status"] == "added" and answer["progress"]["faces"] == 5
    assert read_results(drawn.path, corrected=True).iloc[-1][["image", "review"]].tolist() == ["none.png", "added"]
    assert review.client.get("api/queue?of=without").json()["faces"] == []
    undo = letter(answer["face"], "undo", undoes="added00000", id="undone0000")
    answer = review.client.post("api/say", json=undo).json()
    assert answer["progress"]["faces"] == 4 and review.client.get("api/queue?of=without").json()["faces"] == [[4, ""]]
    for wrong in ({"box": None}, {"face": "0", "image": 0}, {"face": ""}, {"box": [1, 2, 3]}, {"points": []}):
        assert review.client.post("api/say", json=add | {"id": "wrong00000", **wrong}).status_code in (400, 409)


@pytest.mark.parametrize(
    "change",
    [
        {"image": 99}, {"image": "0"}, {"image": None}, {"face": "7"}, {"face": 0}, {"kind": "praise"}, {"id": "../x"},
        {"points": [[1, 2]]}, {"points": [["1", 2]] * 5}, {"attributes": {"smile": "grin"}}, {"attributes": None},
        {"box": [9, 9, 1, 1]}, {"version": "0"}, {"version": 7},
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_and_not_kept(review, drawn, change):
    answer = review.client.post("api/say", json=letter(first(review.client)) | change)
    assert answer.status_code in (400, 409), answer.text
    assert read_corrections(drawn.path) == []


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff", b"[" * 30000])
def test_what_is_no_object_is_refused(review, body):
    assert review.client.post("api/say", content=body).status_code == 400


def test_a_full_disk_is_told_and_nothing_is_taken_for_kept(review, drawn, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    face = first(review.client)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        answer = review.client.post("api/say", json=letter(face))
    assert answer.status_code == 507 and "No space left" in answer.json()["message"]
    assert review.client.post("api/say", json=letter(face)).json()["face"]["version"] == 1


def test_a_review_goes_on_where_it_was(review, drawn, opened):
    face = first(review.client)
    review.client.post("api/say", json=letter(face, "put off"))
    review.close()
    with open(drawn.path / FILE, "ab") as file:
        file.write(b'{"v":1,"id":"torn')
    with pytest.warns(UserWarning, match="never finished"):
        again = opened(drawn.path, who="bob")
    assert [image for image, _ in again.client.get("api/queue").json()["faces"]] == [1, 2, 3]
    assert first(again.client, "put off")["version"] == 1
    assert again.client.get("api/facts").json()["who"] == "bob"


def test_of_attributes_that_are_not_shown_nothing_is_said(drawn):
    from landmarks.corrections import CorrectionLog
    from landmarks.review.labelled import read_reviewed
    from landmarks.review.run import read_run
    from landmarks.review.session import Session

    with CorrectionLog(drawn.path) as log:
        session = Session(read_run(drawn.path), log, "ann", tasks=["smile", "pose"])
        face = session.face(0, "0")
        assert list(face["attributes"]) == ["pose", "smile"]
        session.say(letter(face))
    assert list(read_corrections(drawn.path)[0].attributes) == ["pose", "smile"]
    assert read_results(drawn.path, corrected=True)["gender"].notna().all()
    assert read_reviewed([drawn.path]).table[["gender", "glasses"]].isna().all(axis=None)


def test_names_are_data_and_never_markup(review):
    text = review.client.get("").text
    assert "<img" not in text
    face = review.client.get("api/face/1", params={"face": "0"})
    assert json.loads(face.text)["name"] == NAMES[1] and face.headers["content-type"] == "application/json"


def test_other_places_of_the_images(drawn, tmp_path):
    from landmarks.errors import LandmarksError
    from landmarks.review.pictures import Pictures
    from landmarks.review.run import sources_of

    drawn.photos.rename(tmp_path / "moved")
    with pytest.raises(LandmarksError):
        [source.load(10**9) for source in sources_of(drawn.path).values()]
    pictures = Pictures(sources_of(drawn.path, [str(tmp_path / "moved")]), 10**8)
    assert all(pictures.has(name) and len(pictures.cut(name)) for name in NAMES)


def test_images_in_archives_are_found(tmp_path):
    from landmarks.review.pictures import Pictures
    from landmarks.sources.find import find
    from tests.helpers.archives import make

    drawn = make_run(tmp_path / "first")
    archive = make(tmp_path / "all.zip", {"x/a.png": (drawn.photos / "a.png").read_bytes(), "b.png": b"no"})
    pictures = Pictures({"all.zip": find(archive)[0]}, 10**8)
    assert pictures.pixels("all.zip/x/a.png").shape == (160, 160, 3)


def test_turning_points_is_undone_by_turning_back():
    from landmarks.review.propose import turn, turn_back

    image = np.arange(12).reshape(3, 4)
    points = np.array([[0, 0], [3, 0], [1, 2]])
    for quarters in range(-1, 6):
        turned = turn(points, image.shape, quarters)
        rotated = np.rot90(image, quarters)
        assert [rotated[y, x] for x, y in turned] == [image[y, x] for x, y in points]
        assert turn_back(turned, image.shape, quarters).tolist() == points.tolist()
