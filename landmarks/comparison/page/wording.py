"""Sentences whose content is computed: what an interval and a corrected p-value allow one to say, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from landmarks.comparison.analysis.statistics import SIGNIFICANCE
from landmarks.comparison.analysis.summary import ERROR, corrected

FAILED, BETTER, WORSE = "failed", "better", "worse"
PERHAPS_BETTER, PERHAPS_WORSE, NONE = "perhaps better", "perhaps worse", "no difference"
_UNCERTAIN = "which is not certain"
_UNSEEN = "within the uncertainty of these data"
_BEYOND = "beyond the uncertainty of these data"
HELPING = {
    BETTER: ("helps", "help"),
    WORSE: ("hurts", "hurt"),
    PERHAPS_BETTER: (f"may help, {_UNCERTAIN}", f"may help, {_UNCERTAIN}"),
    PERHAPS_WORSE: (f"may hurt, {_UNCERTAIN}", f"may hurt, {_UNCERTAIN}"),
    NONE: ("makes no difference that these data can show", "make no difference that these data can show"),
    FAILED: ("did not train in every run", "did not train in every run"),
}
"""What one task does for the landmarks, and several, by finding."""
ERRING = {
    BETTER: ("errs less", "err less"),
    WORSE: ("errs more", "err more"),
    PERHAPS_BETTER: (f"may err less, {_UNCERTAIN}", f"may err less, {_UNCERTAIN}"),
    PERHAPS_WORSE: (f"may err more, {_UNCERTAIN}", f"may err more, {_UNCERTAIN}"),
    NONE: ("differs by nothing that these data can show", "differ by nothing that these data can show"),
    FAILED: HELPING[FAILED],
}
"""How one arm does beside another, and several."""
TOLD = {
    BETTER: ("is predicted better", "are predicted better"),
    WORSE: ("is predicted worse", "are predicted worse"),
    PERHAPS_BETTER: (f"may be predicted better, {_UNCERTAIN}",) * 2,
    PERHAPS_WORSE: (f"may be predicted worse, {_UNCERTAIN}",) * 2,
    NONE: (f"shows no difference {_BEYOND}", f"show no difference {_BEYOND}"),
    FAILED: ("has no value in every run", "have no value in every run"),
}
"""How one attribute is predicted, and several."""


def finding(row: pd.Series, key: str = ERROR, lower_is_better: bool = True) -> str:
    """What can be said of a difference: certain once corrected; its interval without zero; or neither.

    row: of `contrast`, in which `key` has a difference, an interval and a corrected p-value.
    """
    value, low, high = (row[f"{key}_{part}"] for part in ("difference", "low", "high"))
    if pd.isna(low):
        return FAILED
    good = (value < 0) == lower_is_better
    if row[f"{key}_p_holm"] < SIGNIFICANCE:
        return BETTER if good else WORSE
    if low > 0 or high < 0:
        return PERHAPS_BETTER if good else PERHAPS_WORSE
    return NONE


def phrase(row: pd.Series, key: str = ERROR) -> str:
    """A difference in words: its direction where there is one, its size, interval and corrected p-value."""
    value, low, high = (row[f"{key}_{part}"] for part in ("difference", "low", "high"))
    if pd.isna(low):
        return "without a finite value in every run"
    p = f"corrected p {corrected(row, key)}" if corrected(row, key) else "without a p-value for want of seeds"
    word, size = ("lower" if value < 0 else "higher"), f"{abs(value):.2f} points"
    span = f"{-high:.2f} to {-low:.2f}" if value < 0 else f"{low:.2f} to {high:.2f}"
    found = finding(row, key)
    if found == NONE:
        return f"no different {_UNSEEN} ({value:+.2f} points, {low:+.2f} to {high:+.2f}, {p})"
    if found in (PERHAPS_BETTER, PERHAPS_WORSE):
        return f"perhaps {word}, by {size} ({span}), but not certain ({p})"
    return f"{word} by {size} ({span}, {p})"


def sort_out(findings: Mapping[str, str], verbs: Mapping[str, tuple[str, str]], most: int = 100) -> str:
    """Who is better, who is worse and of whom nothing can be said: `pose and smile help; gender makes no difference`.

    findings: by name, what `finding` gives; most: names of one finding that are listed, more are counted.
    """
    parts = []
    for found, (one, several) in verbs.items():
        names = [name for name, other in findings.items() if other == found]
        if names:
            count = f"all {len(names)}" if len(names) == len(findings) else f"{len(names)} of {len(findings)}"
            shown = listed(names) if len(names) <= most else f"{count} arms"
            parts.append(f"{shown} {one if len(names) == 1 else several}")
    return "; ".join(parts)


def listed(names: Iterable[str]) -> str:
    """Names as a sentence holds them: `a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def sentence(text: str) -> str:
    """A text with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."
