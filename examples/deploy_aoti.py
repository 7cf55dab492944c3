"""Translate a picture with AOTInductor: python deploy_aoti.py small.aoti.pt2 in.png out.png.

A package is machine code, and runs when it is loaded: take it only from people that you trust.
"""

import sys

import numpy as np
import torch
from PIL import Image
from torch._inductor import aoti_load_package

path, source, result = sys.argv[1:]
program = aoti_load_package(path)
x = np.asarray(Image.open(source).convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
with torch.no_grad():  # the code is compiled for one order in memory, and does not check it
    y = program(torch.from_numpy(x).contiguous())[0].permute(1, 2, 0).numpy()
Image.fromarray(((y + 1) * 127.5).round().clip(0, 255).astype(np.uint8)).save(result)
