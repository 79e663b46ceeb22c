"""Figures of a quantity: how far off its numbers are, and whether they beat a constant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from landmarks import metrics
from landmarks.schemes import Quantity


def quantity_figures(
    predicted: np.ndarray,
    true: np.ndarray,
    quantity: Quantity,
    slices: Mapping[str, Mapping[str, np.ndarray]],
    rounds: int,
) -> dict[str, Any]:
    """Figures of N labelled faces as plain values, in the quantity's unit, with 95 % bootstrap intervals over faces.

    `of_the_mean` is the error of always answering the mean of these faces' labels; `share_of_it`, the network's error
    over that one, is about 1 where nothing was learnt, and is left out where all labels are alike. predicted, true:
    (N,); slices: by column and group, (N,) bool.
    """
    constant = np.full(len(true), true.mean())
    measures = {
        "mean_absolute_error": lambda i: metrics.mean_absolute_error(predicted[i], true[i]),
        "of_the_mean": lambda i: metrics.mean_absolute_error(constant[i], true[i]),
    }
    if np.ptp(true):
        measures["share_of_it"] = lambda i: _share(predicted[i], constant[i], true[i])
    return {
        "unit": quantity.unit,
        "faces": len(true),
        **metrics.with_intervals(measures, len(true), rounds),
        "mean_error": float((predicted - true).mean()),
        "slices": {
            column: {
                label: {
                    "faces": int(mask.sum()),
                    "mean_absolute_error": metrics.mean_absolute_error(predicted[mask], true[mask]),
                    "mean_error": float((predicted - true)[mask].mean()),
                }
                for label, mask in groups.items()
            }
            for column, groups in slices.items()
        },
    }


def _share(predicted: np.ndarray, constant: np.ndarray, true: np.ndarray) -> float:
    of_the_mean = metrics.mean_absolute_error(constant, true)
    return metrics.mean_absolute_error(predicted, true) / of_the_mean if of_the_mean else 1.0
