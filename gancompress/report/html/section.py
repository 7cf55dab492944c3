"""A part of the report: its content, or that it is not done yet, or which file is damaged."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gancompress.errors import GancompressError


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        key: Name of its template, and its anchor.
        title: Its heading.
        content: What the template shows; None where there is nothing yet.
        todo: The command that makes it.
        problem: Which file is damaged, and the way out; empty where none is.
    """

    key: str
    title: str
    content: Any = None
    todo: str = ""
    problem: str = ""

    @classmethod
    def read(cls, key: str, title: str, todo: str, content: Callable[[], Any]) -> "Section":
        """Make a section, whatever state its files are in.

        Args:
            key: See `Section`.
            title: See `Section`.
            todo: See `Section`.
            content: Reads it; None where there is nothing yet.
        """
        try:
            return cls(key, title, content() or None, todo)
        except GancompressError as error:
            hint = f"; {error.hint}" if error.hint else ""
            return cls(key, title, None, todo, f"{error.message}{hint}")
