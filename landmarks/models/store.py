"""Weights in one safetensors file that carries all that is needed to run them. No pickle anywhere."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from landmarks.atomic import replacing
from landmarks.config import build
from landmarks.dotted import CodeMissing
from landmarks.errors import LandmarksError, WeightsError
from landmarks.models.calibration import Calibration
from landmarks.models.config import NetworkConfig
from landmarks.models.files import KEY, read_verified, resolve
from landmarks.models.network import Network

FORMAT = 2
STARTED, CARRIED = "started_from", "calibration"
"""Keys of `about`: what a training started from, and in it the constants that `carried` gives."""


@dataclass(frozen=True)
class Model:
    """A network and what its file says about it."""

    network: Network
    calibration: Calibration = field(default_factory=Calibration)
    """Without constants where the network was never calibrated."""
    about: dict[str, Any] = field(default_factory=dict)
    """Free facts: name, version, training data and its terms, settings, figures."""
    sha256: str = ""
    earlier: Calibration = field(default_factory=Calibration)
    """What a calibration begins from: its constants; where it was never calibrated, those that `carried` gives."""


def carried(start: Model, config: NetworkConfig) -> Calibration:
    """The constants of the weights that a training starts from, as far as the network that comes of it has the tasks.

    They are none of that network's own, which is another one by then."""
    known, before = start.earlier, start.network.config
    same = bool(config.schemes) and config.schemes[:1] == before.schemes[:1]
    return Calibration(
        {name: curve for name, curve in known.errors.items() if name in config.schemes},
        known.quality if same else None,
        {name: curve for name, curve in known.attributes.items() if name in config.attributes},
        {name: limits for name, limits in known.limits.items() if name in config.attributes},
    )


def save_model(
    network: Network, path: str | Path, about: dict[str, Any] | None = None, calibration: Calibration | None = None
) -> None:
    """Write a network, its facts and its calibration; whole or not at all.

    Matrices and kernels are kept in half precision: half the file, and points that differ by hundredths of a pixel.
    """
    path = Path(path)
    header = {
        "format": FORMAT,
        "config": network.config.as_dict(),
        "calibration": (calibration or Calibration()).as_dict(),
        "about": about or {},
    }
    tensors = {name: stored(tensor) for name, tensor in network.state_dict().items()}
    with replacing(path) as partial:
        save_file(tensors, partial, metadata=metadata(header))
        partial.chmod(0o644)  # safetensors makes files that only their owner may read


def metadata(header: dict[str, Any]) -> dict[str, str]:
    """A header as a safetensors file holds it."""
    return {KEY: json.dumps(header)}


def stored(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor as weights files keep it: matrices and kernels in half precision."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.ndim > 1 else tensor


def load_model(name: str | Path) -> Model:
    """Load shipped weights by name (`compact`) or a weights file by path. The network is in evaluation mode.

    Raises WeightsError if there is no such file, if a shipped file does not have its published checksum, or if the
    file is not a whole and consistent weights file of this package.
    """
    path = resolve(name)
    _, sha256 = read_verified(path)
    header, tensors = parse(path)
    if "kind" in header:
        raise WeightsError(f"{path}: holds a {header['kind']}, a face detector, where a landmark network is wanted")
    try:
        config = build(NetworkConfig, header["config"], "config")
        calibration, about = Calibration.from_dict(header["calibration"]), header.get("about", {})
        earlier = calibration
        if not calibration.errors and not calibration.attributes and STARTED in about and CARRIED in about[STARTED]:
            earlier = Calibration.from_dict(about[STARTED][CARRIED])
        network = Network(config)
        network.load_state_dict({key: value.float() for key, value in tensors.items()})
    except CodeMissing as error:
        raise WeightsError(f"{path}: its network needs code that is not here: {error}") from error
    except (LandmarksError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path}: the weights do not fit the network that they describe ({reason})") from error
    return Model(network.eval(), calibration, about, sha256, earlier)


def parse(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Header and tensors of a weights file. Raises WeightsError if it is not a whole one of this package."""
    cure = "train weights with `landmarks train` or use a shipped name"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(metadata[KEY])
        version = header["format"]
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error}); {cure}") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: a safetensors file, but not of this package; {cure}") from error
    if version != FORMAT:
        raise WeightsError(
            f"{path}: written in format {version}, this version reads {FORMAT}; install a fitting version"
        )
    return header, tensors
