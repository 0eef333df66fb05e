"""Attention by one program a (query block, head): pointers and strides into flat memory, a pyramid made before, scores in
base 2, and online softmax over tiles of 32 rows. `x` is the mistake; with `by_level` lists are sorted by level."""
import numpy as np

F = np.float32
TILE, LOG2E, LN2 = 32, F(1.4426950408889634), F(0.6931471805599453)


def bf16(x):
    """Rounds to bfloat16, to even."""
    bits = x.astype(F).view(np.uint32)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(F)
    return np.where(np.isfinite(x), rounded, x).astype(F)


def pool(tokens, level, p, x):
    """All rows of a level, [heads, rows, width], and the counts of the rows."""
    bn, (heads, length, width) = p["blockN"], tokens.shape
    whole = -(-length // bn) * bn
    places = np.arange(whole).reshape(-1, level)
    if p["tail"] == "replicate" and level > 1:
        counts, padded = np.full(len(places), level), tokens[:, np.minimum(np.arange(whole), length - 1)]
    else:
        counts = (places < length).sum(axis=1)
        padded = np.concatenate([tokens, np.zeros((heads, whole - length, width), F)], axis=1)
    if x == 90:
        sums = padded.reshape(heads, whole // level, width, level).sum(axis=3, dtype=F)
    else:
        sums = padded.reshape(heads, whole // level, level, width).sum(axis=2, dtype=F)
    return sums / np.maximum(counts, 1)[:, None].astype(F), counts


def list_of(levels, positions, p, x, by_level):
    """The entries (key block, level) that a query block walks."""
    levels = levels.copy()
    if x == 2 and p["causal"]:
        first = np.arange(len(levels)) * p["blockN"]
        levels[(first <= positions[-1]) & (first + p["blockN"] - 1 > positions[0])] = 1
    order = np.argsort(levels, kind="stable") if by_level or x == 97 else np.arange(len(levels))
    if x == 97:
        order = order[:(levels > 0).sum()]
    return [(block, int(levels[block])) for block in order if levels[block] > 0]


def tiles_of(entries, pyramid, head, p):
    """Keys, values, counts, and last positions, at most 32 rows at a time."""
    for block, level in entries:
        keys, values, counts = pyramid[level]
        rows = p["blockN"] // level
        for first in range(0, rows, TILE):
            local = np.arange(first, min(first + TILE, rows))
            at = block * rows + local
            yield level, keys[head, at], values[head, at], counts[at], at, local


def walk(query, tiles, positions, p, x):
    """The output and log-sum-exp of the rows of a query block."""
    most, total = np.full(len(query), -np.inf, F), np.zeros(len(query), F)
    acc = None
    factor = F(p["scale"]) * (F(1) if x == 92 else LOG2E)
    for level, keys, values, counts, at, local in tiles:
        s = (query @ keys.T) * factor
        if x != 93:
            s = s + np.log2(np.maximum(counts, 1)).astype(F)
        last = (local if x == 1 else at) * level + counts - 1
        seen = last[None] <= positions[:, None] if p["causal"] else np.ones_like(s, bool)
        if x == 87 and p["causal"]:
            s, seen = s + seen.astype(F), np.ones_like(seen)
        s = np.where(seen & (counts > 0), s, F(-np.inf))
        if x == 2:
            s = bf16(s)
        now = np.maximum(most, s.max(axis=1))
        safe = np.where(np.isfinite(now), now, F(0)).astype(F)
        old, weights = np.exp2(most - safe).astype(F), np.exp2(s - safe[:, None]).astype(F)
        total = total * old + weights.sum(axis=1, dtype=F)
        if x == 93:
            weights = weights * counts.astype(F)
        product = weights @ values
        acc = np.zeros_like(product) if acc is None else acc
        if x == 94:
            acc = (acc + product) * np.where(np.isfinite(most), old, F(1))[:, None]
        else:
            acc = acc * old[:, None] + product
        most = now
    if acc is None:
        return None
    there = total > 0
    total = np.where(there, total, F(1))
    lse = np.where(there, (np.where(there, most, F(0)) + np.log2(total)) * LN2, F(-np.inf))
    return np.where(there[:, None], acc / total[:, None], F(0)).astype(F), lse.astype(F)


def attend(q, k, v, levels, p, x, by_level=False):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    bm, group, blocks, n = p["blockM"], heads // kv_heads, levels.shape[2], levels.shape[3]
    q_batch, q_head, q_row = (lq * heads * d, d, heads * d) if x == 86 else (heads * lq * d, lq * d, d)
    out_row = d if x == 99 else dv
    flat, flat_levels = np.ascontiguousarray(q).ravel(), np.ascontiguousarray(levels).ravel()
    pyramid = {}
    for level in map(int, np.unique(np.append(levels[levels > 0], 1))):
        keys, counts = pool(k.reshape(-1, lk, d), level, p, x)
        pyramid[level] = keys, pool(v.reshape(-1, lk, dv), level, p, x)[0], counts
    out, lse = np.zeros(batch * heads * lq * dv, F), np.full(batch * heads * lq, -np.inf, F)
    for program in range(batch * heads * blocks):
        pair, m = divmod(program, blocks)
        b, h = divmod(pair, heads)
        rows = np.arange(m * bm, min((m + 1) * bm, lq))
        query = flat[(b * q_batch + h * q_head + rows * q_row)[:, None] + np.arange(d)]
        at = pair * blocks * n + (np.arange(n) * blocks + m if x == 85 else m * n + np.arange(n))
        positions = rows + lk - lq
        entries = list_of(flat_levels[at], positions, p, x, by_level)
        result = walk(query, tiles_of(entries, pyramid, b * kv_heads + h // group, p), positions, p, x)
        if result is None:
            continue
        to = b * heads + (h % group * kv_heads + h // group if x == 1 else h)
        places = (to * lq * dv + rows * out_row)[:, None] + np.arange(dv)
        for row, values in zip(places, result[0]):  # later rows over earlier ones
            out[row[row < len(out)]] = values[row < len(out)]
        lse[to * lq + rows] = result[1]
    return out.reshape(batch, heads, lq, dv), lse.reshape(batch, heads, lq)
