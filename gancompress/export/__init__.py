"""What leaves the house: compressed models on the disk, and files that run without it."""

from gancompress.export.clean import CLEANING, clean_up
from gancompress.export.convert import ExportReport, check_target, export
from gancompress.export.executorch_target import ExecuTorchTarget
from gancompress.export.model import CompressedModel
from gancompress.export.onnx_target import OnnxTarget
from gancompress.export.opening import Translator, identify, load
from gancompress.export.openvino_target import OpenVinoTarget
from gancompress.export.program_target import PackageTarget, ProgramTarget
from gancompress.export.target import Dynamic, ExportTarget, Precision, Wanted
from gancompress.export.targets import core_targets, find_target
from gancompress.export.tensorrt_target import TensorRtTarget
from gancompress.export.torch_target import TorchTarget

__all__ = [
    "CLEANING",
    "CompressedModel",
    "Dynamic",
    "ExecuTorchTarget",
    "ExportReport",
    "ExportTarget",
    "OnnxTarget",
    "OpenVinoTarget",
    "PackageTarget",
    "Precision",
    "ProgramTarget",
    "TensorRtTarget",
    "TorchTarget",
    "Translator",
    "Wanted",
    "check_target",
    "clean_up",
    "core_targets",
    "export",
    "find_target",
    "identify",
    "load",
]
