"""State dicts of the published PyTorch codes, translated to the generators of this kit.

What the layouts differ in, key by key, is in docs/how-to/official-checkpoint.md. Every function
takes tensors by name and gives tensors by name: what does not fit is left as it is, so that it is
named when the weights are loaded.
"""

import re
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

State = dict[str, Tensor]
_STATISTICS: Final = ("running_mean", "running_var", "num_batches_tracked")
_BLOCK: Final = re.compile(r"^(.*\.conv_block\.)([56])\.(.+)$")
_PARAMETRISED: Final = re.compile(r"parametrizations\.(\w+)\.(original|0\._u|0\._v)$")
_OLD_WORDS: Final = {"original": "orig", "0._u": "u", "0._v": "v"}
_EPSILON: Final = 1e-12  # what torch's spectral norm adds where it normalises a vector


def official_state(
    net: nn.Module, state: Mapping[str, Tensor], *, slices: bool = False
) -> dict[str, Tensor]:
    """Translate a published checkpoint of a generator to the layout of ours.

    The steps, in order: `without_prefix`, `without_statistics`, `with_counters`,
    `plain_spectral_norm`, the names of blocks (`blocks_renamed`), biases that a batch norm or
    nothing stands for (`with_zero_biases`), and where `slices`, the first channels of each layer
    (`first_channels`).
    A family whose generator has names of its own puts those in first.

    Args:
        net: Our generator; only names and shapes are looked at, so it may be on the meta device.
        state: The checkpoint's tensors by name.
        slices: Whether the checkpoint may be of a weight-sharing supernet, whose narrow nets are
            the first channels of every layer.

    Returns:
        Tensors under our names; they need not fit.
    """
    found = without_prefix(state)
    found = without_statistics(net, found)
    found = with_counters(net, found)
    found = plain_spectral_norm(net, found)
    found = blocks_renamed(net, found)
    found = with_zero_biases(net, found)
    return first_channels(net, found) if slices else found


def without_prefix(state: Mapping[str, Tensor], prefix: str = "module.") -> State:
    """Take off what `torch.nn.DataParallel` puts before every name.

    Args:
        state: Tensors by name.
        prefix: What is taken off, where every name has it.
    """
    found = dict(state)
    while found and all(name.startswith(prefix) for name in found):
        found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found


def without_statistics(net: nn.Module, state: Mapping[str, Tensor]) -> State:
    """Leave out running statistics that the net has no place for.

    PyTorch before 0.4 kept them for instance norms too, and never used them.

    Args:
        net: Our generator.
        state: Tensors by name.
    """
    own = net.state_dict().keys()
    return {
        name: value
        for name, value in state.items()
        if name in own or not name.endswith(_STATISTICS) or _has_batch_norm(net, name)
    }


def with_counters(net: nn.Module, state: Mapping[str, Tensor]) -> State:
    """Add the number of batches that a batch norm has seen, where only its statistics are there.

    PyTorch before 0.4.1 did not count them; they are read with ``momentum=None`` alone.

    Args:
        net: Our generator.
        state: Tensors by name.
    """
    found = dict(state)
    for name in net.state_dict():
        layer, _, word = name.rpartition(".")
        if word == "num_batches_tracked" and f"{layer}.running_mean" in found:
            found.setdefault(name, torch.tensor(0))
    return found


