"""The plugin host: finds plugins, keeps broken ones apart, and asks the others."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from gancompress.errors import GancompressError, PluginError
from gancompress.hookspecs import PROJECT, HookSpecs
from gancompress.plugins import core
from gancompress.plugins.checking import read_hooks
from gancompress.plugins.info import BrokenPlugin, PluginInfo, describe, log_broken, same_name
from gancompress.plugins.loading import load_file
from gancompress.plugins.results import ResolvedGenerator, by_name, read_generator, read_values

if TYPE_CHECKING:
    from gancompress.distill import DistillLoss
    from gancompress.events import RunEvent
    from gancompress.export import ExportTarget
    from gancompress.gan import AnyFamily
    from gancompress.graph import OpRule
    from gancompress.metrics import Metric
    from gancompress.passes import GraphPass

Report = Callable[[BrokenPlugin], None]


class PluginHost:
    """Plugins, and what they offer.

    A host is a value of its own: nothing is registered globally, and two hosts do not share
    plugins. Constructed, it knows only the core; `discover` adds what is installed.

    Args:
        report: Called once for everything that is left out.
    """

    def __init__(self, *, report: Report = log_broken) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(HookSpecs)
        self._infos: dict[str, PluginInfo] = {}
        self._broken: list[BrokenPlugin] = []
        self._dropped: set[tuple[str, str]] = set()
        self._report = report
        self._found: tuple[tuple[Path, ...], tuple[str, ...], int] | None = None
        # pluggy asks the last one that was registered first, so the core answers after plugins.
        self.register(core, PluginInfo("core", "gancompress", _own_version()))

    @classmethod
    def discover(
        cls,
        paths: Iterable[Path | str] = (),
        blocked: Iterable[str] = (),
        *,
        report: Report = log_broken,
    ) -> "PluginHost":
        """Load every installed plugin, and files that are not installed.

        Args:
            paths: Python files with hooks (``--plugin``).
            blocked: Names of plugins or distributions to leave out (``--no-plugin``).
            report: Called once for everything that is left out because it is broken.

        Returns:
            A host; plugins that failed are in `broken`.

        Raises:
            PluginError: If a file does not exist, or a blocked name is unknown.
        """
        host = cls(report=report)
        found = [_entry(point) for point in metadata.entry_points(group=PROJECT)]
        files, unwanted = tuple(map(Path, paths)), tuple(blocked)
        found += map(_file, files)
        _refuse_unknown(unwanted, [info for info, _ in found])
        for info, load in found:
            if not any(_names(info, name) for name in unwanted):
                host._load(info, load)
        host._found = (files, unwanted, len(host._infos))
        return host

    @property
    def broken(self) -> tuple[BrokenPlugin, ...]:
        """What was left out so far, and why."""
        return tuple(self._broken)

    @property
    def discovered(self) -> tuple[tuple[Path, ...], tuple[str, ...]] | None:
        """The files and the blocked names by which `discover` finds the same plugins again.

        None where there are plugins that were registered in another way.
        """
        if self._found is None or self._found[2] != len(self._infos):
            return None
        files, blocked, _ = self._found
        return tuple(path.resolve() for path in files), blocked

    def distributions(self) -> tuple[PluginInfo, ...]:
        """Return the plugins that work, the core first, with distributions and hooks."""
        return tuple(self._infos.values())

    def register(self, plugin: object, info: PluginInfo) -> bool:
        """Add a plugin, unless it is broken.

        Args:
            plugin: A module or another object with marked functions.
            info: Where it comes from; its hooks are filled in.

        Returns:
            Whether it works; otherwise the reason is in `broken`.
        """
        # Two distributions may use one entry-point name; pluggy wants unique ones.
        key = info.name if info.name not in self._infos else f"{info.distribution}:{info.name}"
        try:
            hash(plugin)  # pluggy keeps plugins in sets, and one that does not fit breaks them all
            if self._manager.is_registered(plugin):
                raise ValueError("it is already registered")  # noqa: TRY301 - one place reports
            hooks = read_hooks(plugin, self._manager.parse_hookimpl_opts)
            self._manager.register(plugin, key)
        except (TypeError, ValueError, pluggy.PluginValidationError) as error:
            if key not in self._infos and self._manager.has_plugin(key):  # pragma: no cover
                # Older releases of pluggy leave a refused plugin half registered.
                self._manager.unregister(name=key)
            # pluggy's last line is the complaint; those before repeat what was registered.
            self._leave_out(info, (str(error).splitlines() or [describe(error)])[-1].strip())
            return False
        self._infos[key] = replace(info, hooks=hooks)
        return True

    def families(self) -> "dict[str, AnyFamily]":
        """Return the GAN families by name.

        Raises:
            PluginError: If two plugins offer one name.
        """
        return by_name("family", self._collect("gancompress_families"))

    def family(self, name: str) -> "AnyFamily":
        """Return one family.

        Args:
            name: Its name.

        Raises:
            PluginError: If no plugin offers it, or two do.
        """
        families = self.families()
        if name not in families:
            known = ", ".join(families) or "none"
            trouble = "".join(f"; {broken}" for broken in self._broken)
            raise PluginError(
                f"there is no family '{name}'", hint=f"known families: {known}{trouble}"
            )
        return families[name]

    def families_by_plugin(self) -> dict[str, tuple[str, ...]]:
        """Return the names of families by the name of the plugin that offers them."""
        offers: dict[str, tuple[str, ...]] = {}
        for info, family in self._collect("gancompress_families"):
            offers[info.name] = (*offers.get(info.name, ()), family.name)
        return offers

    def op_rules(self) -> "tuple[OpRule, ...]":
        """Return operator rules, those of plugins first."""
        return tuple(value for _, value in self._collect("gancompress_op_rules"))

    def passes(self) -> "tuple[GraphPass, ...]":
        """Return graph passes, those of plugins first."""
        return tuple(value for _, value in self._collect("gancompress_passes"))

    def distill_losses(self) -> "dict[str, DistillLoss]":
        """Return distillation losses by name.

        Raises:
            PluginError: If two plugins offer one name.
        """
        return by_name("loss", self._collect("gancompress_distill_losses"))

    def metrics(self) -> "dict[str, Metric]":
        """Return metrics by name.

        Raises:
            PluginError: If two plugins offer one name.
        """
        return by_name("metric", self._collect("gancompress_metrics"))

    def export_targets(self) -> "dict[str, ExportTarget]":
        """Return export targets by name.

        Raises:
            PluginError: If two plugins offer one name.
        """
        return by_name("export target", self._collect("gancompress_export_targets"))

    def resolve_generator(self, reference: str) -> ResolvedGenerator:
        """Turn the text of ``--generator`` into a generator; plugins are asked before the core.

        Args:
            reference: ``pkg.mod:factory``, ``file.py:factory``, or what a plugin knows.

        Returns:
            The generator, with the inputs of an example run where the factory gives them.

        Raises:
            ConfigError: If nobody knows the reference, or its factory fails.
            PluginError: If a plugin fails on it.
        """
        try:
            answer = self._manager.hook.gancompress_resolve_generator(reference=reference)
        except GancompressError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"a plugin failed on generator '{reference}': {describe(error)}",
                hint="leave it out with --no-plugin NAME, or see more with --traceback",
            ) from error
        return read_generator(reference, answer)

    def emit(self, event: "RunEvent") -> None:
        """Show an event to every observer; one that raises is reported once and dropped.

        Args:
            event: What happened.
        """
        # An observer's answer is of no use: only that it does not raise is looked at.
        self._ask("gancompress_event", lambda _answers: (), event=event)

    def _load(self, info: PluginInfo, load: Callable[[], object]) -> None:
        try:
            plugin = load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - strangers may raise anything
            self._leave_out(info, f"it cannot be imported: {describe(error)}")
        else:
            self.register(plugin, info)

    def _collect(self, hook: str) -> list[tuple[PluginInfo, Any]]:
        return self._ask(hook, lambda answers: read_values(hook, answers))

    def _ask(
        self, hook: str, read: Callable[[list[Any]], Iterable[Any]], **arguments: Any
    ) -> list[tuple[PluginInfo, Any]]:
        """Call a hook plugin by plugin, so that one that raises does not silence the others."""
        found: list[tuple[PluginInfo, Any]] = []
        plugins = self._manager.get_plugins()
        for impl in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            key = impl.plugin_name
            if (key, hook) in self._dropped:
                continue
            alone = self._manager.subset_hook_caller(hook, plugins - {impl.plugin})
            try:
                values = read(alone(**arguments))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - strangers raise anything
                self._dropped.add((key, hook))
                self._leave_out(self._infos[key], f"'{hook}' failed: {describe(error)}")
            else:
                found += [(self._infos[key], value) for value in values]
        return found

    def _leave_out(self, info: PluginInfo, reason: str) -> None:
        broken = BrokenPlugin(info.name, info.distribution, reason, info.version)
        self._broken.append(broken)
        self._report(broken)


def _own_version() -> str:
    try:
        return metadata.version("gancompress")
    except metadata.PackageNotFoundError:  # a checkout that is on the path, but not installed
        return ""


def _entry(point: metadata.EntryPoint) -> tuple[PluginInfo, Callable[[], object]]:
    if point.dist is None:  # only for entry points that were made by hand
        return PluginInfo(point.name, point.value), point.load
    return PluginInfo(point.name, point.dist.name, point.dist.version), point.load


def _file(path: Path) -> tuple[PluginInfo, Callable[[], object]]:
    if not path.is_file():
        raise PluginError(
            f"plugin '{path}' does not exist", hint="give the path of a Python file to --plugin"
        )
    return PluginInfo(path.stem, str(path)), lambda: load_file(path)


def _names(info: PluginInfo, name: str) -> bool:
    return same_name(name, info.name) or same_name(name, info.distribution)


def _refuse_unknown(blocked: Iterable[str], infos: list[PluginInfo]) -> None:
    for name in blocked:
        if not any(_names(info, name) for info in infos):
            known = ", ".join(sorted({info.name for info in infos})) or "none"
            raise PluginError(f"there is no plugin '{name}' to leave out", hint=f"known: {known}")
