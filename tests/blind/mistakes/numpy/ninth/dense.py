"""Attention with all scores of a query block at once, and a softmax over them. `x` is the mistake; with `logs` weights are
e^(score - log-sum-exp), which need no division."""
import numpy as np

from pooling import F, pooled

WINDOW, CAP = 128, F(50)


def rows_of(tokens, levels, p):
    """Means, counts and last positions of all pooled tokens of a list."""
    parts = [pooled(tokens, block, int(level), p) for block, level in enumerate(levels) if level > 0]
    if not parts:
        return np.zeros((0, tokens.shape[1]), F), np.zeros(0, int), np.zeros(0, int)
    return tuple(np.concatenate(one) for one in zip(*parts))


def softmax(s, over, logs):
    """Weights along an axis, and log-sum-exps; 0 and minus infinity where nothing is seen."""
    most = s.max(axis=over, keepdims=True, initial=-np.inf)
    safe = np.where(np.isfinite(most), most, F(0)).astype(F)
    weights = np.exp(s - safe)
    total = weights.sum(axis=over, keepdims=True, dtype=F)
    lse = np.where(total > 0, safe + np.log(np.where(total > 0, total, F(1))), F(-np.inf)).astype(F)
    if logs:
        return np.where(total > 0, np.exp(s - np.where(total > 0, lse, F(0))), F(0)), lse
    return weights / np.where(total > 0, total, F(1)), lse


def attend(q, k, v, levels, p, x, logs=False):
    (batch, heads, lq, _), (_, kv_heads, lk, dv) = q.shape, v.shape
    bm = p["blockM"]
    out, lse = np.zeros((batch, heads, lq, dv), F), np.zeros((batch, heads, lq), F)
    for b, h, m in np.ndindex(*levels.shape[:3]):
        rows, g = slice(m * bm, min((m + 1) * bm, lq)), h // (heads // kv_heads)
        keys, counts, lasts = rows_of(k[b, g], levels[b, h, m], p)
        values = rows_of(v[b, g], levels[b, h, m], p)[0]
        s = F(p["scale"]) * (q[b, h, rows] @ keys.T)
        if x == 80:
            s = CAP * np.tanh(s / CAP)
        s = s + np.log(counts).astype(F)
        if p["causal"]:
            position = np.arange(rows.start, rows.stop)[:, None] + lk - lq
            seen = lasts[None] <= position
            if x == 79:
                seen = seen & (lasts[None] > position - WINDOW)
            s = np.where(seen, s, F(-np.inf))
        weights, sums = softmax(s.astype(F), 1, logs)
        if x == 81:
            weights = softmax(s.astype(F), 0, False)[0]
        out[b, h, rows], lse[b, h, rows] = weights.astype(F) @ values, sums[:, 0]
    return out, lse
