"""What the process that all workers come from imports last: what each would import or make by itself."""

from __future__ import annotations

import landmarks.batch.engines.worker  # noqa: F401
from landmarks.config import adapter
from landmarks.models.config import NetworkConfig

adapter(NetworkConfig)  # With pydantic, which checks the header of a network's file.
