"""Samples of more than 8 bits to 8, by the range that they use: never black in silence."""

from __future__ import annotations

import numpy as np


def to_8_bits(samples: np.ndarray, bits: int) -> tuple[np.ndarray, str]:
    """Samples of `bits` bits, or floating ones, as uint8 of the same shape; and a sentence where the range was guessed.

    Floating samples have no range of their own, and many programs keep 8- or 12-bit samples in wider integers, where
    they look black: the smallest usual range that holds them is taken. Raises ValueError if none does.
    """
    lowest, highest = samples.min(), samples.max()
    if not (np.isfinite(lowest) and np.isfinite(highest)) or lowest < 0:  # A NaN anywhere makes both NaN.
        raise ValueError("samples that are negative or no numbers have no place between black and white")
    if samples.dtype.kind == "f":
        top = next((top for top in (1, 255, 4095, 65535) if highest <= top), None)
        if top is None:
            raise ValueError("floating-point samples above 65,535 have no known range; save it with 8 or 16 bits")
        return _scaled(samples, top), f"its floating-point samples were taken for numbers from 0 to {top}"
    used = next((n for n in range(8, bits, 2) if highest < 2**n), bits)
    if not highest or (used > max(bits - 4, 8) and bits <= 16):
        used = bits
    note = f"its {bits}-bit samples use {used} bits alone and were taken for {used}-bit ones" if used < bits else ""
    # The usual case, in whole numbers.
    return (samples >> 8).astype(np.uint8) if used == 16 else _scaled(samples, 2**used - 1), note


def _scaled(samples: np.ndarray, top: int) -> np.ndarray:
    return np.rint(samples * (255 / top)).astype(np.uint8)
