"""What a training starts from: the tasks that its faces teach, earlier weights; and what stays unlearnt."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from landmarks.datasets.dataset import Crops
from landmarks.datasets.labels import class_counts, label_gaps, unlabelled, unseen
from landmarks.datasets.table import values_of
from landmarks.errors import DataError, WeightsError
from landmarks.models.config import NetworkConfig, differences
from landmarks.models.network import Network, attribute_heads, quantity_heads
from landmarks.models.store import Model
from landmarks.schemes import RECONSTRUCTION, Attribute, Declared


def with_labels(network: NetworkConfig, crops: Crops, rows: np.ndarray) -> NetworkConfig:
    """A network's config without the tasks that none of the training faces `rows` has a label for; what these do not
    teach is said in warnings. Raises DataError if no task is left."""
    table = crops.table.iloc[rows]
    where = ", ".join(str(folder) for folder in crops.folders)
    if not len(table):
        raise DataError(f"{where}: no faces in the split 'train'; nothing to learn from")
    for gap in label_gaps(table, network.tasks, network.declared):
        warnings.warn(f"{where}: {gap}", stacklevel=3)
    left_out = unlabelled(table, network.tasks, network.declared)
    tasks = tuple(task for task in network.tasks if task not in left_out)
    if not set(tasks) - {RECONSTRUCTION.name}:
        raise DataError(f"{where}: no training face has labels for {', '.join(left_out)}; nothing to learn from")
    return replace(network, tasks=tasks)


def begin_with(network: Network, start: Model) -> None:
    """Give a network the weights of a model: the encoder, the locator, and the heads of the tasks that both have.

    What begins at random or stays behind is named in a warning. Raises WeightsError if a part that both have does not
    fit, naming every setting that differs.
    """
    config, given_config = network.config, start.network.config
    given_tasks = {task.name: task for task in given_config.declared}
    for task in config.declared:
        other = given_tasks.get(task.name, task)
        if other != task:
            meant = _meaning(other)
            raise WeightsError(
                f"the weights to start from have another task {task.name!r} ({meant}); give yours another name"
            )
    differing = differences(config, given_config)
    own, given = network.state_dict(), start.network.state_dict()
    both = {part for part in map(_part, own) if any(_part(name) == part for name in given)} | {"encoder"}
    unfit = [
        name for name in own if _part(name) in both and (name not in given or given[name].shape != own[name].shape)
    ]
    if differing or unfit:
        wanted = "; ".join(
            f"{name} = {getattr(config, name)!r}, the weights have {getattr(given_config, name)!r}"
            for name in differing
        )
        raise WeightsError(
            f"the weights to start from do not fit the config: {wanted or f'{unfit[0]} has another shape'}; give the "
            "section [network] the settings that the weights were trained with"
        )
    fitting = {name: value for name, value in given.items() if name in own}
    random = sorted({_part(name) for name in own if name not in fitting})
    behind = sorted({_part(name) for name in given if name not in own})
    for parts, what in (
        (random, "begin at random, the weights to start from lack them"),
        (behind, "are not taken over"),
    ):
        if parts:
            warnings.warn(f"parts of the network that {what}: {', '.join(parts)}", stacklevel=3)
    network.load_state_dict(own | fitting)
    for _, head in attribute_heads(network):
        head.set_unseen(())  # so that the faces to come can teach what earlier ones did not


def _meaning(task: Declared) -> str:
    """What tells a task from another one of its name."""
    if isinstance(task, Attribute):
        return ", ".join(task.labels)
    return ", ".join(filter(None, ("a number", task.unit, task.flip)))


def standardise(network: Network, table: pd.DataFrame) -> None:
    """Give a network that begins at random the mean and scale of its quantities. table: the training faces."""
    for head in quantity_heads(network).values():
        head.standardise(torch.from_numpy(values_of(table, head.quantity)))


def _part(name: str) -> str:
    """The part of a network that a weight belongs to: `encoder`, `locator`, `heads.TASK` or `errors.TASK`."""
    first, second, *_ = name.split(".")
    return f"{first}.{second}" if first in ("heads", "errors") else first


def forget_unseen(network: Network, table: pd.DataFrame, start: Model | None = None) -> None:
    """Let a trained network never answer the classes that none of its training faces showed, nor those of the weights
    that it started from. table: the training faces."""
    before = dict(attribute_heads(start.network)) if start is not None else {}
    for name, head in attribute_heads(network):
        attribute = network.config.attribute(name)
        never = unseen(class_counts(table, attribute), attribute)
        head.set_unseen([code for code in never if name not in before or code in before[name].unseen])
