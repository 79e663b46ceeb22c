"""Code of one's own, named as `module:Class` in a config, a grid or a weights file.

The module must be where Python finds it: installed, or in a folder of PYTHONPATH. Modules of Python's own are refused:
a weights file from anywhere must not have them run.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import TypeVar

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
T = TypeVar("T")


class CodeMissing(ValueError):
    """Code of one's own that cannot be had; the text names it and says what to do."""


def is_dotted(name: str) -> bool:
    """Whether a name is one of code: `module:Class`, `package.module:Class`."""
    return _DOTTED.fullmatch(name) is not None


def imported(name: str, kind: type[T]) -> type[T]:
    """The class of a dotted name. kind: what it must be a subclass of. Raises CodeMissing."""
    module, _, inner = name.partition(":")
    if module.partition(".")[0] in sys.stdlib_module_names - {"__main__"}:
        raise CodeMissing(f"{name}: is a module of Python's own; name the module that you wrote")
    try:
        found = getattr(import_module(module), inner)
    except ModuleNotFoundError as error:
        raise CodeMissing(
            f"{name}: there is no module {error.name!r}; install it, or put the folder that it is in on PYTHONPATH"
        ) from error
    except AttributeError as error:
        raise CodeMissing(f"{name}: {module} has no {inner!r}; is it spelt so there?") from error
    except Exception as error:  # Its code may fail in any way.
        raise CodeMissing(f"{name}: {module} cannot be imported ({type(error).__name__}: {error})") from error
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise CodeMissing(f"{name}: is no subclass of {kind.__module__.partition('.')[0]}'s {kind.__name__}")
    return found
