"""Products of tensors: contracted channels are tied, free ones pass on."""

import operator
from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F

from gancompress.graph.layout import Ids, Layout, along, constant, joined, varying
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule
from gancompress.graph.rules.sizes import ids_along

Labels = tuple[str, ...]


def contract(call: OpCall, operands: Sequence[tuple[Layout, Labels]], result: Labels) -> LayoutTree:
    """Apply a product that is written as an index expression.

    Args:
        call: The call.
        operands: Each tensor with one label per axis.
        result: The labels of the result's axes.
    """
    if any(len(varying(ids)) > 1 for layout, _ in operands for ids in layout.planes):
        return call.freeze("it multiplies tensors with one set of channels on two axes")
    found: dict[str, Ids] = {}
    for layout, labels in operands:
        for axis in layout.axes:
            ids, label = ids_along(layout, axis), labels[axis]
            found[label] = call.channels.unite(found[label], ids) if label in found else ids
    for layout, labels in operands:
        for axis, label in enumerate(labels):
            if label in found and not layout.varies(axis) and layout.shape[axis] > 1:
                call.channels.freeze(
                    found[label], f"{call.where}: one side has no channels along the axis"
                )
    for ids in found.values():
        call.channels.multiply(ids)
    kept = [along(found[label], k, call.shape) for k, label in enumerate(result) if label in found]
    if kept:
        return joined([one.ids for one in kept], call.shape) or call.freeze()
    fixed = call.channels.fixed(f"it is tied to the result of {call.where}")
    return constant(call.shape, fixed)


def _product_macs(operands: Sequence[tuple[Layout, Labels]]) -> int:
    """Count one multiplication per combination of all labels."""
    sizes: dict[str, int] = {}
    for layout, labels in operands:
        for label, size in zip(labels, layout.shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    return prod(sizes.values())


class MatmulRule(OpRule):
    """Matrix products, batched or not."""

    sets = "all"
    functions = frozenset({torch.matmul, torch.bmm, torch.mm, torch.mv, operator.matmul})
    methods = frozenset({"matmul", "bmm", "mm", "mv", "__matmul__"})

    def apply(self, call: OpCall) -> LayoutTree:
        """Tie the contracted axis, pass the free ones on."""
        return contract(call, *self._expression(call))

    def macs(self, call: OpCall) -> int:
        """Count one multiplication per element of the result and of the contracted axis."""
        return _product_macs(self._expression(call)[0])

    @staticmethod
    def _expression(call: OpCall) -> tuple[list[tuple[Layout, Labels]], Labels]:
        left, right = call.layouts[:2]
        rows, columns = len(left.shape) > 1, len(right.shape) > 1
        a = (*_batch(len(left.shape) - 2), *(("row",) if rows else ()), "inner")
        b = (*_batch(len(right.shape) - 2), "inner", *(("column",) if columns else ()))
        batch = _batch(max(len(left.shape), len(right.shape)) - 2)
        result = (*batch, *(("row",) if rows else ()), *(("column",) if columns else ()))
        return [(left, a), (right, b)], result


def _batch(count: int) -> Labels:
    """Label leading axes from the right, as broadcasting aligns them."""
    return tuple(f"batch{k}" for k in range(count, 0, -1))


class EinsumRule(OpRule):
    """Einsum without ellipsis and without repeated labels in one operand."""

    sets = "all"
    functions = frozenset({torch.einsum})

    def matches(self, call: OpCall) -> bool:
        """Whether the equation is one that the rule can read."""
        equation = call.args[0] if call.args else None
        return super().matches(call) and isinstance(equation, str) and "." not in equation

    def apply(self, call: OpCall) -> LayoutTree:
        """Tie the labels that operands share."""
        operands, result = self._expression(call)
        if any(len(set(labels)) < len(labels) for _, labels in operands):
            return call.freeze()
        return contract(call, operands, result)

    def macs(self, call: OpCall) -> int:
        """Count one multiplication per combination of all labels."""
        operands, _ = self._expression(call)
        return _product_macs(operands) if len(operands) > 1 else 0

    @staticmethod
    def _expression(call: OpCall) -> tuple[list[tuple[Layout, Labels]], Labels]:
        left, arrow, right = call.args[0].replace(" ", "").partition("->")
        inputs = [tuple(part) for part in left.split(",")]
        if not arrow:  # numpy's rule: the labels that occur once, in alphabetical order
            flat = left.replace(",", "")
            right = "".join(sorted(label for label in set(flat) if flat.count(label) == 1))
        return list(zip(call.layouts, inputs, strict=True)), tuple(right)


class AttentionRule(OpRule):
    """Scaled dot-product attention; its scale depends on the number of channels."""

    sets = "all"
    functions = frozenset({F.scaled_dot_product_attention})

    def apply(self, call: OpCall) -> LayoutTree:
        """Tie query and key, pass the value's channels on."""
        operands, result = self._expression(call)
        for layout, _ in operands[:2]:
            for ids in layout.planes:
                call.channels.couple(ids)
        return contract(call, operands, result)

    def macs(self, call: OpCall) -> int:
        """Count both products."""
        (query, key, value), _ = self._expression(call)
        scores = (*query[1][:-1], "there")
        weights = Layout(value[0].ids, (*query[0].shape[:-1], value[0].shape[-2]))
        return _product_macs([query, key]) + _product_macs([(weights, scores), value])

    @staticmethod
    def _expression(call: OpCall) -> tuple[list[tuple[Layout, Labels]], Labels]:
        query, key, value = call.layouts[:3]
        batch = _batch(len(query.shape) - 2)
        labels = ((*batch, "here", "inner"), (*batch, "there", "inner"), (*batch, "there", "value"))
        operands = list(zip((query, key, value), labels, strict=True))
        return operands, (*batch, "here", "value")
