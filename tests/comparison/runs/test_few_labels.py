"""Labels that are kept, and labels that are dealt out anew."""

import numpy as np
import pytest

from landmarks.comparison.grid.arms import MAIN, Arm, Grid
from landmarks.comparison.run import compare
from landmarks.comparison.runs.labels import choose_labels, has_label, with_labels
from landmarks.comparison.runs.train import even_guesses, learnt_batches
from landmarks.datasets.crops.views import Views
from landmarks.datasets.dataset import load_crops, read_dataset
from landmarks.detection.whole_image import WholeImage
from landmarks.errors import LandmarksError
from landmarks.schemes import ABSENT
from landmarks.training.batches import JoinedBatches

FACES = 40


@pytest.fixture
def views() -> Views:
    """Forty faces in two views, of which the first has neither points nor a smile; the rows are those of a choice."""
    smile = np.tile(np.arange(FACES) % 4 == 0, (2, 1)).astype(np.int64)
    points = np.ones((2, FACES, 5, 2), np.float32)
    smile[:, 0], points[:, 0] = ABSENT, np.nan
    return Views({"smile": smile, MAIN: points}, np.arange(0, FACES, 2))


def chosen(count: int, labels: list[int], seed: int = 0) -> list[int]:
    return [labels[place] for place in choose_labels(np.array(labels), count, np.random.default_rng(seed))]


@pytest.mark.parametrize(
    ("labels", "count", "classes"),
    [
        ([0] * 80 + [1] * 20, 10, [0] * 8 + [1] * 2),
        ([0] * 80 + [1] * 20, 100, [0] * 80 + [1] * 20),
        ([0] * 99 + [1], 10, [0] * 9 + [1]),  # a rare class is not lost
        ([0] * 10 + [1] * 10 + [2] * 10, 4, [0, 0, 1, 2]),
        ([ABSENT] * 50 + [1] * 3, 3, [1, 1, 1]),
    ],
)
def test_each_class_keeps_its_share_of_the_labels(labels, count, classes):
    assert chosen(count, labels) == classes


def test_numbers_are_kept_whatever_they_are_and_the_others_masked():
    years = np.array([np.nan, -1, 5, 5, np.nan, 70], np.float32)
    assert choose_labels(years, 4, np.random.default_rng(0)).tolist() == [1, 2, 3, 5]
    assert len(choose_labels(years, 2, np.random.default_rng(0))) == 2
    with pytest.raises(ValueError, match="5 labels are wanted, but 4 faces have one"):
        choose_labels(years, 5, np.random.default_rng(0))
    views = Views({"years": np.tile(years, (2, 1))}, np.arange(6))
    found = with_labels(views, {"years": 2}, (), ("years",), seed=1)
    assert len(found) == 2 and np.isfinite(found.arrays["years"][:, found.rows]).all()
    assert np.isfinite(found.arrays["years"]).sum() == 4 and found.arrays["years"].dtype == np.float32


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_labels_than_classes_are_still_that_many(count):
    assert len(chosen(count, [0] * 5 + [1] * 5 + [2] * 5)) == count


@pytest.mark.parametrize(("labels", "count"), [([0, 1, ABSENT], 3), ([ABSENT], 1), ([], 1), ([0], 0)])
def test_labels_that_nobody_has_are_refused(labels, count):
    with pytest.raises(ValueError, match=f"{count} labels are wanted, but"):
        chosen(count, labels)


def test_labels_of_the_other_faces_are_masked_in_every_view(views):
    found = with_labels(views, {"smile": 6}, (), (MAIN, "smile"), seed=1)
    kept = found.arrays["smile"][:, views.rows] != ABSENT
    assert kept.sum(axis=1).tolist() == [6, 6]
    assert (kept[0] == kept[1]).all()
    assert len(found) == FACES // 2 - 1, "the face without a point and without a smile teaches nothing"
    again = with_labels(views, {"smile": 6}, (), ("smile",), seed=1)
    assert len(again) == 6, "without the landmarks only the labelled faces are left"
    assert (again.arrays["smile"] == found.arrays["smile"]).all(), "the same labels in every arm of a seed"
    other = with_labels(views, {"smile": 6}, (), ("smile",), seed=2)
    assert (other.rows != again.rows).any()
    assert (views.arrays["smile"][:, 1:] != ABSENT).all(), "what is kept on the disk is not changed"


def test_dealt_labels_stay_among_the_faces_and_their_number_too(views):
    found = with_labels(views, {}, ("smile",), (MAIN, "smile"), seed=1)
    before, after = (part.arrays["smile"][0] for part in (views, found))
    assert (before != after).any()
    assert (np.sort(before[views.rows]) == np.sort(after[views.rows])).all()
    others = np.delete(np.arange(FACES), views.rows)
    assert (before[others] == after[others]).all()
    assert len(found) == len(views)


