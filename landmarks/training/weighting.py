"""How the tasks' losses are put together: each weighting is one way to make one step out of several losses.

Every method starts from the losses times the task weights of the configuration. What a method knows at the start of an
epoch (`fixed`, `dwa`, `dynamic`) is in its factors, computed from the log alone; what it learns from batch to batch
(`uncertainty`, `gradnorm`) is in its parameters; `pcgrad` leaves the losses as they are and changes their gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from landmarks.errors import unknown
from landmarks.schemes import SCHEMES
from landmarks.training.history import losses_of

Losses = dict[str, Tensor]
Factors = dict[str, float]
Parameters = list[nn.Parameter]


class Weighting(nn.Module):
    """The base of all and, as it stands, `fixed`: the sum of the losses times the tasks' weights, 1 where not given.

    What a weighting learns are parameters, to be optimised with the network's but without weight decay; what else must
    outlive an interruption are buffers. Raises ValueError for tasks or weights that cannot be.
    """

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__()
        if not tasks or len(set(tasks)) < len(tasks):
            raise ValueError("a weighting needs at least one task and none twice")
        for task, weight in task_weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(f"the weight of {task} must be 0 or more, not {weight}")
        self.tasks = tuple(tasks)
        self.task_weights = dict(task_weights)

    def factors(self, history: Sequence[dict]) -> Factors:
        """Each task's factor for the coming epoch, from the log's rows of the past ones."""
        return {task: self.task_weights.get(task, 1.0) for task in self.tasks}

    def backward(self, losses: Losses, factors: Factors, shared: Parameters, last_shared: Parameters) -> None:
        """Add to `.grad` of all that the losses depend on, and of the weighting's own parameters.

        losses: scalars by name; one that is no task of the weighting's, such as the expected errors', is added times
        its factor or else its task weight. factors: of every task; 0: the task has stopped. shared: all parameters
        that more than one task uses; last_shared: those of the last shared layer.
        """
        running = self._running(losses, factors)
        _descend([factor * self._term(name, losses[name]) for name, factor in running.items()])

    def after_step(self) -> None:
        """To be called after each of the optimiser's steps."""

    def _term(self, name: str, loss: Tensor) -> Tensor:
        """What is minimised of a loss, before its factor."""
        return loss

    def _running(self, losses: Losses, factors: Factors) -> Factors:
        """The factor of every loss that counts."""
        used = {
            name: factors[name] if name in self.tasks else factors.get(name, self.task_weights.get(name, 1.0))
            for name in losses
        }
        return {name: factor for name, factor in used.items() if factor > 0}


def _descend(terms: Sequence[Tensor], retain_graph: bool = False) -> None:
    if terms:
        sum(terms[1:], terms[0]).backward(retain_graph=retain_graph)


class Uncertainty(Weighting):
    """Homoscedastic uncertainty (Kendall et al., CVPR 2018). Each task has a learnt log variance s: landmarks cost
    L / (2 e^s) + s / 2, attributes L / e^s + s / 2, both times the task's factor.

    For a steady loss the best s is log L, or log 2L for attributes: a task counts in inverse proportion to its loss.
    The first form is derived for squared errors; it is used for the landmarks' loss whatever that is.
    """

    LIMIT = 5.0
    """s is kept within plus and minus this, or the weight of a task that is learnt by heart would grow without end."""

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)
        self.log_variances = nn.Parameter(torch.zeros(len(tasks)))

    def after_step(self) -> None:
        with torch.no_grad():  # clamped here, not in the term: beyond its limits s would have no gradient to come back
            self.log_variances.clamp_(-self.LIMIT, self.LIMIT)

    def _term(self, name: str, loss: Tensor) -> Tensor:
        if name not in self.tasks:
            return loss
        s = self.log_variances[self.tasks.index(name)]
        scale = 0.5 if name in SCHEMES else 1.0
        labelled = loss.detach() > 0  # a batch without labels has a loss of 0, which tells nothing of s
        return scale * loss * torch.exp(-s) + labelled * s / 2


class DynamicAverage(Weighting):
    """Dynamic weight average (Liu et al., CVPR 2019): the less a task's training loss fell in the last epoch, the more
    it counts. Factors are a softmax of the losses' ratios over the temperature, times the number of tasks; equal in the
    first two epochs. A task that was not measured twice keeps its weight, and the others share theirs."""

    TEMPERATURE = 2.0

    def factors(self, history: Sequence[dict]) -> Factors:
        weights = super().factors(history)
        if len(history) < 2:
            return weights
        ratios = {}
        for task in self.tasks:
            before, last = losses_of(history[-2:], "train", task)
            if before > 0 and math.isfinite(last / before):
                ratios[task] = last / before
        highest = max(ratios.values(), default=0.0)
        powers = {task: math.exp((ratio - highest) / self.TEMPERATURE) for task, ratio in ratios.items()}
        total = sum(powers.values())
        return weights | {task: weights[task] * len(powers) * power / total for task, power in powers.items()}


