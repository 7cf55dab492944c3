"""Label maps: which class each pixel has, read from data, and renamed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from gancompress.errors import ConfigError, DataError
from gancompress.gan.family import Batch

IGNORED: Final = -1


@dataclass(frozen=True)
class LabelMapping:
    """Ids of one numbering as classes of another; an id that is not listed is ignored.

    Args:
        classes: Classes by id.
        names: Names by class, where they are known.
    """

    classes: Mapping[int, int]
    names: Mapping[int, str]

    def apply(self, labels: Tensor) -> Tensor:
        """Return label maps in the other numbering.

        Args:
            labels: Ids, of any shape.

        Returns:
            Classes of the same shape, -1 where the id is not listed.
        """
        result = torch.full_like(labels, IGNORED)
        for number, other in self.classes.items():
            result[labels == number] = other
        return result


def read_mapping(given: str | Mapping[str, int], name: str) -> LabelMapping:
    """Read a mapping of labels.

    Args:
        given: Classes by id; or as text ``7:0,8:1``; or the path of a file: a JSON object, or a
            line ``id class name`` for each id, the name being optional and ``#`` a comment.
        name: What to call it in an error.

    Raises:
        ConfigError: If it is none of these, or lists nothing.
    """
    rows: Sequence[tuple[Any, ...]]
    if not isinstance(given, str):
        rows = list(given.items())
    elif ":" in given and not Path(given).expanduser().is_file():
        rows = [tuple(part.split(":", 1)) for part in given.split(",")]
    else:
        rows = _rows(Path(given).expanduser(), name)
    try:
        classes = {int(row[0]): int(row[1]) for row in rows}
    except (ValueError, IndexError, TypeError):
        raise ConfigError(
            f"'{name}' holds what is no 'id class'", hint="for example 7:0,8:1, or a file of lines"
        ) from None
    if not classes or min(classes.values()) < 0:
        raise ConfigError(
            f"'{name}' must list ids with classes from 0 on", hint="leave ids out to ignore them"
        )
    return LabelMapping(classes, {int(row[1]): str(row[2]) for row in rows if len(row) > 2})


def truth_of(batch: Batch, place: str) -> Tensor:
    """Read the label maps that a batch's pictures are drawn from.

    Args:
        batch: The batch.
        place: ``input`` for the generator's first input, or ``extras.NAME``.

    Returns:
        Ids ``(N, H, W)``, int64.

    Raises:
        DataError: If there are no label maps.
    """
    if place == "input":
        return _ids(batch.inputs[0], "input")
    name = place.removeprefix("extras.")
    if name not in batch.extras:
        known = ", ".join(batch.extras) or "none"
        raise DataError(
            f"the data have no '{place}' to read label maps from",
            hint=f"give input, targets, or extras. and one of: {known}",
        )
    return _ids(batch.extras[name], place)


def _ids(labels: Tensor, place: str) -> Tensor:
    if labels.ndim == 3:
        labels = labels[:, None]
    whole = bool((labels == labels.round()).all())
    if labels.ndim == 4 and labels.shape[1] == 1 and whole and bool((labels >= IGNORED).all()):
        return labels[:, 0].long()
    # An edge map, as some families have it, stands after the one-hot code.
    for code in (labels, labels[:, :-1]) if labels.ndim == 4 and labels.shape[1] > 2 else ():
        if bool(((code == 0) | (code == 1)).all()) and bool((code.sum(dim=1) == 1).all()):
            return code.argmax(dim=1)
    raise DataError(
        f"'{place}' of shape {tuple(labels.shape)} holds no label maps: neither whole ids nor a "
        "one-hot code",
        hint="compare with the segmenter's reading of the real pictures: truth = targets",
    )


def _rows(path: Path, name: str) -> Sequence[tuple[Any, ...]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(
            f"the file '{path}' of '{name}' cannot be read: {reason}",
            hint="give a JSON file, a file of lines 'id class name', or 7:0,8:1",
        ) from None
    if text.lstrip().startswith("{"):
        try:
            return list(json.loads(text).items())
        except ValueError as error:
            raise ConfigError(
                f"the file '{path}' of '{name}' is no JSON: {error}", hint='write {"7": 0, "8": 1}'
            ) from None
    lines = [line.partition("#")[0].split(maxsplit=2) for line in text.splitlines()]
    return [tuple(part.strip() for part in line) for line in lines if line]
