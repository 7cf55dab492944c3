"""Translate a picture with plain PyTorch: python deploy_torch.py small.py in.png out.png.

To load a Python file runs it: take it only from people that you trust.
"""

import runpy
import sys

import numpy as np
import torch
from PIL import Image

path, source, result = sys.argv[1:]
program = runpy.run_path(path)["load"]()
x = np.asarray(Image.open(source).convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
with torch.no_grad():
    y = program(torch.from_numpy(x))[0].permute(1, 2, 0).numpy()
Image.fromarray(((y + 1) * 127.5).round().clip(0, 255).astype(np.uint8)).save(result)