def test_half_of_each_batch_has_the_few_labels(views):
    found = with_labels(views, {"smile": 6}, (), (MAIN, "smile"), seed=1)
    learnt = learnt_batches(found, has_label(found, ["smile"]), 8, seed=0, steps=5)
    batches = [batch for epoch in range(2) for batch in learnt.batches(epoch)]
    assert len(learnt) == len(found) and len(batches) == 2 * learnt.steps() == 10
    for batch in batches:
        assert len(batch["smile"]) == len(batch[MAIN])
        assert len(batch["smile"]) <= 8 and (batch["smile"] != ABSENT).sum() >= 2, "a pass of 6 ends with 2"
    again = [batch for epoch in range(2) for batch in learnt.batches(epoch)]
    assert all((one["smile"] == two["smile"]).all() for one, two in zip(batches, again))


@pytest.mark.parametrize(("share", "of"), [(0.25, 2), (0.5, 4), (0.01, 1), (0.99, 7)])
def test_a_share_of_each_batch_may_be_asked_for(views, share, of):
    """Of faces with the landmarks that are measured: each full batch has at least so many, whoever they are."""
    labelled = np.isin(np.arange(len(views)), [1, 3, 4, 8, 9, 10, 11, 13])
    learnt = learnt_batches(views, labelled, 8, seed=0, steps=7, share=share)
    assert isinstance(learnt, JoinedBatches)
    assert next(len(batch[MAIN]) for batch in learnt.second.batches(0)) == of
    assert len(next(learnt.first.batches(0))[MAIN]) == 8 - of
    assert len(learnt.second) == labelled.sum()


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"share": 1.0}, "share must be 0 or more and below 1, not 1.0"),
        ({"share": 0.5, "labels": {"smile": 5}}, "share and labels both say of what faces a batch is made"),
    ],
)
def test_shares_that_cannot_be(keys, told):
    with pytest.raises(ValueError, match=told):
        Arm("dense", **keys)


def test_batches_are_of_all_faces_where_all_or_none_have_a_label(views):
    alone = with_labels(views, {"smile": 6}, (), ("smile",), seed=1)
    for faces, labelled in ((alone, has_label(alone, ["smile"])), (views, has_label(views, []))):
        (batch,) = learnt_batches(faces, labelled, 64, seed=0, steps=1).batches(0)
        assert len(batch["smile"]) == len(faces), "each face once"


def test_guesses_favour_no_class_for_being_frequent():
    taught = np.array([0] * 9000 + [1] * 1000 + [ABSENT] * 500)
    logits = np.log([[0.85, 0.15, 1e-9], [0.8, 0.2, 1e-9], [0.95, 0.05, 1e-9]])
    assert even_guesses(logits, taught).tolist() == [1, 1, 0], "told by how much more often than their share"
    assert even_guesses(np.zeros((4, 3)), np.array([[0, 0], [1, ABSENT]])).max() < 2, "a class nobody taught"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"labels": {"hat": 5}}, "labels: unknown task 'hat'"),
        ({"labels": {MAIN: 5}}, "the arm learns no other task"),
        ({"labels": {"smile": 0}}, "must be 1 or more"),
        ({"labels": {"smile": 9}, "faces": 8}, "no more than its faces"),
        ({"shuffled": ("pose",)}, "shuffled: unknown task 'pose'"),
    ],
)
def test_arms_of_such_labels_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Arm(**{"name": "x", "tasks": (MAIN, "smile"), **values})


def test_arms_with_few_labels_are_run_and_more_than_there_are_is_refused(prepared, tmp_path):
    dataset, crops = read_dataset(prepared), load_crops(prepared)
    given = len(crops.part("train"))
    quick = {"epochs": 1, "batch_size": 8, "seeds": 1, "precision": "float32", "views": 1}
    arms = (
        Arm("points", tasks=(MAIN,), **quick),
        Arm("few", tasks=("smile",), labels={"smile": 2}, **quick),
        Arm("chance", tasks=(MAIN, "smile"), shuffled=("smile",), **quick),
    )
    assert compare(Grid(arms, "points"), dataset, crops, WholeImage(), tmp_path) == []
    more = Arm("more", tasks=(MAIN, "smile"), labels={"smile": given + 1}, **quick)
    with pytest.raises(LandmarksError, match=rf"labels.smile = {given + 1}, but .* has {given} training faces with"):
        compare(Grid((*arms, more), "points"), dataset, crops, WholeImage(), tmp_path)
