"""What leaves the house: compressed models on the disk, and files that run without it."""

from gancompress.export.convert import ExportReport, export, find_target
from gancompress.export.model import CompressedModel
from gancompress.export.onnx_target import OnnxTarget
from gancompress.export.target import Dynamic, ExportTarget
from gancompress.export.torch_target import TorchTarget

__all__ = [
    "CompressedModel",
    "Dynamic",
    "ExportReport",
    "ExportTarget",
    "OnnxTarget",
    "TorchTarget",
    "export",
    "find_target",
]
