"""Translate a picture with OpenVINO: python deploy_openvino.py small.xml in.png out.png."""

import json
import sys
from pathlib import Path

import numpy as np
import openvino
from PIL import Image

path, source, result = sys.argv[1:]
properties = json.loads(Path(f"{path}.json").read_text())["settings"]["properties"]  # precision
compiled = openvino.Core().compile_model(path, "CPU", properties)
x = np.asarray(Image.open(source).convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
y = compiled([x])[0][0].transpose(1, 2, 0)
Image.fromarray(((y + 1) * 127.5).round().clip(0, 255).astype(np.uint8)).save(result)
