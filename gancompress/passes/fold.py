"""Fold reparametrised weights (spectral or weight norm, parametrizations, masks) to plain ones."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNormLoadStateDictPreHook

from gancompress.graph import TracedGenerator
from gancompress.graph.values import copy_module
from gancompress.passes.base import GraphPass

Remover = Callable[[nn.Module, str], object]


class FoldReparametrisation(GraphPass):
    """Replace every computed weight by the plain weight that it computes in eval mode.

    Requires nothing. Ensures that no layer computes its weight from others, so that slicing and
    decomposing see what is really multiplied; in eval mode the output is unchanged. Spectral norm
    of a net in training mode takes a power-iteration step per forward call: its last vectors are
    the ones that are kept.

    Understands ``torch.nn.utils.spectral_norm`` and ``weight_norm`` (the hooks of before 1.9 and
    2.0), everything that is registered with ``torch.nn.utils.parametrize``, and the masks of
    ``torch.nn.utils.prune``.
    """

    name: ClassVar[str] = "fold"

    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        """Return the generator with plain weights.

        Args:
            traced: Any traced generator; it is left as it is.
        """
        module = copy_module(traced.module, _computed_weights(traced.module))
        for layer in list(module.modules()):
            _fold_parametrizations(layer)
            _fold_hooks(layer)
        return traced.with_module(module)


def _computed_weights(module: nn.Module) -> dict[int, Any]:
    """Return what to put, while copying, for weights that hooks computed and left on a layer.

    Such weights are no leaves of autograd, or not even real after shapes were propagated, so they
    cannot be copied; nor need they be, since they are computed anew when the hook is removed.
    """
    placeholders: dict[int, Any] = {}
    for layer in module.modules():
        own = {name for name, _ in layer.named_parameters(recurse=False)}
        for name, value in vars(layer).items():
            if isinstance(value, Tensor) and not own.isdisjoint((f"{name}_orig", f"{name}_g")):
                placeholders[id(value)] = torch.empty(0)
    return placeholders


def _fold_parametrizations(layer: nn.Module) -> None:
    """Fold what `torch.nn.utils.parametrize` registered on one layer."""
    parametrizations = getattr(layer, "parametrizations", None)
    if not parametrize.is_parametrized(layer) or not isinstance(parametrizations, nn.ModuleDict):
        return
    for name in list(parametrizations):
        # In training mode a spectral norm would take one more step while it is being removed.
        parametrizations[name].eval()
        trained = any(p.requires_grad for p in parametrizations[name].parameters())
        parametrize.remove_parametrizations(layer, name, leave_parametrized=True)
        # Weights of several frozen originals come back as plain tensors.
        weight = getattr(layer, name).detach()
        delattr(layer, name)
        layer.register_parameter(name, nn.Parameter(weight, requires_grad=trained))


def _fold_hooks(layer: nn.Module) -> None:
    """Fold what the older, hook-based functions registered on one layer."""
    names = [name for name, _ in layer.named_parameters(recurse=False)]
    for name in names:
        if name.endswith("_orig"):
            _first_that_fits(
                layer, name.removesuffix("_orig"), (remove_spectral_norm, prune.remove)
            )
            _forget_loading(layer, name.removesuffix("_orig"))
        elif name.endswith("_g") and f"{name.removesuffix('_g')}_v" in names:
            _first_that_fits(layer, name.removesuffix("_g"), (remove_weight_norm,))


def _forget_loading(layer: nn.Module, name: str) -> None:
    """Drop the hook that loads a spectral norm's state: torch 2.9 wraps it, and misses it."""
    hooks = layer._load_state_dict_pre_hooks  # noqa: SLF001 - torch has no public way
    for key, wrapped in list(hooks.items()):
        hook = getattr(wrapped, "hook", wrapped)
        if isinstance(hook, SpectralNormLoadStateDictPreHook) and hook.fn.name == name:
            del hooks[key]


def _first_that_fits(layer: nn.Module, name: str, removers: tuple[Remover, ...]) -> None:
    """Call removers until one finds its hook; a parameter that merely ends alike is left alone."""
    for remove in removers:
        try:
            remove(layer, name)
        except ValueError:
            continue
        return
