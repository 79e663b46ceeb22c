"""Losses of a detector: closed forms, gradients, and what teaches nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from landmarks.detection.overlap import overlaps, sizes
from landmarks.models.facegrid import CellOutputs
from landmarks.training.detector.crops.place import crop_cells
from landmarks.training.detector.losses import Truth, losses, points_loss, quality_focal_loss
from landmarks.training.detector.overlap import eiou_loss, pair_overlaps

SIDE = 128
PLACES = torch.from_numpy(crop_cells(SIDE))


@pytest.mark.parametrize(
    ("found", "overlap", "loss"),
    [
        ([0, 0, 10, 10], 1.0, 0.0),
        ([10, 0, 20, 10], 0.0, 1 + 100 / 500),  # beside: hull 20 x 10, centres 10 apart
        ([0, 0, 20, 10], 0.5, 0.5 + 25 / 500 + 100 / 400),  # twice as wide
        ([5, 0, 15, 10], 1 / 3, 2 / 3 + 25 / 325),
    ],
)
def test_overlap_and_box_loss(found, overlap, loss):
    found, true = torch.tensor([found], dtype=torch.float), torch.tensor([[0.0, 0, 10, 10]])
    assert pair_overlaps(found, true).item() == pytest.approx(overlap)
    assert overlaps(found.numpy(), true.numpy())[0, 0] == pytest.approx(overlap)
    assert eiou_loss(found, true).item() == pytest.approx(loss, abs=1e-6)


def test_boxes_without_area():
    flat, box = np.array([[3.0, 3, 3, 9]]), np.array([[0.0, 0, 10, 10]])
    assert overlaps(flat, box)[0, 0] == 0 and sizes(flat)[0] == 0 and sizes(box)[0] == 10
    assert torch.isfinite(eiou_loss(torch.tensor(flat), torch.tensor(flat))).all()


def test_focal_loss_in_closed_form():
    logits, target = torch.tensor([0.0, 0.0, 2.0]), torch.tensor([0.8, 0.0, 0.0])
    counts = torch.tensor([1.0, 1.0, 0.0])
    wanted = 0.3**2 * math.log(2) + 0.5**2 * math.log(2)  # the third does not count
    assert quality_focal_loss(logits, target, counts).item() == pytest.approx(wanted)


def test_gradients():
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.rand(*shape, generator=generator, dtype=torch.double)  # noqa: E731
    true = torch.cat([draw(5, 2) * 10, 20 + draw(5, 2) * 10], 1)
    found = (true + draw(5, 4) * 4 - 2).requires_grad_()
    assert gradcheck(lambda boxes: eiou_loss(boxes, true), found)
    assert gradcheck(
        lambda x: quality_focal_loss(x, draw(6).detach() * 0 + 0.4, torch.ones(6)), draw(6).requires_grad_()
    )
    points = draw(5, 5, 2)
    assert gradcheck(lambda x: points_loss(x, points, true), (points + draw(5, 5, 2)).requires_grad_())


def test_points_of_faces_without_them_teach_nothing():
    found, true = torch.zeros(2, 5, 2, requires_grad=True), torch.zeros(2, 5, 2)
    true[1, 3] = math.nan
    boxes = torch.tensor([[0.0, 0, 10, 10]]).repeat(2, 1)
    assert points_loss(found + 1, true, boxes).item() == pytest.approx(0.1 - 0.01)  # a tenth of the size, less beta / 2
    loss = points_loss(found + 1, true[1:].repeat(2, 1, 1), boxes)
    loss.backward()
    assert loss.item() == 0 and not found.grad.any()


def outputs(batch=1):
    logits = torch.full((batch, len(PLACES)), -4.0, requires_grad=True)
    boxes = torch.cat([PLACES[:, :2] - 8, PLACES[:, :2] + 8], 1).repeat(batch, 1, 1).requires_grad_()
    points = PLACES[:, None, :2].repeat(batch, 1, 5, 1).requires_grad_()
    return CellOutputs(logits, boxes, points)


def truth(boxes, ignored=False):
    return Truth(
        torch.tensor(boxes, dtype=torch.float).reshape(-1, 4), torch.full((len(boxes), 5, 2), math.nan),
        torch.zeros(len(boxes), dtype=torch.long), torch.full((1, len(PLACES)), ignored),
    )  # fmt: skip


def test_a_batch_without_faces_teaches_low_scores_alone():
    out = outputs()
    parts = losses(out, truth([]), SIDE)
    sum(parts.values()).backward()
    assert parts["box"] == 0 and parts["points"] == 0 and (out.logits.grad > 0).all()


def test_ignored_cells_teach_nothing_unless_a_face_is_theirs():
    out = outputs()
    losses(out, truth([[40, 40, 60, 60]], ignored=True), SIDE)["score"].backward()
    moved = out.logits.grad[0].nonzero()[:, 0]
    assert 0 < len(moved) <= 10 and (out.logits.grad[0][moved] < 0).all()
    out = outputs()
    losses(out, truth([], ignored=True), SIDE)["score"].backward()
    assert not out.logits.grad.any()
