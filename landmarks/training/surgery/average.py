"""The mean of two networks' weights: `python -m landmarks.training.surgery.average ONE OTHER --share 0.5 --out FILE`

For a network and what it became by learning on: between them lies one that keeps most of what the first could do and
learnt most of what the second can (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022, section 3).
The result is not calibrated.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from landmarks.errors import WeightsError
from landmarks.models.network import Network
from landmarks.models.store import Model, load_model, save_model


def average(one: Model, other: Model, share: float) -> Network:
    """Every weight `1 - share` times that of one and `share` times that of the other. Raises WeightsError for networks
    that are not alike, ValueError for a share outside 0 to 1."""
    if not 0 <= share <= 1:
        raise ValueError(f"the share must be from 0 to 1, not {share}")
    if one.network.config != other.network.config:
        raise WeightsError("the two networks are not alike; only one and what it became can be averaged")
    network, others = Network(other.network.config), other.network.state_dict()
    network.load_state_dict(
        {
            name: ((1 - share) * value.float() + share * others[name].float()).to(value.dtype)
            if value.is_floating_point()
            else others[name]
            for name, value in one.network.state_dict().items()
        }
    )
    return network.eval()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The mean of two networks' weights.")
    parser.add_argument("one", help="weights: a shipped name or a file")
    parser.add_argument("other", help="what one became by learning on")
    parser.add_argument("--share", type=float, default=0.5, help="how much of the other")
    parser.add_argument("--out", type=Path, required=True, help="write the weights to this file")
    given = parser.parse_args(arguments)
    one, other = load_model(given.one), load_model(given.other)
    about = {**other.about, "averaged_with": {"sha256": one.sha256, "share": given.share}}
    save_model(average(one, other, given.share), given.out, about)
    print(given.out)


if __name__ == "__main__":
    main()
