"""Where live pictures are shown."""

from __future__ import annotations

import os
import sys
from typing import Protocol

import cv2
import numpy as np

from landmarks.errors import LandmarksError

QUIT, SAVE = "q", "s"
"""Keys: the end (also Escape, or the window is closed), and keep the picture."""
ESCAPE = 27
CURE = "give --no-window, and --record FILE.mp4 to see it later"


class Screen(Protocol):
    """Shows one picture after the other."""

    def show(self, picture: np.ndarray) -> str:
        """Show (H, W, 3) uint8 RGB. The key that was pressed since the last one; empty for none."""

    def close(self) -> None: ...


class NoScreen:
    """Shows nothing. A Screen."""

    def show(self, picture: np.ndarray) -> str:
        return ""

    def close(self) -> None:
        pass


class Window:
    """A window of the desktop. A Screen. Raises LandmarksError where there is none."""

    def __init__(self, title: str) -> None:
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise LandmarksError(f"there is no window system here; {CURE}")  # OpenCV would abort the process.
        self.title = title
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as error:
            raise LandmarksError(f"this OpenCV opens no windows ({error.err}); {CURE}") from error

    def show(self, picture: np.ndarray) -> str:
        cv2.imshow(self.title, np.ascontiguousarray(picture[..., ::-1]))
        code = cv2.waitKey(1) & 0xFF
        if code == ESCAPE or cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1:
            return QUIT
        return "" if code == 0xFF else chr(code)

    def close(self) -> None:
        cv2.destroyAllWindows()
