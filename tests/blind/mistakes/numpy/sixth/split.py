"""Attention whose key blocks are cut into ranges: one program a range, then a pass that joins the ranges.

Scores are in base 2: the scale holds log2(e). Keys and values are pooled as they are read. `x` is the mistake.
"""
import numpy as np

F = np.float32
SPLITS, STEP = 3, 16
LOG2E = 1.4426950408889634


def pooled_rows(tokens, first, length, level, whole, x, keys):
    """The means of `level` tokens of a block, and how many each counts; a tail is short or filled with the last token."""
    rows, counts = [], []
    for t in range(0, length, level):
        count = min(level, length - t)
        if x == 22 and not whole and count < level:
            count -= 1  # the end of the tail is taken for the last token
            if count == 0:
                continue
        part = tokens[first + t:first + t + count]
        if whole and level > 1 and count < level:
            part = np.concatenate([part, np.repeat(tokens[-1:], level - count, axis=0)])
        rows.append(part.mean(axis=0, dtype=F))
        counts.append(len(part))
    if whole and level > 1:  # groups wholly behind the end are the last token
        block = -(-length // level) * level
        while block < whole:
            rows.append(tokens[-1].astype(F))
            counts.append(level)
            block += level
    rows = np.array(rows, F).reshape(len(rows), tokens.shape[1])
    if x == 12 and keys and level > 1:
        rows = rows.astype(np.float16).astype(F)
    return rows, np.array(counts, F)


def one_range(q, k, v, row, blocks, positions, p, x):
    """Partial output and base-2 lse of the rows of q for a range of key blocks."""
    bn, lk = p["blockN"], k.shape[0]
    most = np.full(len(q), -np.inf, F)
    total, acc = np.zeros(len(q), F), np.zeros((len(q), v.shape[1]), F)
    q = q * F(p["scale"] * LOG2E)
    for j in blocks:
        level = int(row[j])
        if level == 0:
            continue
        first, length = j * bn, min(bn, lk - j * bn)
        whole = bn if p["tail"] == "replicate" and length < bn else 0
        keys, counts = pooled_rows(k, first, length, level, whole, x, True)
        values, _ = pooled_rows(v, first, length, level, whole, x, False)
        last = first + np.arange(len(keys)) * level + counts.astype(int) - 1
        for t in range(0, len(keys), STEP):
            some = slice(t, t + STEP)
            s = q @ keys[some].T + (np.log(counts[some]) if x == 14 else np.log2(counts[some]))
            if p["causal"]:
                s = np.where(last[some][None] <= positions[:, None], s, F(-np.inf))
            now = np.maximum(most, s.max(axis=1))
            base = np.where(np.isfinite(now), now, F(0))
            weights, old = np.exp2(s - base[:, None]), np.exp2(most - base)
            total = total * old + weights.sum(axis=1, dtype=F)
            acc = acc * old[:, None] + weights @ values[some]
            most = now
    seen = total > 0
    safe = np.where(seen, total, F(1))
    return acc / safe[:, None], np.where(seen, np.where(seen, most, F(0)) + np.log2(safe), F(-np.inf))


def join(parts, x):
    """Output and natural lse from the ranges' outputs and base-2 lse."""
    sums = np.stack([s for _, s in parts])
    top = sums.max(axis=0)
    base = np.where(np.isfinite(top), top, F(0))
    weights = np.exp(sums - base) if x == 10 else np.exp2(sums - base)
    total = weights.sum(axis=0)
    out = sum(w[:, None] * o for w, (o, _) in zip(weights, parts)) / np.where(total > 0, total, F(1))[:, None]
    lse = base if x == 22 else base + np.log2(np.where(total > 0, total, F(1)))
    return out, np.where(total > 0, lse / F(LOG2E), F(-np.inf))


def ranges(count, x):
    """The key blocks of each range."""
    length = count // SPLITS if x == 9 and count >= SPLITS else -(-count // SPLITS)
    return [range(i * length, min((i + 1) * length, count)) for i in range(SPLITS)]


def attend(q, k, v, levels, p, x):
    (batch, heads, lq, _), (_, kv_heads, lk, dv) = q.shape, v.shape
    out, lse = np.full((batch, heads, lq, dv), 777, F), np.full((batch, heads, lq), 777, F)
    for b, h, m in np.ndindex(levels.shape[:3]):
        g = h // (heads // kv_heads)
        start, end = m * p["blockM"], min((m + 1) * p["blockM"], lq)
        if x == 13 and end - start < p["blockM"]:
            start = max(0, lq - p["blockM"])  # moved back, so that all rows of the block are there
        rows = np.arange(start, end)
        positions = rows + lk - lq
        parts = [one_range(q[b, h, rows], k[b, g], v[b, g], levels[b, h, m], blocks, positions, p, x)
                 for blocks in ranges(levels.shape[3], x)]
        out[b, h, rows], lse[b, h, rows] = join(parts, x)
    return out, lse
