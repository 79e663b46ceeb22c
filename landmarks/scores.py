"""What a network says of faces, task by task: classes with their probabilities, and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from landmarks.schemes import UNCERTAIN, Attribute, Quantity


@dataclass(frozen=True)
class AttributeScores:
    """One attribute of N faces."""

    attribute: Attribute
    probabilities: np.ndarray
    """(N, C) float32; each row sums to 1."""
    uncertain: np.ndarray | None = None
    """(N,) bool: which faces do not tell it, by the limits that the weights name; None for none."""

    def __getitem__(self, index: Any) -> AttributeScores:
        """Those of some faces, as an array's."""
        return AttributeScores(
            self.attribute, self.probabilities[index], None if self.uncertain is None else self.uncertain[index]
        )

    @classmethod
    def concatenate(cls, several: Sequence[AttributeScores]) -> AttributeScores:
        """Those of several results, at least one, in order."""
        masks = [np.zeros(len(one.probabilities), bool) if one.uncertain is None else one.uncertain for one in several]
        together = None if all(one.uncertain is None for one in several) else np.concatenate(masks)
        return cls(several[0].attribute, np.concatenate([one.probabilities for one in several]), together)

    @property
    def indices(self) -> np.ndarray:
        """(N,) int64: the most probable class of each face."""
        return self.probabilities.argmax(axis=1)

    @property
    def labels(self) -> np.ndarray:
        """(N,) str: its text, such as `smiling`, or `uncertain`."""
        labels = np.asarray(self.attribute.labels)[self.indices]
        return labels if self.uncertain is None else np.where(self.uncertain, UNCERTAIN, labels)

    @property
    def confidence(self) -> np.ndarray:
        """(N,) float32: its probability."""
        return self.probabilities.max(axis=1, initial=0)


@dataclass(frozen=True)
class QuantityValues:
    """One quantity of N faces."""

    quantity: Quantity
    values: np.ndarray
    """(N,) float32, in its unit; NaN where there is none."""

    def __getitem__(self, index: Any) -> QuantityValues:
        """Those of some faces, as an array's."""
        return QuantityValues(self.quantity, self.values[index])

    @classmethod
    def concatenate(cls, several: Sequence[QuantityValues]) -> QuantityValues:
        """Those of several results, at least one, in order."""
        return cls(several[0].quantity, np.concatenate([one.values for one in several]))
