"""What turns a network's raw error cues into expected errors, probabilities and a quality that hold: a few constants,
fitted on validation faces (`landmarks calibrate`) and kept in the weights file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from landmarks.config import key_of, value_of
from landmarks.errors import LandmarksError
from landmarks.schemes import Attribute
from landmarks.scores import AttributeScores

QUALITY_THRESHOLD = 0.1
"""`quality` is the probability that the mean error of a face's points is below this share of the face size."""


@dataclass(frozen=True)
class ErrorCurve:
    """Expected error of a point as a share of the face size: exp(constant + expected e + spread s), where e and s are
    the logs that `predict` gives. The face size is the larger side of the extent of eyes, nose and mouth corners."""

    constant: float
    expected: float
    spread: float

    def __call__(self, error_cues: np.ndarray) -> np.ndarray:
        """error_cues: (N, K, 2) -> (N, K) float32."""
        log = self.constant + self.expected * error_cues[..., 0] + self.spread * error_cues[..., 1]
        return np.exp(np.clip(log, -12, 3)).astype(np.float32)


@dataclass(frozen=True)
class QualityCurve:
    """Quality of a face from the mean log of its points' expected errors: a logistic curve."""

    constant: float
    slope: float

    def __call__(self, errors: np.ndarray) -> np.ndarray:
        """errors: (N, K) expected errors -> (N,) float32 in 0 to 1; 0 where they are not numbers."""
        score = self.constant + self.slope * mean_log(errors)
        quality = 1 / (1 + np.exp(-np.clip(score, -30, 30)))
        return np.nan_to_num(quality, nan=0.0).astype(np.float32)


@dataclass(frozen=True)
class Softmax:
    """Probabilities of an attribute: softmax((logits + bias) / temperature) (Guo et al., ICML 2017)."""

    temperature: float = 1.0
    bias: tuple[float, ...] = ()
    """One a class, or none."""

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """logits: (N, C) -> (N, C) float32."""
        scaled = (np.asarray(logits, np.float64) + (np.asarray(self.bias) if self.bias else 0.0)) / self.temperature
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True, initial=-np.inf))
        return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Limits:
    """Where an attribute is not told."""

    probability: float = 0.0
    """Of the label, below which it is uncertain."""
    side: float = 0.0
    """Size of the face box in pixels, sqrt(width x height), below which it is uncertain."""

    def uncertain(self, probabilities: np.ndarray, sides: np.ndarray) -> np.ndarray:
        """probabilities: (N, C), sides: (N,) -> (N,) bool."""
        return (probabilities.max(axis=1, initial=0) < self.probability) | (sides < self.side)


@dataclass(frozen=True)
class Calibration:
    """All constants of a network."""

    errors: Mapping[str, ErrorCurve] = field(default_factory=dict)
    """By scheme."""
    quality: QualityCurve | None = None
    """From the points of the network's first scheme."""
    attributes: Mapping[str, Softmax] = field(default_factory=dict)
    """By attribute; a plain softmax where there is none."""
    limits: Mapping[str, Limits] = field(default_factory=dict)
    """By attribute; without limits it is always told. Weights of earlier versions have none."""

    def probabilities(self, attribute: str, logits: np.ndarray) -> np.ndarray:
        """logits: (N, C) -> (N, C) float32."""
        return self.attributes.get(attribute, Softmax())(logits)

    def scores(self, attribute: Attribute, logits: np.ndarray, boxes: np.ndarray) -> AttributeScores:
        """An attribute of N faces. logits: (N, C), boxes: (N, 4) pixels."""
        probabilities = self.probabilities(attribute.name, logits)
        uncertain = None
        if attribute.name in self.limits:
            widths, heights = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).T
            uncertain = self.limits[attribute.name].uncertain(probabilities, np.sqrt(widths * heights))
        return AttributeScores(attribute, probabilities, uncertain)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a file header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """The inverse of `as_dict`. Raises KeyError, TypeError or ValueError for other values."""
        quality = values["quality"]
        return cls(
            {name: ErrorCurve(**_numbers(curve)) for name, curve in values["errors"].items()},
            None if quality is None else QualityCurve(**_numbers(quality)),
            {
                name: Softmax(float(curve["temperature"]), tuple(float(b) for b in curve["bias"]))
                for name, curve in values["attributes"].items()
            },
            {name: Limits(**_numbers(limits)) for name, limits in values.get("limits", {}).items()},
        )


def read_limits(uncertain: Sequence[str], smallest: Sequence[str]) -> dict[str, Limits] | None:
    """Limits from settings `ATTRIBUTE=PROBABILITY` and `ATTRIBUTE=PIXELS`; None without any. Raises LandmarksError."""
    found: dict[str, dict[str, float]] = {}
    for key, settings, largest in (("probability", uncertain, 1.0), ("side", smallest, np.inf)):
        for setting in settings:
            name, value = ".".join(key_of(setting)), value_of(setting)
            if not isinstance(value, (int, float)) or not 0 <= value <= largest:
                raise LandmarksError(f"{setting}: {key} must be a number from 0 to {largest:g}")
            found.setdefault(name, {})[key] = float(value)
    return {name: Limits(**values) for name, values in found.items()} or None


def mean_log(errors: np.ndarray) -> np.ndarray:
    """errors: (N, K) -> (N,) mean of their logs."""
    return np.log(np.maximum(errors, 1e-6)).mean(axis=1)


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
