"""GradNorm."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from landmarks.training.weightings.base import Factors, Losses, Parameters, Weighting, gradient_of


class GradNorm(Weighting):
    """GradNorm (Chen et al., ICML 2018): learnt weights w make the gradients' norms of all tasks at the last shared
    layer alike, larger where a task lags behind: |grad w_i L_i| -> mean x (L_i / L_i(0), over its mean)^alpha.

    Weights are renormalised to sum to the number of tasks that run. The first batch with a task's labels gives its
    L_i(0); a task without labels in a batch takes no part in it. A task's factor scales the loss whose gradient is
    measured, so it is learnt away. The network's optimiser moves w; a pass back to the last shared layer for each task
    is the price. alpha: how hard a lagging task pulls. `backward` raises ValueError if several tasks run and
    share no layer.
    """

    LEAST = 1e-3
    """No weight is smaller before it is renormalised: a step must not turn a task against itself."""

    first: Tensor

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float], alpha: float = 1.5) -> None:
        super().__init__(tasks, task_weights)
        self.alpha = alpha
        self.weights = nn.Parameter(torch.ones(len(tasks)))
        self.register_buffer("first", torch.full((len(tasks),), math.nan))
        self._places: list[int] = []

    def backward(self, losses: Losses, factors: Factors, shared: Parameters, last_shared: Parameters) -> None:
        running = {name: factor for name, factor in self._running(losses, factors).items() if name in self.tasks}
        self._places = [self.tasks.index(name) for name in running]
        if len(running) > 1:
            if not last_shared:
                raise ValueError("gradnorm needs tasks that share a layer; choose another weighting or hard sharing")
            norms = [_norm(factor * losses[name], last_shared) for name, factor in running.items()]
            self._learn(torch.stack(norms), torch.stack([losses[name].detach() for name in running]))
        super().backward(losses, factors, shared, last_shared)

    def after_step(self) -> None:
        with torch.no_grad():
            weights = self.weights[self._places].clamp(min=self.LEAST)
            self.weights[self._places] = weights * len(weights) / weights.sum()

    def _learn(self, norms: Tensor, losses: Tensor) -> None:
        """Set the weights' gradient. norms, losses: (R,) of the running tasks."""
        places = torch.tensor(self._places, device=norms.device)
        first = self.first[places]
        self.first[places] = first = torch.where(first.isnan() & (losses > 0), losses, first)
        seen = (norms > 0) & (first > 0)
        norms, rates, places = norms[seen], (losses / first)[seen], places[seen]
        weighted = self.weights.detach()[places] * norms
        goal = weighted.mean() * (rates / rates.mean()) ** self.alpha
        gradient = torch.zeros_like(self.weights)
        gradient[places] = torch.sign(weighted - goal) * norms  # of sum |w_i norm_i - goal_i| with the goals held
        self.weights.grad = gradient_of(self.weights) + gradient

    def _term(self, name: str, loss: Tensor) -> Tensor:
        return self.weights[self.tasks.index(name)].detach() * loss if name in self.tasks else loss


def _norm(loss: Tensor, parameters: Parameters) -> Tensor:
    """() norm of a loss's gradient; its graph is kept."""
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return torch.stack([loss.new_zeros(()), *(g.norm().to(loss) for g in gradients if g is not None)]).norm()
