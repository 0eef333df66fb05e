"""Three kernels, each with mistakes of its own: python3 kernels.py CASES OUT --mistake N [--kernel NAME]

CASES is a folder of `deno task export --filter attention` (safetensors). OUT gets `out` and `lse` of each case and
declares.json. N = 0 is without a mistake, for the kernel named; statements.json says what each number is.

- worklist, worklist-whole (worklist.py): lists of all query blocks in one array, in three parts or in one.
- warps (warps.c): tiles through two buffers, 32 output channels at a time.
- varlen (varlen.py): packed sequences and tables of key blocks.
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
import varlen  # noqa: E402
import worklist  # noqa: E402

TYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I32": "<i4"}
NAMES = ["worklist", "worklist-whole", "warps", "varlen"]
WARPS, VARLEN = [9, 10, 11, 12, 13, 14, 20], [16, 17, 18]
F = np.float32


def attend_warps(q, k, v, levels, p, mistake, folder):
    library = os.path.join(folder, "warps.so")
    if not os.path.exists(library):
        source = os.path.join(HERE, "warps.c")
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True)
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    sizes = [batch, heads, kv_heads, lq, lk, d, dv, p["blockM"], p["blockN"], p["causal"], p["tail"] == "replicate", mistake]
    out, lse = np.zeros((batch, heads, lq, dv), F), np.zeros((batch, heads, lq), F)
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
    # The number of a mistake is that of the set's statements, without the hundreds: 445 is the first.
    x = args.mistake - 44 if args.mistake > 0 else 0
    planted = "warps" if x in WARPS else "varlen" if x in VARLEN else "worklist"
    name = args.kernel if x == 0 and args.kernel else planted
    folder = tempfile.TemporaryDirectory()

    def attend(*given):
        if name == "warps":
            return attend_warps(*given, x, folder.name)
        if name == "varlen":
            return varlen.attend(*given, x)
        return worklist.attend(*given, x, 1 if name == "worklist-whole" else 3)

    def run(tensors, p):
        arrays = {n: np.frombuffer(data, TYPES[dtype]).reshape(shape)
                  for n, (dtype, shape, data) in tensors.items() if dtype in TYPES}
        moved = arrays.get("order", np.arange(0))
        order = {n: np.r_[moved, np.arange(len(moved), arrays[n].shape[2])].astype(int) for n in "qkv"}
        q, k, v = (arrays[n].astype(F)[:, :, order[n]] for n in "qkv")
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            results = attend(q, k, v, arrays["levels"], {"scale": q.shape[3] ** -0.5, **p})
        back = np.argsort(order["q"])
        results = [np.ascontiguousarray(t[:, :, back], F) for t in results]
        return {n: ("F32", list(t.shape), t.tobytes()) for n, t in zip(("out", "lse"), results)}

    run_cases(args.cases, args.outputs, run)


if __name__ == "__main__":
    main()
