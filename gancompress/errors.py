"""The error tree: everything that a user can set right is a `GancompressError`.

::

    GancompressError
    ├── ConfigError            an option, a TOML key or a value that cannot be used
    ├── RunError               a run directory of another configuration, in use, or damaged
    │   └── StorageError       a full disk or a file that cannot be written
    ├── CheckpointError        weights that are missing, damaged, unsafe or of another architecture
    ├── DataError              pictures or folders that cannot be read
    ├── TraceError             the generator's root cannot be traced
    ├── AnalysisError          the channel analysis was asked for something that is not there
    ├── SubnetError            widths that do not fit the supernet
    ├── BudgetError            no sub-generator can meet the budget
    ├── ExportError            an export target failed, or its output differs
    ├── TrainingError          losses that are not finite, or a loop that cannot go on
    ├── PluginError            a plugin is missing, broken or clashes with another
    └── MissingExtraError      an optional dependency is not installed

Every message is one lower-case sentence that names the thing in quotes; `hint` says the way out.
"""

from typing import Final


class GancompressError(Exception):
    """A mistake that the user can set right: one sentence, and a hint with the way out.

    Args:
        message: Lower-case sentence that names the thing in quotes.
        hint: What to do about it, or an empty string.
    """

    exit_code: Final = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class ConfigError(GancompressError):
    """An option, a TOML key or a value cannot be used."""


class RunError(GancompressError):
    """A run directory belongs to another configuration, is in use, or is damaged."""


class StorageError(RunError):
    """The disk is full, or a file cannot be written."""


class CheckpointError(GancompressError):
    """Weights are missing, truncated, unsafe to load, or of another architecture."""


class DataError(GancompressError):
    """Pictures or folders are missing, unreadable, or do not belong together."""


class TraceError(GancompressError):
    """The generator's root cannot be traced."""


class AnalysisError(GancompressError):
    """The channel analysis was asked for a module or a group that is not there."""


class SubnetError(GancompressError):
    """A subnet's widths do not fit the supernet."""


class BudgetError(GancompressError):
    """No sub-generator can meet the budget."""


class ExportError(GancompressError):
    """An export target failed, or what it wrote computes something else."""


class TrainingError(GancompressError):
    """A loss is not finite, or the training loop cannot go on."""


class PluginError(GancompressError):
    """A plugin is missing, broken, or clashes with another."""


class MissingExtraError(GancompressError):
    """An optional dependency is not installed.

    Args:
        package: The module that could not be imported.
        extra: The extra that brings it, such as ``onnx``.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"'{package}' is not installed",
            hint=f'install it with: python -m pip install "gancompress[{extra}]"',
        )
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[type["MissingExtraError"], tuple[str, str]]:
        # Between processes an exception travels with the arguments that it was made from.
        return type(self), (self.package, self.extra)
