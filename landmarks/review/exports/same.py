"""Whether what a tool gives back is what it was given."""

from __future__ import annotations

from typing import Any

import numpy as np

EXACT, ROUNDED = 0.001, 0.0051
"""Pixels: what a tool gives back of a landmark that nobody has moved is as close as the first, or, where it keeps two
decimals as CVAT does, as the second."""
UNMOVED = 0.02
"""Pixels, of a box: its width may be rounded, too."""
HALF_OF_LAST = 0.51e-4
"""Of a quantity: half of the last of four decimals, to which text formats round."""
BITS_32 = 2e-7
"""What 32 bits lose of a number, as a share of it."""


def unmoved(point: Any, was: Any) -> bool:
    """Whether a landmark is where it was, but for what the tool has rounded: a hundredth of a pixel is a move."""
    far = np.abs(np.subtract(point, was))
    rounded = np.abs(np.remainder(np.multiply(point, 100) + 0.5, 1) - 0.5) < 1e-4
    return bool(np.where(rounded, far < ROUNDED, far < EXACT).all())


def same_number(value: float | None, was: float | None) -> bool:
    """Whether the value of a quantity is what it was, but for what was rounded: a ten-thousandth is a change."""
    if value is None or was is None:
        return value is was
    return abs(value - was) <= HALF_OF_LAST + BITS_32 * abs(was)
