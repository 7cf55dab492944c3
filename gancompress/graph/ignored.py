"""Layers that are left alone on request."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import fx

from gancompress.errors import AnalysisError
from gancompress.graph.traced import ModuleName, TracedGenerator


@dataclass(frozen=True)
class IgnoredScope:
    r"""Parts of a generator that keep every channel: nothing that they read or make is narrowed.

    A container that is selected selects everything inside it. An entry that selects nothing is an
    error, since a misspelt one would leave a layer to be narrowed that was to be left alone.

    Args:
        names: Paths of modules, such as ``model.4``.
        patterns: Regular expressions that match whole paths, such as ``model\.1[0-8]\..*``.
        types: Names of classes, such as ``ConvTranspose2d``; subclasses do not count.

    Raises:
        AnalysisError: If entries are not given in a list, or a pattern is no regular expression.
    """

    names: Sequence[str] = ()
    patterns: Sequence[str] = ()
    types: Sequence[str] = ()

    def __post_init__(self) -> None:
        for kind in ("names", "patterns", "types"):
            entries = getattr(self, kind)
            if isinstance(entries, str):
                raise AnalysisError(
                    f"'{entries}' is one word where '{kind}' takes several",
                    hint=f"give a list: IgnoredScope({kind}=['{entries}'])",
                )
            object.__setattr__(self, kind, tuple(entries))  # so that it can be hashed
        for pattern in self.patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise AnalysisError(
                    f"'{pattern}' is no regular expression: {error}",
                    hint="put a backslash before a character that stands for itself, as in "
                    r"'model\.4'",
                ) from None

    def paths(self, traced: TracedGenerator) -> tuple[str, ...]:
        """Return the paths of the modules that are selected; what is inside them is so too.

        Args:
            traced: The generator, before or after passes.

        Raises:
            AnalysisError: If an entry selects no module; the hint names those that are alike.
        """
        known = _modules(traced)
        found: list[str] = []
        for name in self.names:
            found += _some(
                f"no module of the generator is named '{name}'", name, {name} & set(known), known
            )
        for pattern in self.patterns:
            matching = [path for path in known if re.fullmatch(pattern, path)]
            sentence = f"the pattern '{pattern}' matches no path of a module as a whole"
            found += _some(sentence, pattern, matching, known)
        for kind in self.types:
            matching = [path for path, name in known.items() if name.kind.__name__ == kind]
            types = dict.fromkeys(name.kind.__name__ for name in known.values())
            found += _some(f"no module of the generator is of type '{kind}'", kind, matching, types)
        return tuple(dict.fromkeys(known[path].path for path in found))

    def nodes(self, traced: TracedGenerator) -> dict[str, str]:
        """Return the calls that happen inside of what is selected.

        Args:
            traced: The generator, before or after passes.

        Returns:
            For each node's name the path of the selected module.

        Raises:
            AnalysisError: If an entry selects no module.
        """
        selected = self.paths(traced)
        found = ((node.name, _selected(node, selected)) for node in traced.module.graph.nodes)
        return {name: path for name, path in found if path is not None}

    def layers(self, traced: TracedGenerator) -> frozenset[str]:
        """Return the paths of the layers that are left alone.

        Args:
            traced: The generator, before or after passes.

        Raises:
            AnalysisError: If an entry selects no module.
        """
        inside = self.nodes(traced)
        calls = traced.module.graph.find_nodes(op="call_module")
        return frozenset(str(node.target) for node in calls if node.name in inside)


def _modules(traced: TracedGenerator) -> dict[str, ModuleName]:
    """Return the modules of the generator as it was given, and those that passes have made."""
    now = {path: ModuleName(path, type(layer)) for path, layer in traced.module.named_modules()}
    return {**now, **traced.modules}


def _selected(node: fx.Node, modules: Sequence[str]) -> str | None:
    """Return the outermost selected module that a call happens in."""
    where = list(node.meta.get("nn_module_stack", ()))
    if node.op in {"call_module", "get_attr"}:
        where.append(str(node.target))
    return next((one for one in modules if any(_is_inside(path, one) for path in where)), None)


def _is_inside(path: str, module: str) -> bool:
    return not module or path == module or path.startswith(f"{module}.")


def _some(
    sentence: str, entry: str, matching: Iterable[str], known: Mapping[str, Any]
) -> list[str]:
    """Return what an entry selects, or say that it selects nothing."""
    found = list(matching)
    if not found:
        close = difflib.get_close_matches(entry, known, n=3, cutoff=0.5)
        raise AnalysisError(
            sentence,
            hint=f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else f"there are {', '.join(map(repr, [one for one in known if one][:8]))}, …",
        )
    return found
