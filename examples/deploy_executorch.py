"""Translate a picture with ExecuTorch: python deploy_executorch.py small.pte in.png out.png."""

import sys

import numpy as np
import torch
from executorch.runtime import Runtime
from PIL import Image

path, source, result = sys.argv[1:]
method = Runtime.get().load_program(path).load_method("forward")
x = np.asarray(Image.open(source).convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
# Programs are written for one order in memory, and do not check it.
y = method.execute([torch.from_numpy(x).contiguous()])[0][0].permute(1, 2, 0).numpy()
Image.fromarray(((y + 1) * 127.5).round().clip(0, 255).astype(np.uint8)).save(result)
