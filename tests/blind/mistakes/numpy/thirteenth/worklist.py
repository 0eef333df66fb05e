"""Attention by work items, as in Triton: levels are packed in four bits, lists of all query blocks lie one behind the other, a
tile finds its entry by a search in the running number of tiles, and a list is cut into parts, which are joined by their
log-sum-exps. `x` is the mistake."""
import numpy as np

F = np.float32
TILE = 32


def cdiv(a, b):
    return -(-a // b)


def bf16(x):
    """Rounds to bfloat16, to even."""
    bits = x.astype(F).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(F)


def counts_of(first, level, p, length):
    """How many tokens the pooled tokens stand for that begin at `first`."""
    bn = p["blockN"]
    if p["tail"] == "replicate" and level > 1:
        return np.where(first < cdiv(length, bn) * bn, level, 0)
    return np.clip(length - first, 0, level)


def pool(tokens, level, p, x):
    """A level of all heads, [heads, rows, width]: programs of 16 rows."""
    bn, (heads, length, width) = p["blockN"], tokens.shape
    rows = cdiv(length, bn) * bn // level
    to = np.zeros((heads, rows, width), F)
    if level == 1:
        to[:, :length] = tokens
        return to
    for program in range(rows // 16 if x == 7 else cdiv(rows, 16)):
        at = np.arange(program * 16, min(program * 16 + 16, rows))
        counts = counts_of(at * level, level, p, length)
        t = at[:, None] * level + np.arange(level)
        there = np.arange(level) < counts[:, None]
        sums = (tokens[:, np.minimum(t, length - 1)] * there[:, :, None]).sum(2)
        to[:, at] = sums / np.maximum(counts, 1)[:, None]
    return to


def packed(levels):
    """Numbers of levels, 1 + log2, two to a byte: the first in the low half."""
    codes = np.where(levels > 0, 1 + np.log2(np.maximum(levels, 1)), 0).astype(np.uint8)
    codes = np.pad(codes, ((0, 0), (0, codes.shape[1] % 2)))
    return codes[:, ::2] | codes[:, 1::2] << 4


def lists_of(rows, blocks, x):
    """The entries (block, level) of all rows, the finest level first, where each list begins, and how long it is."""
    entries, counts = [], []
    for row in rows:
        halves = (row >> 4, row & 15) if x == 4 else (row & 15, row >> 4)
        codes = np.stack(halves, 1).ravel()[:blocks]
        own = [(int(j), 1 << int(codes[j]) - 1) for j in np.argsort(codes, kind="stable") if codes[j] > 0]
        entries += own
        counts.append(len(own))
    begins = np.cumsum(counts)
    return entries, begins if x == 1 else begins - counts, counts


def walk(q, entries, memory, positions, p, length, x):
    """The output and log-sum-exp of the rows of a query block over a part of a list."""
    keys, values = memory
    bn, dv = p["blockN"], next(iter(values.values())).shape[1]
    most, total, acc = np.full(len(q), -np.inf, F), np.zeros(len(q), F), np.zeros((len(q), dv), F)
    ends = np.cumsum([0] + [cdiv(bn // level, TILE) for _, level in entries])
    for tile in range(ends[-1]):
        e = max(0, int(np.searchsorted(ends, tile, side="left" if x == 2 else "right")) - 1)
        block, level = entries[e]
        width = min(TILE, bn // level)
        at = block * (bn // level) + (tile - ends[e]) * width + np.arange(width)
        if p["causal"] and at[0] * level > positions[-1]:
            continue
        inside = at < len(keys[level])
        counts = np.where(inside, counts_of(at * level, level, p, length), 0)
        own = np.where(inside, at, 0)
        s = F(p["scale"]) * (q @ keys[level][own].T) + np.log(counts).astype(F)
        if p["causal"]:
            s = np.where((at * level + counts - 1)[None] <= positions[:, None], s, F(-np.inf))
        tops = s.max(1)
        now = np.maximum(most, tops)
        safe = np.where(np.isfinite(now), now, F(0))
        old = np.exp(most - safe)
        if x == 6:
            old = np.where(tops == -np.inf, F(0), old)
        weights = np.exp(s - safe[:, None])
        total = total * old + weights.sum(1, dtype=F)
        acc = acc * old[:, None] + weights @ values[level][own]
        most = now
    there = total > 0
    lse = np.where(there, np.where(there, most, F(0)) + np.log(np.where(there, total, F(1))), F(-np.inf))
    return acc / np.where(there, total, F(1))[:, None], bf16(lse) if x == 5 else lse


def join(parts):
    outs, lses = np.stack([out for out, _ in parts]), np.stack([lse for _, lse in parts])
    most = lses.max(0)
    safe = np.where(np.isfinite(most), most, F(0))
    shares = np.exp(lses - safe)
    total = shares.sum(0)
    return (shares[:, :, None] * outs).sum(0) / np.where(total > 0, total, F(1))[:, None], safe + np.log(total)


def attend(q, k, v, levels, p, x, parts):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    query_blocks, blocks, bm = levels.shape[2], levels.shape[3], p["blockM"]
    entries, begins, counts = lists_of(packed(levels.reshape(-1, blocks)), blocks, x)
    used = sorted({level for _, level in entries})
    keys = {level: pool(k.reshape(-1, lk, d), level, p, x) for level in used}
    values = {level: pool(v.reshape(-1, lk, dv), level, p, x) for level in used}
    out, lse = np.zeros((batch, heads, lq, dv), F), np.full((batch, heads, lq), -np.inf, F)
    for item in range(len(counts)):
        pair, m = divmod(item, query_blocks)
        b, h = divmod(pair, heads)
        at = (pair % batch, pair // batch) if x == 3 else (b, h)
        owner = at[0] * kv_heads + at[1] // (heads // kv_heads)
        memory = [{level: tensor[owner] for level, tensor in tensors.items()} for tensors in (keys, values)]
        rows = np.arange(m * bm, min((m + 1) * bm, lq))
        own = entries[begins[item]:begins[item] + counts[item]]
        each = max(1, cdiv(len(own), parts))
        done = [walk(q[b, h, rows], own[n * each:(n + 1) * each], memory, rows + lk - lq, p, lk, x) for n in range(parts)]
        out[b, h, rows], lse[b, h, rows] = join(done)
    return out, lse
