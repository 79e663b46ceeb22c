"""How much of the test faces' crops a network that learnt to rebuild them does rebuild."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from landmarks.geometry import crop_matrices, extract_crops
from landmarks.models.heads import reconstruction_target
from landmarks.models.network import Network
from landmarks.schemes import RECONSTRUCTION

ALIKE = 1e-6
"""Variance over the faces, where that of each picture is 1, below which there is nothing to explain but rounding."""


@torch.inference_mode()
def explained(network: nn.Module, pictures: np.ndarray, squares: np.ndarray, batch_size: int) -> np.ndarray:
    """(N,) float32, whose mean is the share of the variance over the faces that the network explains: 1 where every
    crop is rebuilt, 0 for the mean of all their pictures, which says nothing of any of them. NaN where they are alike.

    pictures: (N, H, W, 3) uint8; squares: (N, 4), what the network sees of them.
    """
    assert isinstance(network, Network)
    size, device = network.config.input_size, next(network.parameters()).device
    targets, outputs = [], []
    for low in range(0, len(pictures), batch_size):
        part = slice(low, low + batch_size)
        cut = extract_crops(list(pictures[part]), crop_matrices(squares[part], size), size)
        crops = torch.from_numpy(cut).to(device)
        targets.append(reconstruction_target(crops))
        outputs.append(network(crops)[RECONSTRUCTION.name].float())
    true, rebuilt = torch.cat(targets), torch.cat(outputs)
    variance = (true - true.mean(dim=0)).square().mean()
    off = (rebuilt - true).square().mean(dim=(1, 2))
    return (1 - off / torch.where(variance > ALIKE, variance, torch.nan)).cpu().numpy()
