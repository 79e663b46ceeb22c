"""Put the locator of one weights file into another: it reads other crops than the network and learns apart from it.

    python -m landmarks.training.surgery.add_locator compact.safetensors locator.safetensors both.safetensors

The result is not calibrated.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from landmarks.errors import WeightsError
from landmarks.models.network import Network
from landmarks.models.store import Model, load_model, save_model


def add_locator(model: Model, donor: Model) -> Network:
    """The network of a model with the locator of a donor. Raises WeightsError if the donor has none."""
    if donor.network.locator is None:
        raise WeightsError("the second file has no locator to give; train one with `locator_size` in its config")
    if donor.network.config.crop_scale != model.network.config.crop_scale:
        raise WeightsError("the two networks have different crop scales; the locator would meet other squares")
    config = dataclasses.replace(model.network.config, locator_size=donor.network.config.locator_size)
    network = Network(config)
    own = {name: value for name, value in model.network.state_dict().items() if not name.startswith("locator.")}
    given = {f"locator.{name}": value for name, value in donor.network.locator.state_dict().items()}
    network.load_state_dict(own | given)
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description="Put the locator of one weights file into another.")
    parser.add_argument("weights", type=Path)
    parser.add_argument("donor", type=Path, help="weights file whose locator is taken")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    model, donor = load_model(arguments.weights), load_model(arguments.donor)
    about = {**model.about, "locator_trained_on": donor.about.get("trained_on", [])}
    save_model(add_locator(model, donor), arguments.out, about)


if __name__ == "__main__":
    main()
