"""Captures calls of attention of a running model: wrap the function that the model calls, and judge the files.

    attention = capturing(attention, "captures", block_m=128, block_n=64, tile=32, tail="replicate")
    # then: deno task verify --capture captures --diagnose
"""
import itertools
import json
import os

from case_files import torch_entry, write_file


def capturing(attention, folder, mask="levels", **facts):
    """The same function of (q, k, v, mask, …), which also writes every call; mask is "levels" or "segments"."""
    os.makedirs(folder, exist_ok=True)
    number = itertools.count()

    def captured(q, k, v, chosen, *more, **options):
        out = attention(q, k, v, chosen, *more, **options)
        tensors = {"q": q, "k": k, "v": v, mask: chosen.int(), "out": out}
        entries = {name: torch_entry(tensor) for name, tensor in tensors.items()}
        path = os.path.join(folder, f"call-{next(number):04}.safetensors")
        write_file(path, entries, {name: json.dumps(fact) for name, fact in facts.items()})
        return out

    return captured