def _has_batch_norm(net: nn.Module, name: str) -> bool:
    layer = _layer(net, name.rpartition(".")[0])
    return isinstance(layer, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001 - the common base


def plain_spectral_norm(net: nn.Module, state: Mapping[str, Tensor]) -> State:
    """Turn weights under spectral norm into what the net has in their place.

    ``weight_orig``, ``weight_u`` and ``weight_v`` are those of ``torch.nn.utils.spectral_norm``,
    ``parametrizations.weight.*`` those of its successor; where ``weight_v`` is lacking (PyTorch
    before 1.0), it is one step of power iteration away. Where our layer has the norm as a
    parametrisation, they keep their values under its names; where its weight is plain, they
    become ``weight_orig / (uᵀ W v)``.

    Args:
        net: Our generator.
        state: Tensors by name.
    """
    own = net.state_dict().keys()
    found = {_before_parametrisations(name): value for name, value in state.items()}
    for name in list(found):
        path, dot, word = name.rpartition(".")
        if not word.endswith("_orig") or f"{name.removesuffix('_orig')}_u" not in found:
            continue
        weight = word.removesuffix("_orig")
        start = f"{path}{dot}"
        original, u = found.pop(name), found.pop(f"{start}{weight}_u")
        matrix = _as_matrix(original, net, path)
        v = found.pop(f"{start}{weight}_v", None)
        v = F.normalize(matrix.T.mv(u), dim=0, eps=_EPSILON) if v is None else v
        found.pop(f"{start}{weight}", None)  # PyTorch before 1.0 kept the quotient as a buffer
        inside = f"{start}parametrizations.{weight}."
        if f"{inside}original" in own:
            found |= {f"{inside}original": original, f"{inside}0._u": u, f"{inside}0._v": v}
        else:
            found[f"{start}{weight}"] = original / torch.dot(u, matrix.mv(v))
    return found


def _before_parametrisations(name: str) -> str:
    return _PARAMETRISED.sub(lambda found: f"{found[1]}_{_OLD_WORDS[found[2]]}", name)


def _as_matrix(weight: Tensor, net: nn.Module, path: str) -> Tensor:
    # Outputs come first, and in a transposed convolution they are the second axis.
    layer = _layer(net, path)
    transposed = getattr(layer, "transposed", False)
    return (weight.transpose(0, 1) if transposed else weight).flatten(1)


def _layer(net: nn.Module, path: str) -> nn.Module | None:
    try:
        return net.get_submodule(path)
    except AttributeError:
        return None


def blocks_renamed(net: nn.Module, state: Mapping[str, Tensor]) -> State:
    """Name the layers of residual blocks as ours.

    The second convolution of a block is number 6 where dropout stands before it, else 5. In a
    separable one ``conv.0`` is the depthwise half and ``conv.2`` the pointwise one, in a block or
    not.

    Args:
        net: Our generator.
        state: Tensors by name.
    """
    own = net.state_dict().keys()
    found: State = {}
    for name, value in state.items():
        halves = name.replace(".conv.0.", ".depthwise.").replace(".conv.2.", ".pointwise.")
        named = halves if halves in own or ".conv_block." in halves else name
        block = _BLOCK.match(named)
        if block and named not in own:
            other = f"{block[1]}{11 - int(block[2])}.{block[3]}"
            named = other if other in own else named
        found[named] = value
    return found


def with_zero_biases(net: nn.Module, state: Mapping[str, Tensor]) -> State:
    """Add zeros for the biases of ours that the checkpoint's convolutions do without.

    The published nets leave the bias out before a batch norm, which would undo it.

    Args:
        net: Our generator.
        state: Tensors by name; a bias is only added beside its weight.
    """
    found = dict(state)
    for name, value in net.state_dict().items():
        weight = f"{name.removesuffix('bias')}weight"
        if name.endswith("bias") and name not in found and weight in found:
            layer = _layer(net, name.rpartition(".")[0])
            if isinstance(layer, nn.modules.conv._ConvNd):  # noqa: SLF001 - the common base
                found[name] = torch.zeros(value.shape, dtype=found[weight].dtype)
    return found


def first_channels(net: nn.Module, state: Mapping[str, Tensor]) -> State:
    """Cut a narrow net out of a weight-sharing supernet: the first channels of every layer.

    Channels of the pictures and sides of kernels are never cut: they have to fit.

    Args:
        net: Our generator, at the narrow net's widths.
        state: Tensors by name; one that cannot be cut to ours is left whole.
    """
    wanted = net.state_dict()
    weights = [name for name, value in wanted.items() if value.ndim > 1]
    entrance, exit_ = weights[0], weights[-1].removesuffix("weight")
    found = dict(state)
    for name, own in wanted.items():
        value = found.get(name)
        if value is None or value.ndim != own.ndim:
            continue
        cut = {0, 1} - ({1} if name == entrance else set())
        cut -= {0} if name.startswith(exit_) else set()
        sides = list(enumerate(zip(value.shape, own.shape, strict=True)))
        if all(have == want or (have > want and axis in cut) for axis, (have, want) in sides):
            found[name] = value[tuple(slice(side) for side in own.shape)].clone()
    return found
