"""Translate a picture with onnxruntime: python deploy_onnx.py small.onnx in.png out.png."""

import sys

import numpy as np
import onnxruntime
from PIL import Image

path, source, result = sys.argv[1:]
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
x = np.asarray(Image.open(source).convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
y = session.run(None, {session.get_inputs()[0].name: x})[0][0].transpose(1, 2, 0)
Image.fromarray(((y + 1) * 127.5).round().clip(0, 255).astype(np.uint8)).save(result)
