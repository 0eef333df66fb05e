"""Kernels with one planted mistake (or two): python3 kernels.py CASES OUT --mistake N [--splits S] [--language c|python]

CASES is a folder of `deno task export --filter attention` (safetensors). OUT gets `out` and `lse` of each case and
declares.json. N = 0 is the right kernel. statements.json says what each number is. Most are planted in the numpy kernel
below, a program a query block that walks a list of key blocks sorted by level in tiles of 32 pooled rows with an online
softmax in float32; five are in kernel.c, which is compiled with cc on first use.
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
IN_C = {6: 1, 8: 2, 13: 3, 15: 4, 24: 5}
SPLITS = {7: 2}


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

    def __init__(self, k, v, r, p, x):
        lk, bn = k.shape[0], p["blockN"]
        whole = p["tail"] == "replicate" and r > 1
        padded = -(-lk // bn) * bn
        tokens = np.arange(padded).reshape(-1, r)
        real = tokens < lk
        if whole or (x == 19 and p["tail"] == "replicate"):  # 19: the copies stay at level 1 too
            real = np.ones_like(real)
        self.per_block = bn // r
        self.count = real.sum(1).astype(np.int64)
        if x == 2 and not whole:
            self.count[lk // r:] = 0
        divisor = np.maximum(real.sum(1), 1)
        if x == 23:
            divisor = np.full_like(divisor, r)
        mask = real[:, :, None].astype(F)
        source = np.minimum(tokens, lk - 1)
        self.k = (k[source] * mask).sum(1, dtype=F) / divisor[:, None].astype(F)
        self.v = (v[source] * mask).sum(1, dtype=F) / divisor[:, None].astype(F)
        self.last = tokens[:, 0] + np.maximum(self.count, 1) - 1
        if x == 23:
            block, place = np.divmod(np.arange(len(tokens)), self.per_block)
            self.last = block * bn + place


def work_list(row, x):
    """Entries (block, level) sorted by level."""
    order = sorted((j for j in range(len(row)) if row[j] > 0), key=lambda j: (row[j], j))
    entries = [(j, int(row[j])) for j in order]
    if x == 16:
        entries = [(j, int(row[i])) for i, j in enumerate(order) if row[i] > 0]
    if x == 10:
        entries = entries[:6]
    if x == 21:
        padded = []
        for r in sorted({r for _, r in entries}):
            of_level = [entry for entry in entries if entry[1] == r]
            padded += of_level + (of_level[-1:] if r > 1 and len(of_level) % 2 else [])
        entries = padded
    return entries


def make_tiles(entries, levels, x):
    """(level, rows of the level's sequence) of each tile; rows behind the block's end are not there."""
    tiles = []
    for j, r in entries:
        per = levels[r].per_block
        for start in range(0, per, TILE):
            rows = j * per + start + np.arange(TILE if x == 17 else min(TILE, per - start))
            rows = rows[rows < len(levels[r].count)]
            rows = rows[levels[r].count[rows] > 0]
            if len(rows):
                tiles.append((r, rows))
    return tiles


def softmax_part(q, tiles, levels, positions, scale, x, value_levels):
    """The running state of some tiles: raw maximum (before the scale), sum, weighted values; and the sum without counts."""
    n = q.shape[0]
    most, total = np.full(n, -np.inf, F), np.zeros(n, F)
    plain = np.zeros(n, F)
    acc = np.zeros((n, value_levels[1].v.shape[1]), F)
    before = None
    for number, (r, rows) in enumerate(tiles):
        level = levels[r]
        logs = np.log(level.count[rows].astype(F))
        scores = q @ level.k[rows].T
        if x == 22 and r > 1:
            scores = scores / F(np.sqrt(scale))
        scores = scores + (logs / F(scale))[None, :]
        if positions is not None:
            scores = np.where(level.last[rows][None, :] > positions[:, None], F(-np.inf), scores)
        higher = np.maximum(most, scores.max(1))
        safe = np.where(np.isfinite(higher), higher, F(0))
        p = np.exp((scores - safe[:, None]) * F(scale)).astype(F)
        alpha = np.exp(np.where(np.isfinite(most), most - safe, F(-np.inf)) * F(scale)).astype(F)
        if x == 18 and before not in (None, r):
            alpha = np.where(np.isfinite(most), F(1), F(0))
        values = value_levels[2 if x == 3 and r == 4 and 2 in value_levels else r].v[rows]
        weights = np.floor(p * F(127)) / F(127) if x == 5 else p
        acc = acc * alpha[:, None] + weights @ values
        if x == 11 and number == 0:
            total = np.ones(n, F)
        elif x == 1:
            total = total + p.sum(1, dtype=F)
        else:
            total = total * alpha + p.sum(1, dtype=F)
        plain = plain * alpha + (p / level.count[rows][None, :].astype(F)).sum(1, dtype=F)
        most, before = higher, r
    return most, total, acc, plain


def merge(parts, scale, x):
    """Outputs and lse of parts that are normalised on their own (flash decoding)."""
    outs, lses, plains = [], [], []
    for most, total, acc, plain in parts:
        seen = total > 0
        outs.append(np.where(seen[:, None], acc / np.where(seen, total, 1)[:, None], F(0)))
        with np.errstate(divide="ignore"):
            scaled = most if x == 4 else most * F(scale)
            lses.append(np.where(seen, scaled + np.log(total), F(-np.inf)))
            plains.append(np.where(seen, most * F(scale) + np.log(plain), F(-np.inf)))
    if len(parts) == 1:
        return outs[0], plains[0] if x == 20 else lses[0]
    lse = np.stack(lses)
    most = lse.max(0)
    safe = np.where(np.isfinite(most), most, F(0))
    power = np.exp2 if x == 7 else np.exp
    weights = power(lse - safe).astype(F)
    total = weights.sum(0)
    out = (weights[:, :, None] * np.stack(outs)).sum(0) / np.where(total > 0, total, 1)[:, None]
    exact = np.exp(lse - safe).sum(0)
    with np.errstate(divide="ignore"):
        return out.astype(F), np.where(exact > 0, safe + np.log(exact), F(-np.inf)).astype(F)


def attend_numpy(q, k, v, levels, p, x, splits):
    B, H, lq, d = q.shape
    hk, lk, dv, bm = k.shape[1], k.shape[2], v.shape[3], p["blockM"]
    M, N = levels.shape[2:]
    scale = p.get("scale") or d ** -0.5
    flat = levels.reshape(-1, M, N)
    padded_rows = M * bm if x == 9 else lq
    out = np.zeros(B * H * lq * dv, F)
    lse = np.zeros((B, H, lq), F)
    ratios = sorted({int(r) for r in np.unique(levels) if r > 0} | {1, 2})
    pyramids = {}
    for b, h in np.ndindex(B, H):
        head = h // (H // hk)
        where = (b, head)
        if where not in pyramids:
            key_batch = 0 if x == 19 else b
            pyramids[where] = {r: Pyramid(k[key_batch, head], v[b, head], r, p, x) for r in ratios}
        level_head = b * (hk if x == 12 else H) + h
        for m in range(M):
            rows = np.arange(m * bm, min((m + 1) * bm, lq))
            tiles = make_tiles(work_list(flat[level_head, m], x), pyramids[where], x)
            offset = N * p["blockN"] - M * bm if x == 14 else lk - lq
            positions = rows + offset if p["causal"] else None
            if not tiles:
                o, s = np.zeros((len(rows), dv), F), np.full(len(rows), -np.inf, F)
            else:
                half = -(-len(tiles) // splits)
                parts = [softmax_part(q[b, h, rows], tiles[i:i + half], pyramids[where], positions, scale, x, pyramids[where])
                         for i in range(0, len(tiles), half)]
                o, s = merge(parts, scale, x)
            if x == 21 and rows[-1] == lq - 1:
                rows, o, s = rows[:-1], o[:-1], s[:-1]
            if len(rows) == 0:
                continue
            first = ((b * H + h) * padded_rows + rows[0]) * dv
            if x == 20:  # [B, Lq, H, Dv]
                for i, row in enumerate(rows):
                    at = ((b * lq + row) * H + h) * dv
                    out[at:at + dv] = o[i]
            else:
                room = max(0, min(o.size, out.size - first))
                out[first:first + room] = o.reshape(-1)[:room]
            lse[b, h ^ 1 if x == 22 and H > 1 else h, rows] = s
    return out.reshape(B, H, lq, dv), lse


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
    splits = args.splits or SPLITS.get(number, 1)
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
