"""What was measured, as values that go to JSON and back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gancompress.cost import Budget, Cost
from gancompress.errors import BudgetError, ConfigError, RunError
from gancompress.sensitivity.choose import NOTHING, Option, least_loss, most, most_saving

Losses = Mapping[str, float | None]


@dataclass(frozen=True)
class LayerEffect:
    """What decomposing one layer does.

    Args:
        layer: Path of the layer.
        kind: Its class, such as ``ConvTranspose2d``.
        macs: Multiply-accumulates of the layer, for the example inputs.
        macs_saved: How many of them decomposing takes away; negative where it adds some.
        params_saved: The same of parameters.
        losses: Distance to the teacher's pictures by metric; None where it is not finite.
    """

    layer: str
    kind: str
    macs: int
    macs_saved: int
    params_saved: int
    losses: Losses


@dataclass(frozen=True)
class GroupEffect:
    """What narrowing one channel group to one width does.

    Args:
        group: Key of the group.
        width: Units that are kept, the most important ones.
        units: Units at full width.
        ratio: The ratio that was asked for; the width is the one of the space next to it.
        macs_saved: Multiply-accumulates that are saved, for the example inputs.
        params_saved: The same of parameters.
        losses: Distance to the teacher's pictures by metric; None where it is not finite.
    """

    group: str
    width: int
    units: int
    ratio: float
    macs_saved: int
    params_saved: int
    losses: Losses


@dataclass(frozen=True)
class SensitivityReport:
    """How much every single change moves the teacher's pictures.

    Losses of several changes are predicted by their sum, which is a first-order guess: measure
    a choice before it is relied on.

    Args:
        metric: The metric that choices are made by, one of `metrics`.
        metrics: Every metric that was measured.
        macs: Multiply-accumulates of the teacher, for the example inputs.
        params: Its parameters.
        samples: Held-out pictures that were compared.
        layers: Layers in the order of the net.
        groups: Groups in the order of the net, their widths ascending.
        skipped: What was not tried, with the reason.
    """

    metric: str
    metrics: tuple[str, ...]
    macs: int
    params: int
    samples: int
    layers: tuple[LayerEffect, ...] = ()
    groups: tuple[GroupEffect, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)

    def loss(self, effect: LayerEffect | GroupEffect, metric: str | None = None) -> float:
        """Return the loss of one change; infinite where it is not finite.

        Args:
            effect: One of this report.
            metric: A metric; None takes the report's own.

        Raises:
            ConfigError: If it was not measured.
        """
        name = self.metric if metric is None else metric
        if name not in effect.losses:
            raise ConfigError(
                f"the metric '{name}' was not measured",
                hint=f"measured: {', '.join(self.metrics)}",
            )
        value = effect.losses[name]
        return math.inf if value is None else value

    def by(self, metric: str) -> "SensitivityReport":
        """Return the same report with another metric to choose by.

        Args:
            metric: One of `metrics`.

        Raises:
            ConfigError: If it was not measured.
        """
        if metric not in self.metrics:
            raise ConfigError(
                f"the metric '{metric}' was not measured",
                hint=f"measured: {', '.join(self.metrics)}",
            )
        return SensitivityReport(**{**self.__dict__, "metric": metric})

    def robust(self, max_loss: float) -> tuple[str, ...]:
        """Choose the layers that save most, with losses that add up to no more than a limit.

        Args:
            max_loss: Largest sum of losses, in the units of the metric.

        Returns:
            Paths for `Decompose`, in the order of the net; empty where no layer is robust enough.

        Raises:
            ConfigError: If the limit is negative or no number.
        """
        if not max_loss >= 0 or math.isinf(max_loss):
            raise ConfigError(
                f"the largest loss '{max_loss}' cannot be used", hint="give a number from 0 on"
            )
        return self._paths(most_saving(self._options(), max_loss))

    def within(self, macs: float | str) -> tuple[str, ...]:
        """Choose the layers with the least loss that bring the generator within a budget.

        Args:
            macs: Most multiply-accumulates with nothing but decomposing: a number, ``3G``, or
                ``2x`` for half of the teacher's.

        Returns:
            Paths for `Decompose`, in the order of the net; empty where the teacher fits.

        Raises:
            BudgetError: If decomposing every layer is not enough.
            ConfigError: If the budget cannot be read.
        """
        teacher = Cost(macs=self.macs, macs_published=self.macs, params=self.params)
        limit = Budget(macs=macs).resolve(teacher).macs
        need = self.macs - int(limit or 0)
        options = self._options()
        possible = most(options)
        if need > possible:
            raise BudgetError(
                f"no choice of layers meets the budget '{macs}': with all of them decomposed the "
                f"generator takes {self.macs - possible:,} MACs",
                hint="raise the budget; narrowing the channels saves more, later",
            )
        return self._paths(least_loss(options, need))

    def predicted(self, layers: tuple[str, ...]) -> tuple[float, int]:
        """Return the summed loss and the MACs that are saved by decomposing some layers.

        Args:
            layers: Paths of this report.
        """
        chosen = [effect for effect in self.layers if effect.layer in layers]
        return sum(map(self.loss, chosen)), sum(effect.macs_saved for effect in chosen)

    def to_json(self) -> str:
        """Return the report as a JSON object."""
        return _ADAPTER.dump_json(self, indent=2).decode() + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        values: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return values

    @classmethod
    def from_json(
        cls, text: str | bytes, *, source: str | Path = "the report"
    ) -> "SensitivityReport":
        """Read what `to_json` wrote.

        Args:
            text: A JSON object.
            source: What to name in the error.

        Raises:
            RunError: If it is no report.
        """
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise RunError(
                f"'{source}' is no sensitivity report: '{where}' cannot be used, "
                f"{first['msg'].lower()}",
                hint="measure again with: gancompress sensitivity RUN",
            ) from None

    def _options(self) -> list[tuple[Option, Option]]:
        return [(NOTHING, Option(e.macs_saved, self.loss(e))) for e in self.layers]

    def _paths(self, chosen: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(e.layer for e, taken in zip(self.layers, chosen, strict=True) if taken)


_ADAPTER = TypeAdapter(SensitivityReport)
