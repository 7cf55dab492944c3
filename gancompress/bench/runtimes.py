"""What runs a generator: PyTorch as it is or compiled, and the runtime of each export target."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from gancompress.errors import ConfigError, ExportError, GancompressError, MissingExtraError
from gancompress.export import ExportTarget, PackageTarget, Precision, TorchTarget, check_target


@dataclass(frozen=True)
class Runtime:
    """A runtime, and what it computes in.

    Args:
        name: ``eager``, ``compiled``, or the name of an export target.
        precision: Such as ``fp32``.
    """

    name: str
    precision: Precision = "fp32"

    def __str__(self) -> str:
        return self.name if self.precision == "fp32" else f"{self.name} {self.precision}"


EAGER: Final = Runtime("eager")
COMPILED: Final = Runtime("compiled")


def check_runtime(runtime: Runtime, targets: Iterable[ExportTarget]) -> None:
    """Refuse a runtime that this machine does not have, before any work.

    Args:
        runtime: The runtime.
        targets: All export targets.

    Raises:
        ConfigError: If there is no such runtime.
        ExportError: If it has no such precision, or does not run here.
        MissingExtraError: If its library is not installed.
    """
    known = {target.name: target for target in targets}
    if runtime.name in {EAGER.name, COMPILED.name}:
        if runtime.precision != "fp32":
            raise ExportError(
                f"'{runtime.name}' has no precision '{runtime.precision}'", hint="it has fp32"
            )
        reason = PackageTarget().available() if runtime == COMPILED else None
        if reason is not None:
            raise ExportError("torch.compile finds no C++ compiler here", hint="install g++")
    elif runtime.name in known:
        check_target(known[runtime.name], "cpu", runtime.precision)
    else:
        raise ConfigError(
            f"'{runtime.name}' is no runtime",
            hint=f"choose of {', '.join([EAGER.name, COMPILED.name, *known])}",
        )


def named_runtimes(names: Sequence[str], targets: Sequence[ExportTarget]) -> list[Runtime]:
    """Read names such as ``eager`` and ``openvino:int8``.

    Args:
        names: A runtime each, with a colon and the precision where that is not ``fp32``.
        targets: All export targets.

    Raises:
        ConfigError: If there is no such runtime.
        ExportError: See `check_runtime`.
        MissingExtraError: See `check_runtime`.
    """
    found = []
    for text in names:
        name, _, precision = text.partition(":")
        # As a search calls it, too: a module of torch's layers is run by torch.
        name = EAGER.name if name == TorchTarget.name else name
        runtime = Runtime(name, cast("Precision", precision or "fp32"))
        check_runtime(runtime, targets)
        found.append(runtime)
    return list(dict.fromkeys(found))


def runtimes_here(targets: Sequence[ExportTarget]) -> tuple[list[Runtime], list[str]]:
    """List what this machine and its installed extras have.

    Args:
        targets: All export targets.

    Returns:
        The runtimes, PyTorch's first, and a line for each that is missing, with what installs it.
    """
    wanted = [EAGER, COMPILED]
    for target in targets:
        if target.name != TorchTarget.name:  # which is eager
            wanted += [Runtime(target.name, precision) for precision in target.precisions]
    here, missing = [], {}
    for runtime in wanted:
        try:
            check_runtime(runtime, targets)
        except GancompressError as error:
            hint = f"; {error.hint}" if isinstance(error, MissingExtraError) else ""
            missing[runtime.name] = f"{runtime.name}: {error.message}{hint}"
        else:
            here.append(runtime)
    return here, list(missing.values())
