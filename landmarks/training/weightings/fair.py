"""Weightings that share a step fairly among the tasks: Nash-MTL and FairGrad."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from landmarks.training.weightings.gradients import GradientWeighting

STEPS = 100
"""Newton steps at most; a dozen do."""
RIDGE = 1e-12
"""What keeps weights finite where gradients cancel, as a share of a gradient's own length squared."""


class FairGrad(GradientWeighting):
    """FairGrad (Ban and Ji, ICML 2024): what is most fair to the tasks by the measure of alpha-fairness."""

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float], alpha: float = 2.0) -> None:
        """alpha: 1 is Nash-MTL's fairness; the larger, the more it counts how the worst task fares. Raises ValueError
        unless it is positive."""
        super().__init__(tasks, task_weights)
        if not alpha > 0:
            raise ValueError(f"alpha of FairGrad must be positive, not {alpha}")
        self.alpha = alpha

    def combine(self, gradients: Tensor) -> Tensor:
        products = gradients.double() @ gradients.double().T
        weights = fair_weights(products.cpu().numpy(), self.alpha)
        return torch.from_numpy(weights).to(gradients) @ gradients


class NashMtl(GradientWeighting):
    """Nash-MTL (Navon et al., ICML 2022): the Nash bargaining solution of the tasks, every step anew.

    The step is as long as in the authors' code, which solves for gradients over the root of their products' norm and
    then shortens what is put together to 1.
    """

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)

    def combine(self, gradients: Tensor) -> Tensor:
        products = gradients.double() @ gradients.double().T
        weights = fair_weights(products.cpu().numpy(), 1.0)
        added = products.norm().sqrt() * (torch.from_numpy(weights).to(products) @ gradients.double())
        return (added / added.norm().clamp(min=1.0)).to(gradients)


def fair_weights(products: np.ndarray, alpha: float) -> np.ndarray:
    """The weights w > 0 with (products w)^alpha = 1 / w (Ban and Ji 2024, equation 5; of alpha 1 Navon et al. 2022,
    claim 3.1). products: (T, T) scalar products of the tasks' gradients -> (T,) float64; 0 for a gradient of zeros.

    They are where a convex function is least: half of w' products w, less for each task the integral of w^(-1 / alpha).
    Newton's method finds it, on gradients brought to one length, so that it is all the same how long they are.
    """
    lengths = np.sqrt(np.diag(products))
    there = lengths > 0
    weights = np.zeros(len(products))
    own = lengths[there]
    scale = own.max(initial=0.0) or 1.0
    own = own / scale
    cosines = products[np.ix_(there, there)] / np.outer(own, own) / scale**2 + RIDGE * np.eye(len(own))
    weights[there] = _least(cosines, own ** (1 / alpha - 1), 1 / alpha) / own * scale ** (-2 * alpha / (1 + alpha))
    return weights


def _least(cosines: np.ndarray, shares: np.ndarray, power: float) -> np.ndarray:
    """The u > 0 with cosines u = shares u^-power, by Newton steps that are halved until they go down."""

    def height(u: np.ndarray) -> float:
        integral = np.log(u) if power == 1 else u ** (1 - power) / (1 - power)
        return float(u @ cosines @ u / 2 - shares @ integral)

    u = shares ** (1 / (1 + power))  # where gradients at right angles have it
    for _ in range(STEPS):
        wanted = shares * u**-power
        slope = cosines @ u - wanted
        if (np.abs(slope) <= 1e-9 * wanted).all():
            break
        step = np.linalg.solve(cosines + np.diag(power * wanted / u), -slope)
        here = height(u)
        most = here + 1e-12 * abs(here)  # what numbers of 64 bits cannot tell is no rise
        lengths = 0.5 ** np.arange(40)
        u = next((n for n in (u + length * step for length in lengths) if (n > 0).all() and height(n) <= most), u)
    return u
