"""What the package tells of its work through the standard `logging`: the logger `landmarks`, silent unless asked.

Failed images and lost workers are warnings, starts and ends of runs are information, each task is a detail (debug).
"""

from __future__ import annotations

import logging

log = logging.getLogger("landmarks")
log.addHandler(logging.NullHandler())  # Else warnings would go to stderr in programs that have not set logging up.