class DynamicCoefficients(Weighting):
    """TCDCN's dynamic task coefficients (Zhang et al., TPAMI 2016, arXiv 1408.3967), which replace early stopping: an
    auxiliary task counts as long as it still learns, seen on the training and on the held-out faces.

    Certain is that the coefficients are adapted while training, and that the paper makes them random variables with a
    Gaussian prior whose mean follows the errors over the last tau epochs. These are readings of ours:

    - the mean, mu = rho x (relative fall of the validation error) x (relative fall of the training error), is taken
      for the coefficient itself; rho = tau = 5 are another implementation's values;
    - a fall is at least 0: of two errors that rise the product would be positive;
    - the coefficient is at most `CAP`, which is also what it is until there are tau epochs to look back on, and where
      an epoch lacks one of the task's losses.

    The main task, `tasks[0]`, has coefficient 1. All are times the tasks' weights.
    """

    RHO, TAU, CAP = 5.0, 5, 1.0

    def factors(self, history: Sequence[dict]) -> Factors:
        weights = super().factors(history)
        if len(history) <= self.TAU:
            return weights
        ends = [history[-1 - self.TAU], history[-1]]
        for task in self.tasks[1:]:
            falls = [_relative_fall(*losses_of(ends, split, task)) for split in ("train", "val")]
            mean = self.RHO * max(falls[0], 0.0) * max(falls[1], 0.0)
            weights[task] *= self.CAP if any(map(math.isnan, falls)) else min(mean, self.CAP)
        return weights


def _relative_fall(before: float, last: float) -> float:
    """By which share of itself a loss fell; NaN where that cannot be said."""
    return float((before - last) / before) if before > 0 and math.isfinite(last) else math.nan


class GradNorm(Weighting):
    """GradNorm (Chen et al., ICML 2018): learnt weights w make the gradients' norms of all tasks at the last shared
    layer alike, larger where a task lags behind: |grad w_i L_i| -> mean x (L_i / L_i(0), over its mean)^alpha.

    Weights are renormalised to sum to the number of tasks that run. The first batch with a task's labels gives its
    L_i(0); a task without labels in a batch takes no part in it. A task's factor scales the loss whose gradient is
    measured, so it is learnt away. The network's optimiser moves w; a pass back to the last shared layer for each task
    is the price. `backward` raises ValueError if several tasks run and share no layer.
    """

    ALPHA = 1.5
    LEAST = 1e-3
    """No weight is smaller before it is renormalised: a step must not turn a task against itself."""

    first: Tensor

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)
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
        goal = weighted.mean() * (rates / rates.mean()) ** self.ALPHA
        gradient = torch.zeros_like(self.weights)
        gradient[places] = torch.sign(weighted - goal) * norms  # of sum |w_i norm_i - goal_i| with the goals held
        self.weights.grad = _gradient(self.weights) + gradient

    def _term(self, name: str, loss: Tensor) -> Tensor:
        return self.weights[self.tasks.index(name)].detach() * loss if name in self.tasks else loss


def _norm(loss: Tensor, parameters: Parameters) -> Tensor:
    """() norm of a loss's gradient; its graph is kept."""
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return torch.stack([loss.new_zeros(()), *(g.norm().to(loss) for g in gradients if g is not None)]).norm()


class ProjectedGradients(Weighting):
    """PCGrad (Yu et al., NeurIPS 2020): where two tasks' gradients on the shared parameters point against each other,
    each loses its part along the other; what remains is added up.

    Parameters of a single task, and what is no task, get their plain gradients. A whole backward pass for each task is
    the price. The random order is drawn from the number of steps made, so that an interruption does not change it.
    """

    steps: Tensor

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def backward(self, losses: Losses, factors: Factors, shared: Parameters, last_shared: Parameters) -> None:
        running = self._running(losses, factors)
        before = [parameter.grad for parameter in shared]
        rows = []
        for name in [name for name in running if name in self.tasks]:
            _set_gradients(shared, [None] * len(shared))
            _descend([running.pop(name) * losses[name]], retain_graph=True)
            rows.append([_gradient(parameter).flatten() for parameter in shared])
        _set_gradients(shared, before)
        _descend([factor * losses[name] for name, factor in running.items()])
        if rows and shared:
            added = project(torch.stack([torch.cat(row) for row in rows]), np.random.default_rng(int(self.steps)))
            for parameter, part in zip(shared, added.split([parameter.numel() for parameter in shared])):
                parameter.grad = _gradient(parameter) + part.view_as(parameter)
        self.steps += 1


def project(gradients: Tensor, order: np.random.Generator) -> Tensor:
    """Sum of the projected gradients (Yu et al., NeurIPS 2020, algorithm 1). gradients: (T, P), a row a task -> (P,).

    A projected gradient is a mixture of the given ones, so that all is told by their scalar products.
    """
    products = (gradients @ gradients.T).double().cpu().numpy()
    mixtures = np.eye(len(products))
    for task, mixture in enumerate(mixtures):
        for other in order.permutation(len(products)):
            along = mixture @ products[:, other]
            if other != task and along < 0:
                mixture[other] -= along / products[other, other]
    return torch.from_numpy(mixtures.sum(axis=0)).to(gradients) @ gradients


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _set_gradients(parameters: Parameters, gradients: Sequence[Tensor | None]) -> None:
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = gradient


WEIGHTINGS: dict[str, type[Weighting]] = {
    "fixed": Weighting,
    "uncertainty": Uncertainty,
    "dwa": DynamicAverage,
    "gradnorm": GradNorm,
    "pcgrad": ProjectedGradients,
    "dynamic": DynamicCoefficients,
}


def create_weighting(name: str, tasks: tuple[str, ...], task_weights: dict[str, float]) -> Weighting:
    """A weighting by name; the tasks' order is that of the network, the main task first. Raises ValueError."""
    if name not in WEIGHTINGS:
        raise ValueError(unknown("weighting", name, WEIGHTINGS))
    return WEIGHTINGS[name](tasks, task_weights)
