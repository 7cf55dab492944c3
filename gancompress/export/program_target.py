"""torch.export's programs, and the packages that AOTInductor compiles them into."""

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gancompress.errors import ExportError
from gancompress.export.casting import in_precision
from gancompress.export.onnx_target import open_axes, two_of
from gancompress.export.target import PLAYERS, Dynamic, ExportTarget, Precision, Wanted


class ProgramTarget(ExportTarget):
    """A ``.pt2`` file of `torch.export`, which needs torch and nothing else.

    It executes code when it is loaded: it is loaded only with trust, or by its SHA-256.
    """

    name: str = "program"
    suffix: str = ".pt2"
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "bf16", "fp16")
    executes_code: ClassVar[bool] = True
    player: ClassVar[Path | None] = PLAYERS / "torch_program.py"

    def available(self, device: str = "cpu") -> str | None:
        """Ask torch for the device; see `ExportTarget.available`."""
        if device == "cpu" or (device.partition(":")[0] == "cuda" and torch.cuda.is_available()):
            return None
        return f"torch has no device '{device}' here"

    def write(
        self, model: nn.Module, path: Path, inputs: tuple[Tensor, ...], wanted: Wanted
    ) -> Mapping[str, Any]:
        """Write the file; see `ExportTarget.write`."""
        model = in_precision(model, wanted.precision)
        torch.export.save(exported(model, inputs, wanted.dynamic), path)
        return {}


class PackageTarget(ProgramTarget):
    """A ``.aoti.pt2`` package: machine code that AOTInductor compiled for this processor or GPU.

    Needs a C++ compiler to be written, and torch of the same version on a machine of the same kind
    to be run. The weights are channels-last; what that gains has not been measured. It executes
    code when it is loaded: it is loaded only with trust, or by its SHA-256.
    """

    name: str = "aoti"
    suffix: str = ".aoti.pt2"

    def available(self, device: str = "cpu") -> str | None:
        """Ask for a compiler too; see `ExportTarget.available`."""
        reason = super().available(device)
        if reason is not None or any(shutil.which(name) for name in ("g++", "clang++", "c++")):
            return reason
        return "AOTInductor finds no C++ compiler here"

    def write(
        self, model: nn.Module, path: Path, inputs: tuple[Tensor, ...], wanted: Wanted
    ) -> Mapping[str, Any]:
        """Compile and write the package; see `ExportTarget.write`."""
        model = in_precision(model, wanted.precision).to(wanted.device)
        model = model.to(memory_format=torch.channels_last)
        given = tuple(x.to(wanted.device) for x in inputs)
        program = exported(model, given, wanted.dynamic)
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the compiler's own parts
            # The compiler insists on how a package's name ends.
            package = Path(folder) / "package.pt2"
            torch._inductor.aoti_compile_and_package(  # noqa: SLF001 - its documented home
                program, package_path=str(package)
            )
            shutil.copyfile(package, path)
        return {"compiled": True}


def exported(model: nn.Module, inputs: tuple[Tensor, ...], dynamic: Dynamic) -> Any:
    """Give a network to `torch.export`.

    Args:
        model: In eval mode, where the inputs are.
        inputs: Positional inputs.
        dynamic: Sizes that stay open.

    Raises:
        ExportError: If an operator cannot be exported.
        Exception: What torch raises else.
    """
    examples = tuple(two_of(x) for x in inputs)
    shapes: Any = tuple(open_axes(x, dynamic) for x in examples)
    if not isinstance(model, torch.fx.GraphModule) and type(model).__name__ == "Cast":
        shapes = (shapes,)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            return torch.export.export(model, examples, dynamic_shapes=shapes)
        except torch._dynamo.exc.Unsupported as error:  # noqa: SLF001 - its documented home
            text = str(error).strip().splitlines()[0]
            raise ExportError(
                f"torch.export takes an operator for impossible: {text}",
                hint="write the generator with other operators, or choose another target",
            ) from error
