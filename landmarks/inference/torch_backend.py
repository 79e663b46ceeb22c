"""A network in torch, as a back end."""

from __future__ import annotations

import numpy as np
import torch

from landmarks.device import choose_device, one_thread_for_few
from landmarks.inference.backend import NetworkOutputs
from landmarks.inference.choice import TORCH
from landmarks.models.network import predict
from landmarks.models.store import Model


class TorchBackend:
    """A model in torch, on any of its devices. The model's network is moved there, and computes as it is."""

    name, precision = TORCH, "float32"
    locator_sha256 = ""

    def __init__(self, model: Model, device: str = "cpu") -> None:
        self.device = choose_device(device)
        self.network = model.network.to(self.device)
        self.config, self.calibration = self.network.config, model.calibration
        self.about, self.sha256 = model.about, model.sha256

    def run_network(self, crops: np.ndarray) -> NetworkOutputs:
        with one_thread_for_few(len(crops)):
            prediction = predict(self.network, self._tensor(crops))
        points, cues, logits, values = (
            {name: value.cpu().numpy() for name, value in field.items()} for field in prediction
        )
        return NetworkOutputs(points, cues, logits, values)

    @torch.inference_mode()
    def run_locator(self, crops: np.ndarray) -> np.ndarray:
        assert self.network.locator is not None
        with one_thread_for_few(len(crops)):
            return self.network.locator(self._tensor(crops)).cpu().numpy()

    def _tensor(self, crops: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(crops).to(self.device)
