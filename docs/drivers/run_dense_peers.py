#!/usr/bin/env python3
"""Prints what dense attention takes on this GPU in PyTorch: cuDNN, FlashAttention-2, FlexAttention, and a released Triton code.

    python run_dense_peers.py [--lengths 16384,32768] [--released FOLDER]

FOLDER holds the package psa_triton; left out, only PyTorch's own kernels are timed. Each output is compared with float64 for
some rows before it is timed. A time is the median of 15 runs after 8 that are not counted, between two events of the
device's queue; the least stands beside it, since launches from Python jitter. One line of JSON a kernel and length.
"""
import argparse
import json
import math
import sys

import torch
import torch.nn.functional as functional
from torch.nn.attention import SDPBackend, sdpa_kernel

SIZES = ((12, 128), (16, 64))
# Level, and the ends of the share of key blocks that get it, by descending importance: the released defaults.
RATIOS = {1: (0, 0.1), 2: (0.1, 0.15), 4: (0.15, 0.15), 8: (0.15, 0.35), 0: (0.35, 1)}
ROWS = (0, 1, 777)


def milliseconds(work, repetitions=15, warm_up=8):
    """Median and least of the times of some work."""
    for _ in range(warm_up):
        work()
    times = []
    for _ in range(repetitions):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    times.sort()
    return times[len(times) // 2], times[0]


def relative_error(out, q, k, v):
    """Relative L2 error of some rows of the last head against float64."""
    rows = list(ROWS) + [q.shape[2] - 1]
    scores = q[0, -1, rows].double() @ k[0, -1].double().T / math.sqrt(q.shape[3])
    want = scores.softmax(-1) @ v[0, -1].double()
    return ((out[0, -1, rows].double() - want).norm() / want.norm()).item()


def backend(which):
    """Dense attention by one of PyTorch's kernels."""
    def run(q, k, v):
        with sdpa_kernel(which):
            return functional.scaled_dot_product_attention(q, k, v)
    return run


def dense_kernels():
    """Names and functions of the dense kernels that this PyTorch has."""
    kernels = {"cudnn": backend(SDPBackend.CUDNN_ATTENTION), "flash": backend(SDPBackend.FLASH_ATTENTION)}
    try:
        from torch.nn.attention.flex_attention import flex_attention
        kernels["flex"] = torch.compile(flex_attention, dynamic=False)
    except ImportError as error:
        print(f"FlexAttention is left out: {error}", file=sys.stderr)
    return kernels


def released_forward(folder, block_n):
    """The whole forward of the released code, with its default ratios."""
    sys.path.insert(0, folder)
    from psa_triton import pyramid_sparse_attention as released
    config = released.AttentionConfig(
        use_rearrange=False, block_m=128, block_n=block_n, tile_n=32, use_sim_mask=False, mask_ratios=RATIOS,
        mask_mode="topk", text_length=0, attn_impl="new_mask_type", enable_logging=False)
    kernel = released.psa_sparse_attention(128, 32, block_n)
    return lambda q, k, v: released.adaptive_block_sparse_attn(q, k, v, config, kernel)


def report(name, shape, work, error):
    """Prints one line of JSON."""
    heads, length, dim = shape
    median, least = milliseconds(work)
    row = {"kernel": name, "heads": heads, "tokens": length, "dim": dim, "ms": round(median, 4), "least": round(least, 4)}
    if error is not None:
        row |= {"tflops": round(4 * heads * length * length * dim / median / 1e9, 1), "rel_l2": float(f"{error:.2e}")}
    print(json.dumps(row), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lengths", default="16384", help="tokens, with commas between")
    parser.add_argument("--released", help="folder that holds psa_triton")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("PyTorch finds no CUDA device; this script times kernels of one.")
    name, _ = torch.cuda.get_device_name(), torch.manual_seed(1)
    print(json.dumps({"device": name, "torch": torch.__version__}), flush=True)
    kernels = dense_kernels()
    for heads, dim in SIZES:
        for length in map(int, options.lengths.split(",")):
            shape = (heads, length, dim)
            q, k, v = (torch.randn(1, *shape, device="cuda", dtype=torch.bfloat16) for _ in range(3))
            for name, run in kernels.items():
                try:
                    error = relative_error(run(q, k, v), q, k, v)
                    if not error < 0.02:
                        print(f"{name} is wrong: relative error {error}", file=sys.stderr)
                        continue
                    report(name, shape, lambda: run(q, k, v), error)
                except RuntimeError as error:
                    print(f"{name} does not run here: {str(error)[:200]}", file=sys.stderr)
            for block_n in (128, 64) if options.released else ():
                forward = released_forward(options.released, block_n)
                report(f"released, bn={block_n}", shape, lambda: forward(q, k, v), None)


if __name__ == "__main__":
    main()
