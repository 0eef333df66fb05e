"""Attention as a first port in numpy: a pyramid of means of each level, then softmax and two products for a query block.

`x` plants a mistake, 1 to 8; 0 is right.
"""
import numpy as np

F = np.float32


def means_of(tokens, r, block, copies):
    """Means of each r tokens of one head, how many tokens each stands for, and its first place."""
    length, whole = len(tokens), -(-len(tokens) // block) * block
    first = np.arange(0, whole, r)
    count = np.clip(length - first, 0, r)
    if copies and r > 1:
        count = np.full(len(first), r)
        tokens = np.concatenate([tokens, np.repeat(tokens[-1:], whole - length, 0)])
    else:
        tokens = np.concatenate([tokens, np.zeros((whole - length, tokens.shape[1]), F)])
    sums = tokens.reshape(-1, r, tokens.shape[1]).sum(1)
    return sums / np.maximum(count, 1)[:, None].astype(F), count, first


def pyramid_of(tokens, ratios, p, x):
    """For each level: means, counts, first places."""
    levels = {}
    for r in ratios:
        means, count, first = means_of(tokens, r, p["blockN"], p["tail"] == "replicate")
        if x == 2 and p["tail"] != "replicate":
            # Padding is averaged and counted like tokens.
            means, count = means * (np.maximum(count, 1) / r)[:, None].astype(F), np.full(len(first), r)
        levels[r] = means, count, first
    return levels


def listed(keys, values, row, block):
    """Pooled tokens of all key blocks of a query block: keys, values, counts, first places."""
    parts = []
    for j, r in enumerate(row):
        if r > 0:
            at = slice(j * block // r, (j + 1) * block // r)
            means, count, first = (part[at] for part in keys[r])
            is_there = count > 0
            parts.append([part[is_there] for part in (means, values[r][0][at], count, first)])
    return [np.concatenate(part) for part in zip(*parts)] if parts else None


def softmax_of(scores):
    """Weights that are not divided yet, their sums, and the largest scores."""
    most = scores.max(1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(most), most, F(0)))
    return weights, weights.sum(1, keepdims=True), most


def attend(q, k, v, levels, p, x):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    bm, block = p["blockM"], p["blockN"]
    scale = F(d ** -0.5 if x == 6 else p["scale"])
    out, lse = np.zeros((batch, heads, lq, dv), F), np.full((batch, heads, lq), -np.inf, F)
    ratios = [int(r) for r in np.unique(levels) if r > 0]
    for b, h in np.ndindex(batch, heads):
        head = h % kv_heads if x == 1 else h // (heads // kv_heads)
        keys, values = (pyramid_of(t[b, head], ratios, p, x) for t in (k, v))
        if x == 5:
            values = {r: (means * count[:, None].astype(F), count, first) for r, (means, count, first) in values.items()}
        for m in range(levels.shape[2]):
            tokens = listed(keys, values, levels[b, h, m], block)
            if tokens is None:
                continue
            means, averages, count, first = tokens
            rows = np.arange(m * bm, min((m + 1) * bm, lq))
            scores = scale * (q[b, h, rows] @ means.T)
            if x != 8:
                scores = scores + (np.log2(count) if x == 3 else np.log(count)).astype(F)
            if p["causal"]:
                # A level-1 block ends with its tokens; a pooled token reaches to its last one.
                reach = first if x == 4 else first + count - 1
                hidden = reach[None, :] > (rows + lk - lq)[:, None]
                scores = np.where(hidden, F(-1e9 if x == 7 else -np.inf), scores)
            weights, total, most = softmax_of(scores)
            seen = total[:, 0] > 0
            out[b, h, rows[seen]] = (weights @ averages)[seen] / total[seen]
            lse[b, h, rows[seen]] = (most + np.log(np.maximum(total, F(1e-30))))[seen, 0]
    return out, lse
