"""Attention in whole tensors, as a user of PyTorch writes it: scores of all levels side by side, a mask, one softmax. Keys lose
the mean of their head, which lse gets back. `x` is the mistake."""
import numpy as np

F = np.float32


def pooled(tokens, level, p):
    """Means of `level` tokens, [batch, heads, rows, width], and how many tokens each stands for."""
    bn, (batch, heads, length, width) = p["blockN"], tokens.shape
    whole = -(-length // bn) * bn
    first = np.arange(0, whole, level)
    copies = p["tail"] == "replicate" and level > 1
    padded = np.pad(tokens, ((0, 0), (0, 0), (0, whole - length), (0, 0)), "edge" if copies else "constant")
    counts = np.full(len(first), level) if copies else np.clip(length - first, 0, level)
    sums = padded.reshape(batch, heads, len(first), level, width).sum(3)
    return (sums / np.maximum(counts, 1)[:, None]).astype(F), counts


def quantised(keys, rows):
    """8-bit integers with a scale for each `rows` keys, as numbers again."""
    blocks = keys.reshape(*keys.shape[:2], -1, rows, keys.shape[3])
    step = np.maximum(np.abs(blocks).max((3, 4), keepdims=True), F(1e-12)) / F(127)
    return (np.round(blocks / step) * step).reshape(keys.shape)


def attend(q, k, v, levels, p, x):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    if x == 2:
        k, v = (t.reshape(batch, lk, kv_heads, -1).swapaxes(1, 2) for t in (k, v))
    group, scale, bm, bn = heads // kv_heads, F(p["scale"]), p["blockM"], p["blockN"]
    mean = k.mean(2, keepdims=True)
    scores, every = [], []
    for level in sorted(set(levels.flat) - {0}):
        keys, counts = pooled(k - mean, level, p)
        last = np.arange(0, len(counts) * level, level) + counts - 1
        if x == 4:
            keys = quantised(keys, bn // level)
        s = scale * (q @ np.repeat(keys, group, 1).swapaxes(2, 3)) + np.log(counts).astype(F)
        listed = np.repeat(levels == level, bm, 2)[:, :, :lq]
        seen = np.tile(listed, bn // level) if x == 1 else np.repeat(listed, bn // level, 3)
        seen = seen & (counts > 0)
        if p["causal"] and not (x == 3 and level > 1):
            seen = seen & (last <= np.arange(lk - lq, lk)[:, None])
        scores.append(np.where(seen, s, F(-np.inf)))
        every.append(np.repeat(pooled(v, level, p)[0], group, 1))
    scores = np.concatenate(scores, 3)
    most = scores.max(3, keepdims=True)
    most = np.where(np.isfinite(most), most, F(0))
    weights = np.exp(scores - most)
    total = weights.sum(3, keepdims=True)
    out = weights @ np.concatenate(every, 2) / np.where(total > 0, total, F(1))
    back = q @ np.repeat(mean, group, 1).swapaxes(2, 3)
    lse = most + np.log(total) + (back if x == 19 else scale * back)
    return out, lse[..., 0]
