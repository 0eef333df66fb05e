"""Runs any PyTorch callable on exported cases: python run_pytorch.py CASES OUTPUTS package.module:function

The callable gets (q, k, v, levels, parameters) and returns out, or (out, lse). It needs torch and safetensors.
"""
import importlib
import json
import os
import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file


def main(cases, outputs, target):
    module, name = target.split(":")
    kernel = getattr(importlib.import_module(module), name)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with open(os.path.join(cases, "manifest.json")) as file:
        manifest = json.load(file)
    os.makedirs(outputs, exist_ok=True)
    for case in manifest["cases"]:
        if not case["case"].startswith("attention "):
            continue
        with safe_open(os.path.join(cases, case["file"]), framework="pt", device=device) as file:
            metadata = file.metadata()
            q, k, v, levels = (file.get_tensor(name) for name in ("q", "k", "v", "levels"))
        result = kernel(q, k, v, levels, json.loads(metadata["parameters"]))
        named = dict(zip(("out", "lse"), result if isinstance(result, tuple) else (result,)))
        tensors = {name: tensor.contiguous().cpu() for name, tensor in named.items()}
        stamp = {"case": case["case"], "case_sha256": case["sha256"][case["file"]]}
        save_file(tensors, os.path.join(outputs, case["file"]), metadata=stamp)


if __name__ == "__main__":
    main(*sys.argv[1:4])
