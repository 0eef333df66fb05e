"""Three kernels, each with mistakes of its own: python3 kernels.py CASES OUT --mistake N [--kernel NAME]

CASES is a folder of `deno task export --filter attention` (safetensors). OUT gets `out` and `lse` of each case and
declares.json. N = 0 is without a mistake, for the kernel named; statements.json says what each number is.

- bulk (bulk.py): whole tensors and a mask, as in PyTorch.
- programs (programs.py): programs over flat memory, as in Triton.
- splits, splits-one (splits.c): lists in three parts or in one, joined by a second kernel.
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
import bulk  # noqa: E402
import programs  # noqa: E402

TYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I32": "<i4"}
NAMES = ["bulk", "programs", "splits", "splits-one"]
SPLITS, BULK = [10, 11, 12, 15, 16], [1, 2, 3, 4, 19]
F = np.float32


def attend_splits(q, k, v, levels, p, mistake, folder, parts):
    library = os.path.join(folder, "splits.so")
    if not os.path.exists(library):
        source = os.path.join(HERE, "splits.c")
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True)
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    flags = [p["causal"], p["tail"] == "replicate", parts, mistake]
    sizes = [batch, heads, kv_heads, lq, lk, d, dv, p["blockM"], p["blockN"], *flags]
    out, lse = np.full((batch, heads, lq, dv), np.nan, F), np.full((batch, heads, lq), np.nan, F)
    arrays = [np.array(sizes, np.int32)] + [np.ascontiguousarray(x, F) for x in (q, k, v)]
    arrays += [np.ascontiguousarray(levels, np.int32), out, lse]
    ctypes.CDLL(library).attend(*[ctypes.c_void_p(x.ctypes.data) for x in arrays], ctypes.c_float(p["scale"]))
    return out, lse


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases")
    parser.add_argument("outputs")
    parser.add_argument("--mistake", type=int, default=0)
    parser.add_argument("--kernel", choices=NAMES)
    args = parser.parse_args()
    # The number of a mistake is that of the set's statements, without the hundreds: 425 is the first.
    x = args.mistake - 24 if args.mistake > 0 else 0
    planted = "splits" if x in SPLITS else "bulk" if x in BULK else "programs"
    name = args.kernel if x == 0 and args.kernel else planted
    folder = tempfile.TemporaryDirectory()

    def attend(*given):
        if name.startswith("splits"):
            return attend_splits(*given, x, folder.name, 1 if name == "splits-one" else 3)
        return (bulk if name == "bulk" else programs).attend(*given, x)

    def run(tensors, p):
        arrays = {n: np.frombuffer(data, TYPES[dtype]).reshape(shape)
                  for n, (dtype, shape, data) in tensors.items() if dtype in TYPES}
        moved = arrays.get("order", np.arange(0))
        moved = np.argsort(moved) if x == 19 else moved
        order = {n: np.r_[moved, np.arange(len(moved), arrays[n].shape[2])].astype(int) for n in "qkv"}
        q, k, v = (arrays[n].astype(F)[:, :, order[n]] for n in "qkv")
        default = 1 / 8 if x == 9 else q.shape[3] ** -0.5
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            results = attend(q, k, v, arrays["levels"], {"scale": default, **p})
        back = np.argsort(order["q"])
        results = [np.ascontiguousarray(t[:, :, back], F) for t in results]
        return {n: ("F32", list(t.shape), t.tobytes()) for n, t in zip(("out", "lse"), results)}

    run_cases(args.cases, args.outputs, run)


if __name__ == "__main__":
    main()
