"""Three kernels, each with mistakes of its own: python3 kernels.py CASES OUT --mistake N [--kernel NAME]

CASES is a folder of `deno task export --filter attention` (safetensors). OUT gets `out` and `lse` of each case and
declares.json. N = 0 is without a mistake, for the kernel named; statements.json says what each number is.

- pull, pull-online (pull.py): two passes over explicit work lists, the first for the log-sum-exp, the second for the values.
- levels, levels-lazy (levels.py): one masked dense product for each level, on keys without their mean.
- tiles, tiles-tf32 (tiles.c): double-buffered tiles, fragments of rows, two parts of the list that are joined.
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
import levels as dense  # noqa: E402
import pull  # noqa: E402

TYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I32": "<i4"}
NAMES = ["pull", "pull-online", "levels", "levels-lazy", "tiles", "tiles-tf32"]
F = np.float32


def attend_tiles(q, k, v, levels, p, mistake, folder, tf32):
    library = os.path.join(folder, "tiles.so")
    if not os.path.exists(library):
        source = os.path.join(HERE, "tiles.c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True)
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    sizes = [batch, heads, kv_heads, lq, lk, d, dv, p["blockM"], p["blockN"], p["causal"], p["tail"] == "replicate", tf32, mistake]
    out, lse = np.zeros((batch, heads, lq, dv), F), np.zeros((batch, heads, lq), F)
    arrays = [np.array(sizes, np.int32)] + [np.ascontiguousarray(x, F) for x in (q, k, v)]
    arrays += [np.ascontiguousarray(levels, np.int32), out, lse]
    ctypes.CDLL(library).attend(*[ctypes.c_void_p(x.ctypes.data) for x in arrays], ctypes.c_float(p["scale"]))
    return out, lse


def kernel_of(number, name):
    """The name of the kernel in which a mistake lies."""
    if number == 0:
        return name
    return "pull" if number <= 31 else "levels" if number <= 37 else "tiles"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases")
    parser.add_argument("outputs")
    parser.add_argument("--mistake", type=int, default=0)
    parser.add_argument("--kernel", choices=NAMES, default="pull")
    args = parser.parse_args()
    name, x = kernel_of(args.mistake, args.kernel), args.mistake
    folder = tempfile.TemporaryDirectory()

    def attend(*given):
        if name.startswith("pull"):
            return pull.attend(*given, x, online=name == "pull-online")
        if name.startswith("levels"):
            return dense.attend(*given, x, lazy=name == "levels-lazy")
        return attend_tiles(*given, x, folder.name, tf32=name == "tiles-tf32")

    def run(tensors, p):
        arrays = {n: np.frombuffer(data, TYPES[dtype]).reshape(shape)
                  for n, (dtype, shape, data) in tensors.items() if dtype in TYPES}
        moved = arrays.get("order", np.arange(0))
        order = [np.r_[moved, np.arange(len(moved), arrays[n].shape[2])].astype(int) for n in "qkv"]
        q, k, v = (arrays[n].astype(F)[:, :, o] for n, o in zip("qkv", order))
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            results = attend(q, k, v, arrays["levels"], {"scale": q.shape[3] ** -0.5, **p})
        back = np.argsort(order[0])
        results = [np.ascontiguousarray(x[:, :, back], F) for x in results]
        return {n: ("F32", list(x.shape), x.tobytes()) for n, x in zip(("out", "lse"), results)}

    run_cases(args.cases, args.outputs, run)


if __name__ == "__main__":
    main()
