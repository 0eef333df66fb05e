"""Kernels with one planted mistake (or two): python3 kernels.py CASES OUT --mistake N [--splits S] [--language c|python]

CASES is a folder of `deno task export --filter attention` (safetensors). OUT gets `out` and `lse` of each case and
declares.json. N = 0 is the right kernel. statements.json says what each number is. Most are planted in the numpy kernel
below, a program a query block that walks a list of key blocks sorted by level in tiles of 32 pooled rows with an online
softmax in float32; three are in kernel.c, which is compiled with cc on first use.
"""
import argparse
import ctypes
import json
import os
import struct
import subprocess
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = tempfile.mkdtemp()
TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
TILE = 32
F = np.float32
IN_C = {4: 1, 6: 2, 11: 3}


def read_file(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    arrays = {name: np.frombuffer(data[e["data_offsets"][0]:e["data_offsets"][1]], TYPES[e["dtype"]]).reshape(e["shape"])
              for name, e in header.items()}
    return arrays, metadata


def write_file(path, tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(t.astype("<f4").tobytes() for t in tensors.values()))


class Pyramid:
    """One level of one key head: pooled keys and values, [N * P, D] and [N * P, Dv], how many tokens and which is the last."""

    def __init__(self, k, v, r, p, x=0):
        lk, bn = k.shape[0], p["blockN"]
        padded = -(-lk // bn) * bn
        tokens = np.arange(padded).reshape(-1, r)
        real = np.ones_like(tokens, bool) if p["tail"] == "replicate" and r > 1 else tokens < lk
        self.per_block = bn // r
        self.count = real.sum(1).astype(np.int64)
        read = real & (np.arange(r) < 4) if x == 14 else real
        divisor = np.maximum(read.sum(1), 1)[:, None].astype(F)
        mask = read[:, :, None].astype(F)
        source = np.minimum(tokens, lk - 1)
        self.k = (k[source] * mask).sum(1, dtype=F) / divisor
        self.v = (v[source] * mask).sum(1, dtype=F) / divisor
        self.last = tokens[:, 0] + np.maximum(self.count, 1) - 1


def pyramid_of(k, v, ratios, p, x):
    pyramid = {r: Pyramid(k, v, r, p, x) for r in ratios}
    if x == 3:  # all levels one behind the other in one buffer
        lk, bn = k.shape[0], p["blockN"]
        every = [2 ** i for i in range(bn.bit_length())]
        stored = {r: Pyramid(k, v, r, p) for r in every}
        keys, values = (np.concatenate([getattr(stored[r], n) for r in every]) for n in "kv")
        for r in ratios:
            first, length = sum(lk // s for s in every if s < r), len(pyramid[r].k)
            pyramid[r].k, pyramid[r].v = keys[first:first + length], values[first:first + length]
    return pyramid


def work_list(row, cache, x):
    """Entries (block, level) sorted by level."""
    order = sorted((j for j in range(len(row)) if row[j] > 0), key=lambda j: (row[j], j))
    entries = [(j, int(row[j])) for j in order]
    if x == 5:
        longer = []
        for i, (j, r) in enumerate(entries):
            longer.append((j, r))
            if i + 1 < len(entries) and entries[i + 1][1] != r:
                longer.append((entries[i + 1][0], r))
        entries = longer
    if x == 10:
        entries = [(j, cache.setdefault(j, r)) for j, r in entries]
    return entries


def make_tiles(entries, levels, p, x):
    """(level, rows of the level's sequence, rows that are read) of each tile; rows behind the block's end are not there."""
    tiles = []
    for j, r in entries:
        per = levels[r].per_block
        for start in range(0, per, TILE):
            rows = j * per + start + np.arange(min(TILE, per - start))
            rows = rows[levels[r].count[rows] > 0]
            read = rows
            if x == 2:
                read = rows & 255
            if x == 13:
                read = rows - (j * per + start) % 8
            if x == 16 and r > 1:
                read = rows + j * (p["blockM"] // r - per)
            if len(rows):
                tiles.append((r, rows, read))
    return tiles


def rows_of(matrix, read):
    """Rows of a matrix, zeros behind its end."""
    there = read < len(matrix)
    return np.where(there[:, None], matrix[np.where(there, read, 0)], F(0))


def wide(matrix, first=0, count=None):
    """Rows as wide as the next power of two, so that they go on into the rows that follow."""
    n, d = matrix.shape
    width = 1 << (d - 1).bit_length()
    flat = np.r_[matrix.reshape(-1), np.zeros(width, F)]
    rows = np.arange(first, n if count is None else first + count)
    return flat[rows[:, None] * d + np.arange(width)]


def softmax_part(q, tiles, levels, positions, scale, x, value_levels):
    """The running state of some tiles: maximum, sum, weighted values."""
    n = q.shape[0]
    most, total = np.full(n, -np.inf, F), np.zeros(n, F)
    acc = np.zeros((n, levels[1].v.shape[1]), F)
    for r, rows, read in tiles:
        level = levels[r]
        count = level.count[rows].astype(F)
        logs = np.log(count)
        keys = rows_of(wide(level.k) if x == 15 else level.k, read)
        scores = (q @ keys.T * F(scale) + logs[None, :]).astype(F)
        unmasked = scores
        if positions is not None:
            scores = np.where(level.last[rows][None, :] > positions[:, None], F(-np.inf), scores)
        higher = np.maximum(most, (unmasked if x == 7 else scores).max(1))
        safe = np.where(np.isfinite(higher), higher, F(0))
        p = np.exp(scores - safe[:, None]).astype(F)
        power = np.exp2 if x == 1 else np.exp
        alpha = power(np.where(np.isfinite(most), most - safe, F(-np.inf))).astype(F)
        acc = acc * alpha[:, None] + p @ rows_of(value_levels[r].v, read)
        summed = np.exp(unmasked - safe[:, None]).astype(F) if x == 7 else p
        total = total * alpha + summed.sum(1, dtype=F)
        most = higher
    return most, total, acc


def finish(most, total, acc, x=0):
    seen = total > 0
    out = np.where(seen[:, None], acc / np.where(seen, total, 1)[:, None], F(0))
    if x == 14:
        out[:, 32:] = acc[:, 32:]
    with np.errstate(divide="ignore"):
        return out, np.where(seen, most + np.log(total), F(-np.inf))


def merge(parts, x):
    """Outputs and lse of parts that are normalised on their own (flash decoding)."""
    if len(parts) == 1:
        return finish(*parts[0], x)
    outs, lses = zip(*(finish(*part) for part in parts))
    lse = np.stack(lses)
    most = lse.max(0)
    safe = np.where(np.isfinite(most), most, F(0))
    weights = np.exp(lse - safe).astype(F)
    total = weights.sum(0)
    out = (weights[:, :, None] * np.stack(outs)).sum(0) / np.where(total > 0, total, 1)[:, None]
    with np.errstate(divide="ignore"):
        return out.astype(F), np.where(total > 0, safe + np.log(total), F(-np.inf)).astype(F)


def add_up(parts):
    """Two running states, of the even and of the odd tiles, joined before the division (mistake 12)."""
    most = np.maximum(*(part[0] for part in parts))
    safe = np.where(np.isfinite(most), most, F(0))
    acc = sum(part[2] * np.exp(part[0] - safe)[:, None] for part in parts)
    return finish(most, sum(part[1] for part in parts), acc)


def attend_numpy(q, k, v, levels, p, x, splits):
    B, H, lq, d = q.shape
    hk, lk, dv, bm = k.shape[1], k.shape[2], v.shape[3], p["blockM"]
    M, N = levels.shape[2:]
    group = H // hk
    scale = p.get("scale") or d ** -0.5
    flat = levels.reshape(-1)
    out, lse = np.zeros((B, H, lq, dv), F), np.zeros(B * H * lq, F)
    ratios = sorted({int(r) for r in np.unique(levels) if r > 0} | {1})
    heads = [pyramid_of(k[b, h], v[b, h], ratios, p, x) for b, h in np.ndindex(B, hk)]
    nothing = pyramid_of(k[0, 0], np.zeros_like(v[0, 0]), ratios, p, x)
    for b, h in np.ndindex(B, H):
        pyramid = values = heads[b * hk + h // group]
        if x == 16:
            values = heads[b * hk + h] if b * hk + h < B * hk else nothing
        cache = {}
        for m in range(M):
            rows = np.arange(m * bm, min((m + 1) * bm, lq))
            columns = lk // p["blockN"] if x == 9 else N
            line = (b * H + h) * M + (M - 1 - m if x == 15 and p["causal"] else m)
            row = flat[line * columns:(line + 1) * columns]
            tiles = make_tiles(work_list(row, cache, x), pyramid, p, x)
            positions = rows + lk - lq if p["causal"] else None
            query = q[b, h // group * group if x == 8 else h, rows]
            if x == 15:
                query = wide(q.reshape(-1, d), (b * H + h) * lq + rows[0], len(rows))
            part = lambda some: softmax_part(query, some, pyramid, positions, scale, x, values)
            if not tiles:
                o, s = np.zeros((len(rows), dv), F), np.full(len(rows), -np.inf, F)
            elif x == 12 and len(tiles) > 1:
                o, s = add_up([part(tiles[0::2]), part(tiles[1::2])])
            else:
                length = -(-len(tiles) // splits)
                o, s = merge([part(tiles[i:i + length]) for i in range(0, len(tiles), length)], x)
            out[b, h, rows] = o
            at = (b * H + h) * (lk if x == 13 else lq) + rows
            lse[at[at < lse.size]] = s[at < lse.size]
    return out, lse.reshape(B, H, lq)


def attend_c(q, k, v, levels, p, bug):
    library, source = os.path.join(BUILD, "kernel.so"), os.path.join(HERE, "kernel.c")
    if not os.path.exists(library) or os.path.getmtime(library) < os.path.getmtime(source):
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True)
    c = ctypes.CDLL(library)
    B, H, lq, d = q.shape
    sizes = np.array([B, H, k.shape[1], lq, k.shape[2], d, v.shape[3], p["blockM"], p["blockN"], int(p["causal"]),
                      int(p["tail"] == "replicate")], np.int32)
    q, k, v = (np.ascontiguousarray(t, F) for t in (q, k, v))
    levels = np.ascontiguousarray(levels, np.int32)
    out, lse = np.full((B, H, lq, v.shape[3]), 777, F), np.full((B, H, lq), 777, F)
    at = lambda t: t.ctypes.data_as(ctypes.c_void_p)
    c.attend(at(sizes), ctypes.c_float(p.get("scale") or d ** -0.5), at(q), at(k), at(v), at(levels), at(out), at(lse), bug)
    return out, lse


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases")
    parser.add_argument("outputs")
    parser.add_argument("--mistake", type=int, default=0)
    parser.add_argument("--splits", type=int)
    parser.add_argument("--language", choices=["c", "python"])
    args = parser.parse_args()
    number = args.mistake
    in_c = args.language == "c" if args.language else number in IN_C
    splits = args.splits or 1
    os.makedirs(args.outputs, exist_ok=True)
    with open(os.path.join(args.cases, "manifest.json")) as file:
        cases = [case for case in json.load(file)["cases"] if case["case"].startswith("attention ")]
    for case in cases:
        arrays, metadata = read_file(os.path.join(args.cases, case["file"]))
        p = json.loads(metadata["parameters"])
        order = arrays.get("order", np.arange(0))
        order = [np.r_[order, np.arange(len(order), arrays[n].shape[2])].astype(int) for n in "qkv"]
        q, k, v = (arrays[n].astype(F)[:, :, o] for n, o in zip("qkv", order))
        if in_c:
            out, lse = attend_c(q, k, v, arrays["levels"], p, IN_C.get(number, 0))
        else:
            out, lse = attend_numpy(q, k, v, arrays["levels"], p, number, splits)
        back = np.argsort(order[0])
        stamp = {"case": case["case"], "case_sha256": case["sha256"][case["file"]]}
        write_file(os.path.join(args.outputs, case["file"]), {"out": out[:, :, back], "lse": lse[:, :, back]}, stamp)
    with open(os.path.join(args.outputs, "declares.json"), "w") as file:
        json.dump({"stages": ["attention"], "cannot": []}, file)


if __name__ == "__main__":
    main()
