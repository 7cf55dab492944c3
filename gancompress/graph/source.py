"""Find the line of the user's code that is being run, or that failed."""

import linecache
import sys
import traceback
from pathlib import Path
from types import CodeType, FrameType, TracebackType

import torch

_OURS = str(Path(__file__).parent)
_TORCH = str(Path(torch.__file__).parent)

Place = tuple[str, int]


def _is_users(file: str) -> bool:
    return not file.startswith((_OURS, _TORCH, "<"))


def current_place(outermost: CodeType) -> Place | None:
    """Return file and line of the innermost running frame outside torch and this package.

    Args:
        outermost: Code of our own that runs the user's: what called that is not looked at.

    Returns:
        The place, or None where torch's containers call torch's layers.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to walk up
    while frame is not None and frame.f_code is not outermost:
        if _is_users(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None


def failed_place(trace: TracebackType | None) -> Place | None:
    """Return file and line of the innermost user's frame of a traceback, None without one.

    Args:
        trace: An exception's traceback.
    """
    places = [(f.f_code.co_filename, line) for f, line in traceback.walk_tb(trace)]
    return next((place for place in reversed(places) if _is_users(place[0])), None)


def describe_place(place: Place | None) -> str:
    """Write a place as ``net.py:41``, or nothing where there is none.

    Args:
        place: File and line.
    """
    return f"{Path(place[0]).name}:{place[1]}" if place else ""


def source_line(place: Place) -> str:
    """Return the text of a line without its indentation, empty where it cannot be read.

    Args:
        place: File and line.
    """
    return linecache.getline(*place).strip()
