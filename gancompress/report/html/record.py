"""JSON of a run, read key by key: what is missing is None, what is of another kind is named."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gancompress.errors import RunError

HINT = "put it back from a copy, or remove it and do its stage again"


@dataclass(frozen=True)
class Record:
    """A JSON value and where it stands.

    Args:
        value: The value.
        place: The file, as the error names it.
        key: Dotted keys that lead to it.
    """

    value: Any
    place: str
    key: str = ""

    def at(self, *keys: str) -> "Record | None":
        """Follow keys.

        Args:
            keys: Of nested objects.

        Returns:
            What is there; None where a key is missing or its value is null.

        Raises:
            RunError: If there is something else than an object on the way.
        """
        found = self
        for name in keys:
            if not isinstance(found.value, dict):
                raise found.damaged("is no object")
            inner = found.value.get(name)
            if inner is None:
                return None
            found = Record(inner, self.place, f"{found.key}.{name}".lstrip("."))
        return found

    def number(self, *keys: str) -> float | None:
        """Return a number; None where it is missing or not finite.

        Args:
            keys: See `at`.

        Raises:
            RunError: If it is no number.
        """
        found = self.at(*keys)
        if found is None:
            return None
        if isinstance(found.value, bool) or not isinstance(found.value, int | float):
            raise found.damaged("is no number")
        return float(found.value) if math.isfinite(found.value) else None

    def count(self, *keys: str) -> int | None:
        """Return a whole number; None where it is missing.

        Args:
            keys: See `at`.

        Raises:
            RunError: If it is no number.
        """
        found = self.number(*keys)
        return None if found is None else round(found)

    def text(self, *keys: str) -> str | None:
        """Return a text; None where it is missing.

        Args:
            keys: See `at`.

        Raises:
            RunError: If it is no text.
        """
        found = self.at(*keys)
        if found is not None and not isinstance(found.value, str):
            raise found.damaged("is no text")
        return None if found is None else str(found.value)

    def items(self, *keys: str) -> Iterator["Record"]:
        """Go through a list; through nothing where it is missing.

        Args:
            keys: See `at`.

        Raises:
            RunError: If it is no list.
        """
        found = self.at(*keys)
        if found is None:
            return
        if not isinstance(found.value, list):
            raise found.damaged("is no list")
        for index, value in enumerate(found.value):
            yield Record(value, self.place, f"{found.key}.{index}".lstrip("."))

    def entries(self, *keys: str) -> Iterator[tuple[str, "Record"]]:
        """Go through an object; through nothing where it is missing.

        Args:
            keys: See `at`.

        Raises:
            RunError: If it is no object.
        """
        found = self.at(*keys)
        if found is None:
            return
        if not isinstance(found.value, dict):
            raise found.damaged("is no object")
        for name, value in found.value.items():
            yield name, Record(value, self.place, f"{found.key}.{name}".lstrip("."))

    def counts(self, *keys: str) -> dict[str, int]:
        """Return an object of whole numbers, such as widths by group.

        Args:
            keys: See `at`.

        Raises:
            RunError: If it is something else.
        """
        return {name: one.need_count() for name, one in self.entries(*keys)}

    def need_count(self, *keys: str) -> int:
        """Return a whole number that has to be there.

        Args:
            keys: See `at`.

        Raises:
            RunError: If it is missing or is no number.
        """
        found = self.count(*keys)
        if found is None:
            raise Record(None, self.place, ".".join([self.key, *keys]).strip(".")).damaged(
                "is no number"
            )
        return found

    def need_text(self, *keys: str) -> str:
        """Return a text that has to be there.

        Args:
            keys: See `at`.

        Raises:
            RunError: If it is missing or is no text.
        """
        found = self.text(*keys)
        if found is None:
            raise Record(None, self.place, ".".join([self.key, *keys]).strip(".")).damaged(
                "is no text"
            )
        return found

    def damaged(self, what: str) -> RunError:
        """Make the error that names the file and the key.

        Args:
            what: What is wrong with the value.
        """
        where = f"'{self.key}'" if self.key else "the whole"
        return RunError(f"'{self.place}' is damaged: {where} {what}", hint=HINT)
