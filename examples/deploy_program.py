"""Translate a picture with torch.export: python deploy_program.py small.pt2 in.png out.png.

A .pt2 file runs code when it is loaded: take it only from people that you trust.
"""

import sys

import numpy as np
import torch
from PIL import Image

path, source, result = sys.argv[1:]
program = torch.export.load(path).module()
x = np.asarray(Image.open(source).convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
with torch.no_grad():
    y = program(torch.from_numpy(x))[0].permute(1, 2, 0).numpy()
Image.fromarray(((y + 1) * 127.5).round().clip(0, 255).astype(np.uint8)).save(result)
