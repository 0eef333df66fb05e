"""Runs any PyTorch callable on exported cases: python run_pytorch.py CASES OUTPUTS package.module:function

The callable gets (q, k, v, levels, parameters) and returns out, or (out, lse); modules are searched for from the folder
where you are. Tokens come in the order of the case, and outputs are put back into raster order. If the callable has an
attribute `cannot`, a function of the parameters, then cases for which that gives (option, value, why) are left out, and
OUTPUTS/declares.json says so. It needs torch and numpy.
"""
import importlib
import os
import sys

from case_files import arranged_inputs, run_cases, torch_entry, torch_tensor


def runner(kernel, device):
    """What run_cases calls, made of a callable."""
    def run(tensors, parameters):
        q, k, v, undo = arranged_inputs(tensors, device)
        result = kernel(q, k, v, torch_tensor(tensors["levels"], device), parameters)
        named = zip(("out", "lse"), result if isinstance(result, tuple) else (result,))
        return {name: torch_entry(undo(tensor)) for name, tensor in named}

    return run


def main(cases, outputs, target):
    import torch

    module, name = target.split(":")
    sys.path.insert(0, os.getcwd())
    kernel = getattr(importlib.import_module(module), name)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    run_cases(cases, outputs, runner(kernel, device), getattr(kernel, "cannot", lambda parameters: None))


if __name__ == "__main__":
    if len(sys.argv) != 4 or ":" not in sys.argv[3]:
        sys.exit(__doc__)
    main(*sys.argv[1:])
