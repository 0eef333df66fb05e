"""Four kernels, each with mistakes of its own: python3 kernels.py CASES OUT --mistake N [--kernel NAME]

CASES is a folder of `deno task export --filter attention` (safetensors). OUT gets `out` and `lse` of each case and
declares.json. N = 0 is without a mistake, for the kernel named; statements.json says what each number is.

- pages, pages-back (pages.c): keys and values of all levels in pages of 16 rows behind a table, two pages at a time.
- persist, persist-short (persist.py): work items, longest lists first; whole blocks, then blocks that need a mask.
- smooth, smooth-tree (smooth.py): means taken off queries, keys and values, keys by block scales, three parts joined.
- dense, dense-log (dense.py): all scores of a query block at once.
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
import dense  # noqa: E402
import persist  # noqa: E402
import smooth  # noqa: E402

TYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I32": "<i4"}
NAMES = ["pages", "pages-back", "persist", "persist-short", "smooth", "smooth-tree", "dense", "dense-log"]
LIES_IN = {**dict.fromkeys([65, 66, 67, 68, 83], "pages"), **dict.fromkeys(range(69, 75), "persist"),
           **dict.fromkeys([75, 76, 77, 78, 82, 84], "smooth"), **dict.fromkeys([79, 80, 81], "dense")}
F = np.float32


def attend_pages(q, k, v, levels, p, mistake, folder, back):
    library = os.path.join(folder, "pages.so")
    if not os.path.exists(library):
        source = os.path.join(HERE, "pages.c")
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True)
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    flags = [p["causal"], p["tail"] == "replicate", back, mistake]
    sizes = [batch, heads, kv_heads, lq, lk, d, dv, p["blockM"], p["blockN"], *flags]
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
    parser.add_argument("--kernel", choices=NAMES, default="pages")
    args = parser.parse_args()
    x = args.mistake
    name = LIES_IN.get(x, args.kernel)
    folder = tempfile.TemporaryDirectory()

    def attend(*given):
        if name.startswith("persist"):
            return persist.attend(*given, x, short=name == "persist-short")
        if name.startswith("smooth"):
            return smooth.attend(*given, x, tree=name == "smooth-tree")
        if name.startswith("dense"):
            return dense.attend(*given, x, logs=name == "dense-log")
        return attend_pages(*given, x, folder.name, back=name == "pages-back")

    def run(tensors, p):
        arrays = {n: np.frombuffer(data, TYPES[dtype]).reshape(shape)
                  for n, (dtype, shape, data) in tensors.items() if dtype in TYPES}
        moved = arrays.get("order", np.arange(0))
        order = [np.r_[moved, np.arange(len(moved), arrays[n].shape[2])].astype(int) for n in "qkv"]
        q, k, v = (arrays[n].astype(F)[:, :, o] for n, o in zip("qkv", order))
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            given = {"scale": q.shape[3] ** -0.5, "given": "scale" in p, **p}
            results = attend(q, k, v, arrays["levels"], given)
        back = np.argsort(order[0])
        results = [np.ascontiguousarray(x[:, :, back], F) for x in results]
        return {n: ("F32", list(x.shape), x.tobytes()) for n, x in zip(("out", "lse"), results)}

    run_cases(args.cases, args.outputs, run)


if __name__ == "__main__":
    main()
