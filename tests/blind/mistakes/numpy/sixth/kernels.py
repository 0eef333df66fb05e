"""Four kernels, each with mistakes of its own: python3 kernels.py CASES OUT --mistake N [--kernel NAME]

CASES is a folder of `deno task export --filter attention` (safetensors). OUT gets `out` and `lse` of each case and
declares.json. N = 0 is without a mistake, for the kernel named; statements.json says what each number is.

- lanes (lanes.c): eight lanes share a row and the keys of a shared tile; a tree of exchanges joins them at the end.
- split (split.py): the key blocks are cut into three ranges, each gives a partial output, a second pass joins these.
- gather (gather.py): the levels lie one after the other in one table; query heads that share a key head go together.
- stream (stream.py): key blocks come one by one, and the state of all rows waits in memory between them.
"""
import argparse
import ctypes
import os
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, *[".."] * 5, "docs", "drivers"))
from case_files import run_cases  # noqa: E402
import gather  # noqa: E402
import split  # noqa: E402
import stream  # noqa: E402

TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4"}
F = np.float32
IN_SPLIT, IN_GATHER, IN_STREAM = (9, 10, 12, 13, 14, 22), (15, 16, 17, 18, 19, 23), (11, 20, 24)


def attend_lanes(q, k, v, levels, p, mistake, folder):
    library = os.path.join(folder, "lanes.so")
    if not os.path.exists(library):
        source = os.path.join(HERE, "lanes.c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True)
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    shape = [batch, heads, kv_heads, lq, lk, d, dv, p["blockM"], p["blockN"], p["causal"], p["tail"] == "replicate", mistake]
    shape = np.array(shape, np.int32)
    out, lse = np.full((batch, heads, lq, dv), 777, F), np.full((batch, heads, lq), 777, F)
    arrays = [np.ascontiguousarray(x, F) for x in (q, k, v)] + [np.ascontiguousarray(levels, np.int32), out, lse]
    at = [ctypes.c_void_p(x.ctypes.data) for x in (shape, *arrays)]
    ctypes.CDLL(library).attend(*at, ctypes.c_float(p["scale"]))
    return out, lse


def kernel_of(number, name):
    """The name of the kernel in which a mistake lies."""
    if number == 0:
        return name
    kernels = {"split": IN_SPLIT, "gather": IN_GATHER, "stream": IN_STREAM}
    return next((kernel for kernel, numbers in kernels.items() if number in numbers), "lanes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases")
    parser.add_argument("outputs")
    parser.add_argument("--mistake", type=int, default=0)
    parser.add_argument("--kernel", choices=["lanes", "split", "gather", "stream"], default="lanes")
    args = parser.parse_args()
    name = kernel_of(args.mistake, args.kernel)
    folder = tempfile.TemporaryDirectory()
    attend = {"split": split.attend, "gather": gather.attend, "stream": stream.attend}.get(
        name, lambda *given: attend_lanes(*given, folder.name))

    def run(tensors, p):
        arrays = {n: np.frombuffer(data, TYPES[dtype]).reshape(shape) for n, (dtype, shape, data) in tensors.items()}
        moved = arrays.get("order", np.arange(0))
        order = [np.r_[moved, np.arange(len(moved), arrays[n].shape[2])].astype(int) for n in "qkv"]
        q, k, v = (arrays[n].astype(F)[:, :, o] for n, o in zip("qkv", order))
        results = attend(q, k, v, arrays["levels"], {"scale": q.shape[3] ** -0.5, **p}, args.mistake)
        back = np.argsort(order[0])
        results = [np.ascontiguousarray(x[:, :, back], F) for x in results]
        return {n: ("F32", list(x.shape), x.tobytes()) for n, x in zip(("out", "lse"), results)}

    run_cases(args.cases, args.outputs, run)


if __name__ == "__main__":
    main()
