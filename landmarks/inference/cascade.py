"""The cascade as a back end, so that its faces are cropped and located as all others are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from landmarks.device import choose_device
from landmarks.errors import WeightsError
from landmarks.inference.backend import NetworkOutputs
from landmarks.inference.choice import TORCH
from landmarks.models.calibration import Calibration
from landmarks.models.cascade import Cascade
from landmarks.models.config import NetworkConfig
from landmarks.schemes import POINTS_5


class CascadeBackend:
    """A cascade in torch, on any of its devices, where it is moved. It finds five points, level by level."""

    name, precision = TORCH, "float32"
    sha256 = locator_sha256 = ""

    def __init__(self, cascade: Cascade, crop_scale: float, device: str = "cpu") -> None:
        self.device = choose_device(device)
        self.cascade = cascade.to(self.device).eval()
        self.config = NetworkConfig(tasks=(POINTS_5.name,), input_size=cascade.codec.size, crop_scale=crop_scale)
        self.calibration = Calibration()
        self.about: dict[str, Any] = {}

    @torch.inference_mode()
    def run_network(self, crops: np.ndarray) -> NetworkOutputs:
        """crops: (N, S, S, 3) uint8 RGB. A cascade has neither attributes nor anything that tells of its errors."""
        *levels, points = self.cascade(torch.from_numpy(crops).to(self.device)).cpu().numpy().swapaxes(0, 1)
        return NetworkOutputs({POINTS_5.name: points}, {}, {}, {}, tuple(levels))

    def run_locator(self, crops: np.ndarray) -> np.ndarray:
        """Raises WeightsError: a cascade has no locator, and its config no size for one."""
        raise WeightsError("a cascade has no locator; its first level finds the face")
