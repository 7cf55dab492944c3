"""Make a torch layer's own numbers (channels, groups, features) agree with sliced weights."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd


def resize(
    layer: nn.Module, base: nn.Module, inputs: int, outputs: int, weight: Tensor | None
) -> None:
    """Set the sizes that a layer keeps beside its weights.

    Layers of classes that are not known here are taken to work from their tensors alone.

    Args:
        layer: The layer to change, of the same class as ``base``.
        base: The layer at full width.
        inputs: Channels that enter.
        outputs: Channels that leave.
        weight: The sliced weight, where the layer has one.
    """
    if isinstance(layer, _ConvNd) and weight is not None:
        layer.in_channels, layer.out_channels = inputs, outputs
        # Axis 1 holds one group's share of the other side's channels.
        many = outputs if isinstance(layer, _ConvTransposeNd) else inputs
        layer.groups = many // weight.shape[1]
    elif isinstance(layer, nn.Linear) and weight is not None:
        layer.out_features, layer.in_features = weight.shape
    elif isinstance(layer, nn.Embedding) and weight is not None:
        layer.num_embeddings, layer.embedding_dim = weight.shape
    elif isinstance(layer, _NormBase):
        layer.num_features = inputs
    elif isinstance(layer, nn.GroupNorm) and isinstance(base, nn.GroupNorm):
        per_group = base.num_channels // base.num_groups
        # Units are whole norm groups, unless one group normalises over all channels there are.
        layer.num_groups = 1 if base.num_groups == 1 else inputs // per_group
        layer.num_channels = inputs
    elif isinstance(layer, nn.LayerNorm | nn.RMSNorm):
        layer.normalized_shape = (inputs,) if weight is None else tuple(weight.shape)
    elif isinstance(layer, nn.PReLU) and weight is not None:
        layer.num_parameters = weight.shape[0]
