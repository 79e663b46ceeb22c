"""Which cells are to find a face: near its centre, on the grids of its size, the best ones first."""

from __future__ import annotations

import pytest
import torch

from landmarks.models.facegrid import STRIDES
from landmarks.training.detector.assign import assign, near_cells
from landmarks.training.detector.crops.place import crop_cells

SIDE = 128
PLACES = torch.from_numpy(crop_cells(SIDE))


def grids_of(chosen: torch.Tensor) -> set[int]:
    return {int(PLACES[cell, 2]) for cell in chosen.tolist()}


@pytest.mark.parametrize(
    ("box", "strides"),
    [
        ([60, 60, 70, 70], {8}),  # 10 pixels
        ([50, 50, 70, 70], {8, 16}),
        ([40, 40, 80, 80], {8, 16, 32}),
        ([20, 20, 100, 100], {16, 32, 64}),
    ],
)
def test_grids_by_size(box, strides):
    near, may = near_cells(torch.tensor([box], dtype=torch.float), SIDE)
    assert grids_of(near[may]) == strides


def test_cells_lie_in_the_box_but_for_the_one_that_holds_its_centre():
    boxes = torch.tensor([[61.0, 61, 63, 63], [-30, -30, 20, 20], [100, 100, 180, 180]])
    near, may = near_cells(boxes, SIDE)
    assert may[0].sum() == 1, "a face smaller than a cell has the cell of its centre"
    assert PLACES[near[0][may[0]]][0, :2].tolist() == [60, 60]
    for box, cell, ok in zip(boxes[1:], near[1:], may[1:]):
        places = PLACES[cell[ok]][:, :2]
        assert len(places) and ((places > box[:2]) & (places < box[2:])).all(1).sum() >= len(places) - len(STRIDES)
    assert (near >= 0).all() and (near < len(PLACES)).all()


def test_a_face_gets_as_many_cells_as_its_overlaps_sum_up_to():
    """Every cell predicts the face exactly, or no cell anything like it."""
    box = torch.tensor([[40.0, 40, 80, 80]])
    _, may = near_cells(box, SIDE)
    logits = torch.zeros(1, len(PLACES))
    exact = box.expand(1, len(PLACES), 4)
    assert len(assign(logits, exact, box, torch.tensor([0]), SIDE).cells) == min(int(may.sum()), 10)
    nothing = torch.tensor([0.0, 0, 1, 1]).expand(1, len(PLACES), 4)
    match = assign(logits, nothing, box, torch.tensor([0]), SIDE)
    assert len(match.cells) == 1, "one at least, so that it can be learned at all"


def test_the_best_cell_comes_first():
    box = torch.tensor([[40.0, 40, 80, 80]])
    near, may = near_cells(box, SIDE)
    best, other = near[0][may[0]][:2].tolist()
    boxes = torch.tensor([0.0, 0, 1, 1]).repeat(1, len(PLACES), 1)
    boxes[0, best], boxes[0, other] = box[0], torch.tensor([45.0, 45, 85, 85])
    match = assign(torch.zeros(1, len(PLACES)), boxes, box, torch.tensor([0]), SIDE)
    assert match.cells.tolist() == [best]


def test_a_cell_goes_to_the_cheaper_of_two_faces_and_pictures_stay_apart():
    faces = torch.tensor([[40.0, 40, 80, 80], [44, 44, 84, 84], [40, 40, 80, 80]])
    boxes = faces[:1].expand(2, len(PLACES), 4)  # as the first and the third want
    match = assign(torch.zeros(2, len(PLACES)), boxes, faces, torch.tensor([0, 0, 1]), SIDE)
    assert len(set(match.cells.tolist())) == len(match.cells), "no cell has two faces"
    for cell, face in zip(match.cells.tolist(), match.faces.tolist()):
        assert cell // len(PLACES) == [0, 0, 1][face]
    assert {0, 2} <= set(match.faces.tolist())


def test_no_faces():
    boxes, owners = torch.zeros(2, len(PLACES), 4), torch.zeros(0, dtype=torch.long)
    match = assign(torch.zeros(2, len(PLACES)), boxes, torch.zeros(0, 4), owners, SIDE)
    assert not len(match.cells) and not len(match.faces)
