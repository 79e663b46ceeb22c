"""What the loop asks of a network: its losses on a batch, and figures to watch on held-out faces."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from landmarks.models.cascade import Cascade
from landmarks.models.config import NetworkConfig
from landmarks.models.network import Network, quantity_heads
from landmarks.models.sharing import Towers, coupling
from landmarks.schemes import ABSENT, POINTS_5, RECONSTRUCTION, SCHEMES
from landmarks.training.config import TrainingConfig
from landmarks.training.losses import task_losses


class Objective(Protocol):
    """Losses of one kind of network."""

    tasks: tuple[str, ...]
    """Those whose losses are weighted and stopped; the first one is the main task."""

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Unweighted means over the batch: the tasks' losses and others, which always count fully."""
        ...

    def figures(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, tuple[float, int]]:
        """What to watch: by name the mean over the batch's labelled faces, and their number."""
        ...


class TaskObjective:
    """Losses of a network with a head a task."""

    def __init__(self, network: NetworkConfig, config: TrainingConfig) -> None:
        self.network, self.config, self.tasks = network, config, network.tasks

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Every task's loss, its expected errors', the locator's and that of what couples the towers."""
        assert isinstance(network, Network)
        losses = self._of_outputs(network, network(batch["crop"]), batch)
        if self.config.coupling_strength and isinstance(network.encoder, Towers):
            losses["coupling"] = self.config.coupling_strength * coupling(network.encoder, self.config.coupling)
        return losses

    def figures(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, tuple[float, int]]:
        """The losses, the landmarks' mean error in % of the crop's side (`NAME_distance`), and the quantities' mean
        absolute error in their units (`NAME_distance`)."""
        assert isinstance(network, Network)
        outputs, codec = network(batch["crop"]), self.network.codec
        values = self._of_outputs(network, outputs, batch)
        for name in self.network.schemes:
            mask = codec.inside(batch[name])
            distance = (codec.decode(outputs[name]) - batch[name]).norm(dim=-1)[mask].mean()
            values[f"{name}_distance"] = 100 * distance / codec.size
        for name, head in quantity_heads(network).items():
            values[f"{name}_distance"] = (head.decode(outputs[name]) - batch[name]).abs().nanmean()
        if network.locator is not None:
            away = network.locator(batch["coarse"]) - batch["coarse_points"]
            values["locator_distance"] = 100 * away.norm(dim=-1).nanmean() / network.locator.size
        return {name: (float(value.detach()), _labelled(batch, name)) for name, value in values.items()}

    def _of_outputs(self, network: Network, outputs: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        losses = task_losses(network, outputs, batch, self.config.points_loss)
        if network.locator is not None:
            coarse = network.locator.coded(batch["coarse"])
            losses["locator"] = self.config.points_loss(network.locator.codec, coarse, batch["coarse_points"])
        return losses


class CascadeObjective:
    """Losses of the cascade's levels, which learn side by side."""

    tasks: tuple[str, ...] = (POINTS_5.name,)

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The main task's loss: the sum over the levels."""
        assert isinstance(network, Cascade)
        return {POINTS_5.name: torch.stack(list(network.losses(batch["crop"], batch[POINTS_5.name]).values())).sum()}

    def figures(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, tuple[float, int]]:
        """The losses, and the mean error after each level in % of the crop's side."""
        assert isinstance(network, Cascade)
        true, count = batch[POINTS_5.name], _labelled(batch, POINTS_5.name)
        values = network.losses(batch["crop"], true)
        away = (network(batch["crop"]) - true[:, None]).detach().norm(dim=-1)
        levels = 100 * away.nanmean(dim=(0, 2)) / batch["crop"].shape[1]
        figures = {name: (float(value.detach()), count) for name, value in values.items()}
        figures[POINTS_5.name] = (sum(figure for figure, _ in figures.values()), count)
        figures |= {f"level_{level}_distance": (float(value), count) for level, value in enumerate(levels, start=1)}
        return figures | {f"{POINTS_5.name}_distance": (float(levels[-1]), count)}


def _labelled(batch: dict[str, Tensor], name: str) -> int:
    """How many faces of a batch have the label that a loss is made of."""
    if name.startswith("locator"):
        return int(torch.isfinite(batch["coarse_points"]).all(dim=(1, 2)).sum())
    if name == RECONSTRUCTION.name:
        return len(batch["crop"])
    labels = batch[name.removesuffix("_distance").removesuffix("_error")]
    if name.split("_distance")[0].split("_error")[0] in SCHEMES:
        return int(torch.isfinite(labels).all(dim=2).any(dim=1).sum())
    return int((torch.isfinite(labels) if labels.is_floating_point() else labels != ABSENT).sum())
