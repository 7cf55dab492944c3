"""A compressed generator as a value, and on the disk."""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from torch import Tensor, fx, nn

from gancompress.cost import Cost, measure_cost
from gancompress.elastic import SubnetConfig, Supernet
from gancompress.errors import CheckpointError, ExportError, RunError
from gancompress.export.graph import build_graph, describe_graph, spelt_out, state_of
from gancompress.store import read_json, write_atomic, write_json
from gancompress.store.weights import decode_tensors, encode_tensors

_MODEL: Final = "model.json"
_WEIGHTS: Final = "weights.safetensors"
_FORMAT: Final = "gancompress.model"
_VERSION: Final = 1


class Scored(Protocol):
    """A subnet whose cost is known, such as a `Trial`."""

    @property
    def config(self) -> SubnetConfig:
        """Widths."""
        ...

    @property
    def cost(self) -> Cost:
        """What it takes."""
        ...


@dataclass(frozen=True, eq=False)
class CompressedModel:
    """A generator of plain torch layers, with what is known about it.

    A saved one is a folder of two files, neither of which is a pickle::

        model.json             graph, layers, widths, cost, card, SHA-256 of the weights
        weights.safetensors    tensors

    Args:
        module: The network.
        config: Widths of the subnet that it was.
        cost: What it takes.
        card: Anything that JSON can hold: data set, metrics, licence. ``card["inputs"]`` holds
            shape and type of every example input, where all are tensors.
    """

    module: nn.Module
    config: SubnetConfig
    cost: Cost
    card: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_supernet(
        cls,
        supernet: Supernet,
        subnet: Scored | SubnetConfig,
        *,
        card: Mapping[str, Any] | None = None,
    ) -> "CompressedModel":
        """Cut a subnet out of a supernet.

        Args:
            supernet: Not changed.
            subnet: A trial, whose cost is taken over, or widths, whose cost is measured.
            card: What else is known.

        Returns:
            The model, in eval mode; layers of your own are spelt out in torch's operators.

        Raises:
            SubnetError: If the widths do not fit.
        """
        inputs, kwargs = supernet.traced.example_inputs, supernet.traced.example_kwargs
        config = subnet if isinstance(subnet, SubnetConfig) else subnet.config
        module = spelt_out(supernet.materialise(config).eval(), inputs, kwargs)
        cost = (
            measure_cost(module, inputs, kwargs)
            if isinstance(subnet, SubnetConfig)
            else subnet.cost
        )
        plain = not kwargs and all(isinstance(x, Tensor) for x in inputs)
        known = {"inputs": [_spec(x) for x in inputs]} if plain else {}
        return cls(module=module, config=config, cost=cost, card={**known, **(card or {})})

    def save(self, folder: Path | str) -> Path:
        """Write the model, so that `load` gives the same network.

        Args:
            folder: Made where it does not exist.

        Returns:
            The folder.

        Raises:
            ExportError: If the network holds what a file cannot describe.
            StorageError: If the disk is full or the folder cannot be written.
        """
        folder = Path(folder)
        if not isinstance(self.module, fx.GraphModule):
            raise ExportError(
                f"a '{type(self.module).__name__}' is no traced graph",
                hint="take the module of a trace or of Supernet.materialise",
            )
        described = describe_graph(self.module)
        state = state_of(self.module, described)
        _check_it_comes_back(described, state)
        weights = encode_tensors(state)
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "config": dict(self.config.widths),
            "cost": asdict(self.cost),
            "card": dict(self.card),
            "weights": {"file": _WEIGHTS, "sha256": hashlib.sha256(weights).hexdigest()},
            "graph": described,
        }
        try:
            json.dumps(content, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ExportError(
                f"the card of the model cannot be saved: {error}",
                hint="a card holds text, finite numbers, lists and tables",
            ) from None
        write_atomic(folder / _WEIGHTS, weights)
        write_json(folder / _MODEL, content)
        return folder

    @classmethod
    def load(cls, folder: Path | str) -> "CompressedModel":
        """Read a model, and run nothing of what the file says but torch's own operators.

        Args:
            folder: What `save` wrote.

        Returns:
            The model, in eval mode, on the CPU.

        Raises:
            CheckpointError: If a file is missing or damaged, the weights are not the ones that
                were saved, or the graph names something that no model file may name.
        """
        folder = Path(folder)
        content = _read(folder / _MODEL)
        try:
            recorded = content["weights"]["sha256"]
            config = SubnetConfig(content["config"])
            cost = Cost(**content["cost"])
            card = dict(content["card"])
            described = content["graph"]
        except Exception as error:  # noqa: BLE001 - a damaged file can be anything
            raise _damaged(folder / _MODEL, error) from None
        state = _read_weights(folder / _WEIGHTS, recorded)
        try:
            module = build_graph(described, state)
        except Exception as error:  # noqa: BLE001 - so can a graph that somebody has made up
            raise _damaged(folder / _MODEL, error) from None
        return cls(module=module, config=config, cost=cost, card=card)


def _spec(x: Tensor) -> dict[str, Any]:
    return {"shape": list(x.shape), "dtype": str(x.dtype).removeprefix("torch.")}


def _check_it_comes_back(described: Any, state: Mapping[str, Tensor]) -> None:
    try:
        # What goes through JSON must be enough to build the network again.
        build_graph(json.loads(json.dumps(described)), copy.copy(state))
    except Exception as error:
        raise ExportError(
            f"the network would not come back from its file: {error}",
            hint="report the generator that does this",
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except RunError as error:
        raise CheckpointError(
            error.message, hint="give a folder that CompressedModel.save wrote"
        ) from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise CheckpointError(
            f"'{path}' describes no compressed model",
            hint="give a folder that CompressedModel.save wrote",
        )
    if content.get("version") != _VERSION:
        raise CheckpointError(
            f"'{path}' is of version '{content.get('version')}', this package reads {_VERSION}",
            hint="update gancompress",
        )
    return content


def _read_weights(path: Path, recorded: Any) -> dict[str, Tensor]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"'{path}' cannot be read: {error.strerror}", hint="copy the whole folder again"
        ) from None
    if hashlib.sha256(data).hexdigest() != recorded:
        raise CheckpointError(
            f"'{path}' holds other weights than '{_MODEL}' was written with",
            hint="copy the whole folder again; never mix two models",
        )
    return decode_tensors(data, source=path)


def _damaged(path: Path, error: Exception) -> CheckpointError:
    text = str(error).splitlines() or [type(error).__name__]
    return CheckpointError(
        f"'{path}' is damaged or unsafe: {text[0]}",
        hint="do not use it; export the model again from its run directory",
    )
