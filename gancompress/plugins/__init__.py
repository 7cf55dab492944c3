"""The plugin host: entry points, isolation of what is broken, and clashes by name."""

from gancompress.plugins.host import PluginHost
from gancompress.plugins.info import BrokenPlugin, PluginInfo
from gancompress.plugins.results import ResolvedGenerator

__all__ = ["BrokenPlugin", "PluginHost", "PluginInfo", "ResolvedGenerator"]
