"""Two kernels, each with mistakes of its own: python3 kernels.py CASES OUT --mistake N [--kernel NAME]

CASES is a folder of `deno task export --filter attention` (safetensors). OUT gets `out` and `lse` of each case and
declares.json. N = 0 is without a mistake, for the kernel named; statements.json says what each number is.

- parts (parts.py): a part for each key block, merged in the end, with keys that lose their mean.
- rows (rows.c): a row after the other in passes, in C.
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
import parts  # noqa: E402

TYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I32": "<i4"}
IN_C = [491, 492, 493, 497]
F = np.float32


def attend_rows(q, k, v, levels, p, mistake, folder):
    library = os.path.join(folder, "rows.so")
    if not os.path.exists(library):
        source = os.path.join(HERE, "rows.c")
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
    parser.add_argument("--kernel", choices=["parts", "rows"])
    args = parser.parse_args()
    # The number of a mistake is that of the set's statements, without the hundreds: from 485 to 504.
    x = args.mistake + (400 if args.mistake >= 85 else 500) if args.mistake > 0 else 0
    name = "rows" if x in IN_C or x == 0 and args.kernel == "rows" else "parts"
    folder = tempfile.TemporaryDirectory()

    def run(tensors, p):
        arrays = {n: np.frombuffer(data, TYPES[dtype]).reshape(shape)
                  for n, (dtype, shape, data) in tensors.items() if dtype in TYPES}
        moved = arrays.get("order", np.arange(0))
        order = {n: np.r_[moved, np.arange(len(moved), arrays[n].shape[2])].astype(int) for n in "qkv"}
        q, k, v = (arrays[n].astype(F)[:, :, order[n]] for n in "qkv")
        given = {"scale": q.shape[3] ** -0.5, **p}
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            if name == "rows":
                results = attend_rows(q, k, v, arrays["levels"], given, x, folder.name)
            else:
                results = parts.attend(q, k, v, arrays["levels"], given, x)
        back = np.argsort(order["q"])
        results = [np.ascontiguousarray(t[:, :, back], F) for t in results]
        return {n: ("F32", list(t.shape), t.tobytes()) for n, t in zip(("out", "lse"), results)}

    run_cases(args.cases, args.outputs, run)


if __name__ == "__main__":
    main()
