"""What an export target is."""

import runpy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from torch import Tensor, nn

from gancompress.errors import MissingExtraError

# Which sizes of the inputs the file leaves open: batch, height and width; or the batch alone.
Dynamic: TypeAlias = Literal["full", "batch"]
Precision: TypeAlias = Literal["fp32", "bf16", "fp16", "int8"]
Runner: TypeAlias = Callable[[Sequence[Any]], list[Any]]
"""Takes the inputs as numpy arrays in their order, and gives the outputs as such."""


@dataclass(frozen=True)
class Wanted:
    """How a file has to be written.

    Args:
        dynamic: Sizes that it has to leave open.
        precision: What it computes in; its inputs and outputs stay as the network's.
        device: Where it will run.
        calibration: Real inputs, a tuple for each call, whose ranges ``int8`` is fitted to.
        kept: Paths of layers that ``int8`` leaves in float32.
    """

    dynamic: Dynamic = "full"
    precision: Precision = "fp32"
    device: str = "cpu"
    calibration: Sequence[tuple[Tensor, ...]] = ()
    kept: tuple[str, ...] = ()


class ExportTarget(ABC):
    """Writes a network in a format that runs without this package, and runs what it wrote.

    Attributes:
        name: What `export` and the command line call it.
        suffix: How the file's name ends; by default a dot and the name.
        extra: The extra that installs its libraries.
        packages: Libraries that have to be installed.
        precisions: What the file can compute in.
        executes_code: Whether to load a file runs code that is in it; such a file is loaded only
            by those who trust it.
        cleans: Whether the graph is cleaned up before it is written.
        player: A script with a function ``load`` (see `gancompress.export.players`), which a fresh
            process runs; None where `load` is overridden.
    """

    name: str
    suffix: str = ""
    extra: ClassVar[str] = ""
    packages: ClassVar[tuple[str, ...]] = ()
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32",)
    executes_code: ClassVar[bool] = False
    cleans: ClassVar[bool] = True
    player: ClassVar[Path | None] = None

    def file_name(self, stem: str) -> str:
        """Return the name of a file in this format.

        Args:
            stem: What stands before the ending.
        """
        return f"{stem}{self.suffix or f'.{self.name}'}"

    def companions(self, path: Path) -> tuple[Path, ...]:
        """Name the files that `write` makes beside its own; by default none.

        Args:
            path: The file itself.
        """
        del path
        return ()

    def check(self) -> None:
        """Find out whether the format can be written here; called before hours of training.

        Raises:
            MissingExtraError: If one of `packages` is not installed.
        """
        for package in self.packages:
            require(package, self.extra)

    def available(self, device: str = "cpu") -> str | None:
        """Say why the format cannot be written and run here.

        Args:
            device: Where it would run.

        Returns:
            A sentence without its full stop; None where it can.
        """
        try:
            self.check()
        except MissingExtraError as error:
            return error.message
        return None if device == "cpu" else f"target '{self.name}' has no device '{device}' here"

    @abstractmethod
    def write(
        self, model: nn.Module, path: Path, inputs: tuple[Tensor, ...], wanted: Wanted
    ) -> Mapping[str, Any]:
        """Write the file.

        Args:
            model: In eval mode, on the CPU.
            path: Where to write; the folder exists.
            inputs: Positional inputs of the network.
            wanted: How.

        Returns:
            Settings that the file is run with; they stand in its card, and are plain JSON.

        Raises:
            MissingExtraError: If the format's library is not installed.
            Exception: If the network cannot be written like this; the caller tries another way.
        """

    def load(self, path: Path, device: str, settings: Mapping[str, Any]) -> Runner:
        """Open a file with the format's own runtime, in this process.

        Args:
            path: What `write` wrote.
            device: Such as ``cpu``.
            settings: What `write` returned.

        Returns:
            A function of the inputs.

        Raises:
            Exception: What the runtime raises if the file is not one of its own.
        """
        if self.player is None:
            raise NotImplementedError(f"'{type(self).__name__}' has neither a player nor 'load'")
        found: Runner = runpy.run_path(str(self.player))["load"](str(path), device, settings)
        return found


def require(package: str, extra: str) -> Any:
    """Import a library that is a part of an extra.

    Args:
        package: The module.
        extra: The extra that brings it.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return import_module(package)
    except ImportError:
        raise MissingExtraError(package, extra) from None


PLAYERS = Path(__file__).parent / "players"
