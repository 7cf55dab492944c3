"""Mean intersection over union: how well a segmenter finds in a picture what was to be drawn."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import torch
import torch.nn.functional as F
from pydantic import BeforeValidator, Field
from torch import Tensor

from gancompress.config import Model, parse
from gancompress.errors import ConfigError, DataError
from gancompress.gan.family import Batch
from gancompress.metrics.labels import LabelMapping, read_mapping, truth_of
from gancompress.metrics.metric import (
    Measurement,
    Metric,
    Ruler,
    digest_of_pictures,
    targets_of,
)
from gancompress.metrics.segmenter import Resolve, Segmenter, load_segmenter


def _split(value: Any) -> Any:
    # An option of the command line is one word.
    return tuple(value.split(",")) if isinstance(value, str) else value


_Triple: TypeAlias = Annotated[tuple[float, float, float], BeforeValidator(_split)]
_Mapping: TypeAlias = str | dict[str, int]


class MiouOptions(Model):
    """Options of ``miou``.

    Args:
        segmenter: An ``.onnx`` file, ``pkg.mod:factory`` or ``file.py:factory``, or with
            ``--trust`` a TorchScript file.
        truth: Where the right classes stand: ``input`` for label maps that the generator gets
            (ids, or a one-hot code), ``extras.NAME`` for others of the data, or ``targets`` for
            what the segmenter finds in the real pictures.
        labels: Class of the segmenter by id of the truth: a table, ``7:0,8:1``, or a file; ids
            that are not listed are ignored. None where they are the same.
        predicted: The same for the classes that the segmenter gives, all of which are listed.
        classes: How many there are; needed where the segmenter gives classes and no scores.
        mean: What is taken from pictures in [0, 1], by channel.
        std: What they are then divided by: by default they end in [-1, 1].
        bgr: Whether the segmenter takes blue first; ``mean`` and ``std`` stay red, green, blue.
        resize: ``truth`` to give the segmenter pictures of the size of the label maps, bicubic;
            ``no`` to give it those that are drawn. Its scores are always brought to the size of
            the label maps, bilinear.
        average: Over which classes: those that occur in truth or prediction (``union``), or in
            the truth.
    """

    segmenter: str = ""
    truth: str = Field("targets", pattern=r"^(targets|input|extras\..+)$")
    labels: _Mapping | None = None
    predicted: _Mapping | None = None
    classes: int | None = Field(None, ge=1)
    mean: _Triple = (0.5, 0.5, 0.5)
    std: _Triple = (0.5, 0.5, 0.5)
    bgr: bool = False
    resize: Literal["no", "truth"] = "no"
    average: Literal["union", "truth"] = "union"


class MeanIou(Metric):
    """Mean intersection over union of a user's segmenter, with the confusion matrix.

    Args:
        resolve: Imports what ``pkg.mod:factory`` or ``file.py:factory`` names.
        options: The segmenter and its protocol.
        trust: Whether TorchScript may be loaded.
    """

    name: ClassVar[str] = "miou"
    higher_is_better: ClassVar[bool] = True

    def __init__(
        self, resolve: Resolve, options: MiouOptions | None = None, *, trust: bool = False
    ) -> None:
        self._resolve = resolve
        self._options = options or MiouOptions()
        self._trust = trust

    def configure(self, options: Mapping[str, Any], *, trust: bool = False) -> "MeanIou":
        """Return the metric with a segmenter of the user's.

        Args:
            options: See `MiouOptions`.
            trust: Whether TorchScript may be loaded.
        """
        chosen = parse(MiouOptions, dict(options), source=f"[metrics.{self.name}]")
        return MeanIou(self._resolve, chosen, trust=trust)

    def protocol(self) -> dict[str, Any]:
        """Return the segmenter's digest, and how its pictures and classes are read."""
        options = self._options.model_dump(
            mode="json", exclude={"segmenter", "labels", "predicted"}
        )
        net, labels, predicted = self._segmenter, self._labels, self._predicted
        return {
            "segmenter_sha256": net.sha256,
            "kind": net.kind,
            **options,
            "labels": None if labels is None else _texts(labels.classes),
            "predicted": None if predicted is None else _texts(predicted.classes),
        }

    def compute(self, outputs: Tensor, references: Tensor) -> float:
        """Return the mean, with what the segmenter finds in the references as the truth.

        Args:
            outputs: ``(N, 3, H, W)`` in [-1, 1].
            references: ``(N, 3, H, W)`` in [-1, 1], in the same order.

        Raises:
            DataError: If the truth is to be label maps, which `against` reads from the data.
        """
        if self._options.truth != "targets":
            raise DataError(
                f"'miou' takes its truth from '{self._options.truth}' of the data, not of pictures",
                hint="measure by Metric.against, or give truth = targets",
            )
        return self.against([Batch((references,), references)]).measure(outputs).value

    def rehearse(self, data: Sequence[Batch]) -> None:
        """Find out whether the data have label maps, and the segmenter takes the pictures.

        Args:
            data: Batches of the data.
        """
        self.against(data).measure(targets_of(data))

    def against(self, data: Sequence[Batch]) -> Ruler:
        """Read the truth, once.

        Args:
            data: The batches that pictures are drawn for, in order.

        Raises:
            DataError: If they have no label maps, or the segmenter fails.
        """
        if self._options.truth == "targets":
            real = targets_of(data)
            truth, _ = self._find(real, (real.shape[-2], real.shape[-1]))
            digest = digest_of_pictures(real)
        else:
            truth = torch.cat([truth_of(batch, self._options.truth) for batch in data])
            truth = truth if self._labels is None else self._labels.apply(truth)
            digest = digest_of_pictures(truth)
        return Ruler(lambda outputs: self._measure(outputs, truth), len(truth), digest)

    @cached_property
    def _segmenter(self) -> Segmenter:
        if not self._options.segmenter:
            raise ConfigError(
                "'miou' needs a segmenter, and none is named",
                hint="add --metric-option miou.segmenter=FILE.onnx, or file.py:factory",
            )
        return load_segmenter(self._options.segmenter, trust=self._trust, resolve=self._resolve)

    @cached_property
    def _labels(self) -> LabelMapping | None:
        given = self._options.labels
        return None if given is None else read_mapping(given, "labels")

    @cached_property
    def _predicted(self) -> LabelMapping | None:
        given = self._options.predicted
        return None if given is None else read_mapping(given, "predicted")

    def _find(self, pictures: Tensor, size: tuple[int, int]) -> tuple[Tensor, int]:
        """Return the classes that the segmenter finds, ``(N, H, W)``, and how many there are.

        Args:
            pictures: ``(N, 1 or 3, H, W)`` in [-1, 1].
            size: Of the label maps.
        """
        found, channels = [], 1
        for chunk in torch.split(pictures, self._segmenter.chunk):
            scores = self._segmenter.scores(self._prepared(chunk, size))
            channels = scores.shape[1]
            if channels == 1:  # classes and no scores
                scaled = F.interpolate(scores.float(), size, mode="nearest")[:, 0].long()
            elif tuple(scores.shape[-2:]) == size:
                scaled = scores.argmax(dim=1)
            else:
                scores = F.interpolate(scores, size, mode="bilinear", align_corners=False)
                scaled = scores.argmax(dim=1)
            found.append(scaled)
        return self._renamed(torch.cat(found)), self._count(channels)

    def _renamed(self, classes: Tensor) -> Tensor:
        if self._predicted is None:
            return classes
        unlisted = set(torch.unique(classes).tolist()) - set(self._predicted.classes)
        if unlisted:
            raise ConfigError(
                f"the segmenter finds class {min(unlisted)}, which 'predicted' does not list",
                hint="list every class of the segmenter",
            )
        return self._predicted.apply(classes)

    def _prepared(self, pictures: Tensor, size: tuple[int, int]) -> Tensor:
        x = (pictures.float().expand(-1, 3, -1, -1) + 1) / 2
        x = (x * 255).round().clamp(0, 255) / 255  # a picture in a file has bytes
        if self._options.resize == "truth" and tuple(x.shape[-2:]) != size:
            x = F.interpolate(x, size, mode="bicubic", align_corners=False, antialias=True)
            x = x.clamp(0, 1)
        options = self._options
        mean, std = (torch.tensor(values)[:, None, None] for values in (options.mean, options.std))
        x = (x - mean) / std
        return x.flip(1).contiguous() if options.bgr else x.contiguous()

    def _measure(self, outputs: Tensor, truth: Tensor) -> Measurement:
        if len(outputs) != len(truth):
            raise DataError(
                f"'miou' has {len(truth)} label maps for {len(outputs)} pictures",
                hint="measure pictures that were drawn for these label maps, in order",
            )
        found, count = self._find(outputs, (truth.shape[-2], truth.shape[-1]))
        matrix = confusion(truth, found, count)
        union = matrix.sum(0) + matrix.sum(1) - matrix.diag()
        counted = matrix.sum(1) > 0 if self._options.average == "truth" else union > 0
        if not counted.any():
            raise DataError(
                "'miou' finds no pixel with a class: every id of the truth is ignored",
                hint="check the option 'labels'",
            )
        shares = matrix.diag().double() / union.clamp(min=1)
        names = self._names(count)
        return Measurement(
            float(shares[counted].mean()),
            {
                "pixel_accuracy": int(matrix.diag().sum()) / int(matrix.sum()),
                "iou": {
                    name: float(share) if used else None
                    for name, share, used in zip(names, shares, counted, strict=True)
                },
                "confusion": matrix.tolist(),
                "ignored_pixels": int(truth.numel() - matrix.sum()),
            },
        )

    def _count(self, channels: int) -> int:
        """Return the number of classes: the option's, the mapping's, or one for each score."""
        if self._options.classes is not None:
            count = self._options.classes
        elif self._predicted is not None:
            count = max(self._predicted.classes.values()) + 1
        elif channels > 1:
            count = channels
        else:
            raise ConfigError(
                "the segmenter gives classes and no scores, and does not say how many there are",
                hint="add --metric-option miou.classes=NUMBER",
            )
        if self._labels is not None and max(self._labels.classes.values()) >= count:
            raise ConfigError(
                f"'labels' lists class {max(self._labels.classes.values())}, and there are {count}",
                hint="classes count from 0",
            )
        return count

    def _names(self, count: int) -> list[str]:
        known: dict[int, str] = {}
        for mapping in (self._predicted, self._labels):
            known |= mapping.names if mapping is not None else {}
        return [known.get(index, str(index)) for index in range(count)]


def confusion(truth: Tensor, found: Tensor, classes: int) -> Tensor:
    """Count the pixels by their right class and the one that was found.

    Args:
        truth: Right classes, of any shape; what lies outside ``0 … classes - 1`` is ignored.
        found: Classes that were found, of the same shape.
        classes: How many there are.

    Returns:
        ``(classes, classes)``, int64: the right class by row, the found one by column.

    Raises:
        DataError: If a class was found that is not among them.
    """
    if found.numel() and not (int(found.min()) >= 0 and int(found.max()) < classes):
        raise DataError(
            f"the segmenter finds class {int(found.max())}, and there are {classes}",
            hint="set the option 'classes', or map them by 'predicted'",
        )
    counted = (truth >= 0) & (truth < classes)
    pairs = torch.bincount(truth[counted] * classes + found[counted], minlength=classes * classes)
    return pairs.reshape(classes, classes)


def _texts(classes: Mapping[int, int]) -> dict[str, int]:
    return {str(number): other for number, other in sorted(classes.items())}
