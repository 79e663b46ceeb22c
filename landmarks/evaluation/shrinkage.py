"""Constants that few validation faces have fitted are held to those that the weights had before.

They are a mean of both, in which the new faces weigh `n / (n + TRUST)` and the earlier constants the rest: 2 % for one
face, half for 50, all as n grows. Of log errors, log odds of quality and log temperatures it is the ordinary mean.
Measured by `landmarks.studies.few_faces`, it is as good as the better of the two for any n, or nearly (docs/review.md).
"""

from __future__ import annotations

import numpy as np

from landmarks.models.calibration import ErrorCurve, QualityCurve, Softmax

TRUST = 50
"""Validation faces that weigh as much as the earlier constants."""


def held_errors(fitted: ErrorCurve, earlier: ErrorCurve | None, faces: int) -> ErrorCurve:
    """faces: that it was fitted to. Without an earlier curve the fitted one; likewise the following."""
    if earlier is None:
        return fitted
    return ErrorCurve(
        _mean(fitted.constant, earlier.constant, faces),
        _mean(fitted.expected, earlier.expected, faces),
        _mean(fitted.spread, earlier.spread, faces),
    )


def held_quality(fitted: QualityCurve, earlier: QualityCurve | None, faces: int, raised: float) -> QualityCurve:
    """raised: by how much the faces' mean logs of expected errors have risen since the earlier curve, on average.

    The earlier curve is moved by it first: larger expected errors alone must not make every face doubtful.
    """
    if earlier is None:
        return fitted
    moved = earlier.constant - earlier.slope * raised
    return QualityCurve(_mean(fitted.constant, moved, faces), _mean(fitted.slope, earlier.slope, faces))


def held_softmax(fitted: Softmax, earlier: Softmax | None, faces: int) -> Softmax:
    """The bias is the fitted one: it comes of the training faces, not of these."""
    if earlier is None:
        return fitted
    log = _mean(np.log(fitted.temperature), np.log(earlier.temperature), faces)
    return Softmax(round(float(np.exp(log)), 4), fitted.bias)


def _mean(fitted: float, earlier: float, faces: int) -> float:
    weight = faces / (faces + TRUST)
    return float(weight * fitted + (1 - weight) * earlier)
