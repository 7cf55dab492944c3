"""What an export target is."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Literal, TypeAlias

from torch import Tensor, nn

# Which sizes of the inputs the file leaves open: batch, height and width; or the batch alone.
Dynamic: TypeAlias = Literal["full", "batch"]


class ExportTarget(ABC):
    """Writes a network in a format that runs without this package, and runs what it wrote.

    Attributes:
        name: What `export` and the command line call it.
        suffix: How the file's name ends; by default a dot and the name.
    """

    name: str
    suffix: str = ""

    def file_name(self, stem: str) -> str:
        """Return the name of a file in this format.

        Args:
            stem: What stands before the ending.
        """
        return f"{stem}{self.suffix or f'.{self.name}'}"

    def companions(self, path: Path) -> tuple[Path, ...]:
        """Name the files that `export` writes beside its own; by default none.

        Args:
            path: The file itself.
        """
        del path
        return ()

    def check(self) -> None:  # noqa: B027 - not every format needs a library
        """Find out whether the format can be written here; called before hours of training.

        Raises:
            MissingExtraError: If the format's library is not installed. By default nothing is
                looked at.
        """

    @abstractmethod
    def export(
        self, model: nn.Module, path: Path, example_inputs: tuple[Tensor, ...], dynamic: Dynamic
    ) -> Path:
        """Write the file.

        Args:
            model: In eval mode, on the CPU.
            path: Where to write; the folder exists.
            example_inputs: Positional inputs of the network.
            dynamic: Sizes that the file has to leave open.

        Returns:
            The file that was written.

        Raises:
            MissingExtraError: If the format's library is not installed.
            Exception: If the network cannot be written like this; the caller tries another way.
        """

    @abstractmethod
    def run(self, path: Path, inputs: tuple[Tensor, ...], device: str) -> tuple[Tensor, ...]:
        """Run the file with the format's own runtime.

        Args:
            path: What `export` wrote.
            inputs: Positional inputs.
            device: Such as ``cpu``.

        Returns:
            Outputs on the CPU, in the order of the network's.

        Raises:
            ExportError: If the runtime has no such device.
            Exception: If the file does not take these inputs.
        """
