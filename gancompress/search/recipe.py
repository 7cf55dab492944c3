"""How a process that shares nothing with this one makes what scores subnets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias

from gancompress.elastic import SubnetConfig

Scorer: TypeAlias = Callable[[SubnetConfig], float]


@dataclass(frozen=True)
class ScorerRecipe:
    """What a worker is sent: values and tensors, and where the function lies that reads them.

    Args:
        factory: ``package.module:function``, which the worker can import and calls with the
            recipe; it returns a function from a subnet to its score, lower being better.
        settings: JSON values.
        tensors: Weights as the bytes of safetensors files, by name.
        objects: What has no other form, such as a module that a program has built; Ray pickles
            it on the way to our own workers.
    """

    factory: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, bytes] = field(default_factory=dict)
    objects: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Scorer:
        """Import the factory, and let it make the scorer."""
        place, _, name = self.factory.partition(":")
        scorer: Scorer = getattr(import_module(place), name)(self)
        return scorer
