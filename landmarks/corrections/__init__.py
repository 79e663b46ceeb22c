"""What people say of the faces of a run: an append-only file of corrections, and what it adds up to."""

from landmarks.corrections.correction import Correction
from landmarks.corrections.fold import Corrected, fold
from landmarks.corrections.log import FILE, CorrectionLog, read_corrections

__all__ = ["FILE", "Corrected", "Correction", "CorrectionLog", "fold", "read_corrections"]
