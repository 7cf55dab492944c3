"""The card of an exported file: what it is, where it comes from, how it is run, how good it is."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from gancompress.errors import CheckpointError, RunError
from gancompress.export.model import CompressedModel
from gancompress.export.target import ExportTarget, Wanted
from gancompress.store import read_json

FORMAT: Final = "gancompress.artefact"
VERSION: Final = 1
_PICTURE: Final = {"layout": "NCHW", "range": [-1.0, 1.0], "from_bytes": "x / 127.5 - 1"}


def card_path(file: Path) -> Path:
    """Return where the card of a file lies.

    Args:
        file: The exported file.
    """
    return file.with_name(f"{file.name}.json")


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def model_facts(model: CompressedModel | nn.Module) -> dict[str, Any]:
    """Return what is known about the network.

    Args:
        model: The network.

    Returns:
        ``provenance`` (the model's card), ``widths`` and ``cost``, where they are known.
    """
    if not isinstance(model, CompressedModel):
        return {"provenance": {}, "widths": {}, "cost": None}
    known = {key: value for key, value in model.card.items() if key != "inputs"}
    return {"provenance": known, "widths": dict(model.config.widths), "cost": asdict(model.cost)}


def input_facts(names: Sequence[str], inputs: Sequence[Tensor]) -> list[dict[str, Any]]:
    """Describe inputs: name, shape of one call, type, and the range of floating-point ones.

    Args:
        names: Names of the network's arguments.
        inputs: The inputs that it was compared on.
    """
    facts = []
    for name, x in zip(names, inputs, strict=True):
        fact = {"name": name, "shape": list(x.shape), "dtype": str(x.dtype).removeprefix("torch.")}
        if x.is_floating_point() and x.numel():
            # Pictures are in [-1, 1] whatever those at hand use of it; other inputs say theirs.
            low, high = float(x.min()), float(x.max())
            fact["range"] = [min(low, -1.0), max(high, 1.0)]
        facts.append(fact)
    return facts


def versions(target: ExportTarget) -> dict[str, str]:
    """Return the versions of what wrote the file."""
    found = {"python": platform.python_version()}
    for name in ("gancompress", "torch", *target.packages):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def make_card(
    target: ExportTarget,
    wanted: Wanted,
    settings: Mapping[str, Any],
    files: Mapping[str, str],
    **facts: Any,
) -> dict[str, Any]:
    """Put a card together.

    Args:
        target: The format.
        wanted: How the file was written.
        settings: What the target's `write` returned.
        files: SHA-256 by name, the file itself first.
        facts: Everything else: provenance, widths, cost, inputs, proof, notes.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "target": target.name,
        "precision": wanted.precision,
        "kept_in_fp32": list(wanted.kept),
        "dynamic": wanted.dynamic,
        "device": wanted.device,
        "settings": dict(settings),
        "pictures": _PICTURE,
        "files": dict(files),
        "versions": versions(target),
        **facts,
    }


def read_card(file: Path) -> dict[str, Any] | None:
    """Read the card of a file and make sure that the file is the one that it was written for.

    Args:
        file: The exported file.

    Returns:
        The card; None where there is none.

    Raises:
        CheckpointError: If the card is damaged, a file is missing, or one was changed.
    """
    place = card_path(file)
    if not place.is_file():
        return None
    try:
        card = read_json(place)
        files = dict(card["files"])
    except (RunError, KeyError, TypeError, ValueError):
        raise CheckpointError(f"'{place}' is no card of an export", hint="export again") from None
    if card.get("format") != FORMAT or card.get("version") != VERSION:
        raise CheckpointError(f"'{place}' is no card that this version reads", hint="export again")
    for name, digest in files.items():
        part = file.with_name(Path(name).name)
        if not part.is_file():
            raise CheckpointError(f"'{part}' is missing", hint="copy it from where it was exported")
        if digest_of(part) != digest:
            raise CheckpointError(
                f"'{part}' is not the file that its card was written for: it was changed",
                hint="do not run it; export again",
            )
    return dict(card)
