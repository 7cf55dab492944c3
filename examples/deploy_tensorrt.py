"""Translate a picture with TensorRT: python deploy_tensorrt.py small.trt.onnx in.png out.png."""

import sys

import numpy as np
import onnxruntime
from PIL import Image

path, source, result = sys.argv[1:]
options = {"trt_fp16_enable": True, "trt_engine_cache_enable": True}  # engines are built once
providers = [("TensorrtExecutionProvider", options), "CUDAExecutionProvider"]
session = onnxruntime.InferenceSession(path, providers=providers)
x = np.asarray(Image.open(source).convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
y = session.run(None, {session.get_inputs()[0].name: x})[0][0].transpose(1, 2, 0)
Image.fromarray(((y + 1) * 127.5).round().clip(0, 255).astype(np.uint8)).save(result)
