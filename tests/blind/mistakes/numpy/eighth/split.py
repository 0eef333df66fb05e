"""Attention with split keys: programs work on parts of the list of a query block and keep an output and a log-sum-exp of each
part; a second kernel combines them, 8 rows in a program.

Each part subtracts the mean of its keys from them, which makes scores small, and adds its product with the query to the part's
log-sum-exp. `x` is the mistake. With `tree` there are eight parts, combined in pairs.
"""
import numpy as np

F = np.float32
TILE, ROWS = 32, 8


def rows_of(keys, values, listed, p):
    """The pooled rows of the listed key blocks: keys, values, counts and last positions."""
    bn, length = p["blockN"], len(keys)
    found = []
    for block, level in listed:
        repeats = p["tail"] == "replicate" and level > 1
        for first in range(block * bn, (block + 1) * bn, level):
            places = np.arange(first, first + level)
            places = places if repeats else places[places < length]
            if len(places):
                safe = np.minimum(places, length - 1)
                found.append((keys[safe].mean(axis=0, dtype=F), values[safe].mean(axis=0, dtype=F), len(places), places[-1]))
    return [np.array(each) for each in zip(*found)]


def run_part(queries, positions, listed, keys, values, scale, p, x):
    """The normalised outputs and log-sum-exps of a part of the list."""
    rows, dv = len(queries), values.shape[1]
    most, total, acc = np.full(rows, -np.inf, F), np.zeros(rows, F), np.zeros((rows, dv), F)
    if not listed:
        return acc, most
    pk, pv, counts, lasts = rows_of(keys, values, listed, p)
    middle = pk.mean(axis=0, dtype=F)
    pk, logs = pk - middle, np.log(counts).astype(F)
    for at in range(0, len(pk), TILE):
        tile = slice(at, at + TILE)
        s = F(scale) * (queries @ pk[tile].T) + logs[tile]
        if p["causal"]:
            s = np.where(lasts[tile][None] <= positions[:, None], s, F(-np.inf))
        now = np.maximum(most, s.max(axis=1))
        safe = np.where(np.isfinite(now), now, F(0)).astype(F)
        weights, old = np.exp(s - safe[:, None]), np.exp(most - safe)
        total, most = total * old + weights.sum(axis=1, dtype=F), now
        acc = acc * old[:, None] + weights @ pv[tile]
        if x == 59:
            acc = acc / np.where(total > 0, total, F(1))[:, None]
    some = total > 0
    over = np.where(some, total, F(1))
    out = acc if x == 59 else acc / over[:, None]
    back = F(0) if x == 58 else F(scale) * (queries @ middle)
    return out, np.where(some, np.where(some, most, F(0)) + np.log(over) + back, F(-np.inf)).astype(F)


def joined(a, b):
    """Two parts, (outputs, log-sum-exps), as one."""
    most = np.maximum(a[1], b[1])
    safe = np.where(np.isfinite(most), most, F(0)).astype(F)
    wa, wb = np.exp(a[1] - safe), np.exp(b[1] - safe)
    total = np.where(wa + wb > 0, wa + wb, F(1))
    out = (a[0] * wa[..., None] + b[0] * wb[..., None]) / total[..., None]
    return out.astype(F), np.where(wa + wb > 0, safe + np.log(total), F(-np.inf)).astype(F)


def combined(parts, tree):
    if tree:
        while len(parts) > 1:
            parts = [joined(parts[i], parts[i + 1]) for i in range(0, len(parts), 2)]
    while len(parts) > 1:
        parts = [joined(parts[0], parts[1])] + parts[2:]
    return parts[0]


def attend(q, k, v, levels, p, x, tree=False):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    bm, pairs, splits = p["blockM"], batch * heads, 8 if tree else 3
    outs, sums = np.zeros((splits, pairs, lq, dv), F), np.full((splits, pairs, lq), -np.inf, F)
    for pair, m in np.ndindex(pairs, levels.shape[2]):
        b, h = divmod(pair, heads)
        g = h * kv_heads // heads
        rows = np.arange(m * bm, min((m + 1) * bm, lq))
        listed = [(j, int(r)) for j, r in enumerate(levels[b, h, m]) if r > 0]
        for s in range(splits):
            part = listed[len(listed) * s // splits:len(listed) * (s + 1) // splits]
            scale = p["scale"] ** (s + 1) if x == 63 else p["scale"]
            outs[s, pair, rows], sums[s, pair, rows] = run_part(
                q[b, h, rows], rows + lk - lq, part, k[b, g], v[b, g], scale, p, x)
    out, lse = combined([(outs[s].reshape(-1, dv), sums[s].reshape(-1)) for s in range(splits)], tree)
    if x == 63:
        lse = sums[-1]
    stored, count = np.zeros_like(out), len(out)
    for first in range(0, count, ROWS):
        for i in range(min(ROWS, count - first)):
            to = first + i * heads if x == 60 else first + i
            if to < count:
                stored[to] = out[first + i]
    return stored.reshape(batch, heads, lq, dv), lse.reshape(batch, heads, lq)
