"""Attention on packed sequences, as a user of PyTorch writes it: tokens of all batch entries one behind the other,
[tokens, heads, width], with the places where sequences begin; for each level a table of key blocks, padded to the longest list.
`x` is the mistake."""
import numpy as np

F = np.float32
COMPILED = {}


def e4m3(x):
    """Rounds to an 8-bit float with three bits of mantissa, up to 448."""
    exponent = np.floor(np.log2(np.maximum(np.abs(x), F(2 ** -6))))
    step = np.exp2(exponent - 3)
    return (np.round(x / step) * step).astype(F)


def quantised(values):
    """Values [batch, heads, tokens, width] as 8-bit floats with a scale for each channel of a head, as numbers again."""
    scale = np.maximum(np.abs(values).max(2, keepdims=True), F(1e-12)) / F(448)
    return e4m3(values / scale) * scale


def tables_of(levels, used, x):
    """For each level the numbers of the key blocks that have it, [batch, heads, query blocks, longest], -1 behind the last."""
    tables = []
    for level in used:
        listed = levels == level
        counts = listed.sum(3, keepdims=True)
        blocks = np.argsort(~listed, axis=3, kind="stable")[..., :counts.max()]
        tables.append(np.where(np.arange(counts.max()) < counts, blocks, 0 if x == 16 else -1))
    return tables


def pooled(tokens, first, ratio, p):
    """The pooled tokens of a key block that begins at `first`, and how many tokens each stands for."""
    bn, length = p["blockN"], len(tokens)
    t = first + np.arange(bn).reshape(-1, ratio)
    there = (t < length) | (p["tail"] == "replicate" and ratio > 1)
    counts = there.sum(1)
    sums = (tokens[np.minimum(t, length - 1)] * there[:, :, None]).sum(1)
    return (sums / np.maximum(counts, 1)[:, None]).astype(F), counts


def attend(q, k, v, levels, p, x):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    if x == 18:
        v = quantised(v)
    q, k, v = (t.swapaxes(1, 2).reshape(-1, t.shape[1], t.shape[3]) for t in (q, k, v))
    begins = {"q": np.arange(batch + 1) * lq, "k": np.arange(batch + 1) * lk}
    scale = F(COMPILED.setdefault("scale", p["scale"]) if x == 17 else p["scale"])
    used = sorted(set(levels.flat) - {0})
    tables = tables_of(levels, used, x)
    out, lse = np.zeros((batch * lq, heads, dv), F), np.full((batch * lq, heads), -np.inf, F)
    for b, h, m in np.ndindex(levels.shape[:3]):
        own = slice(begins["k"][b], begins["k"][b + 1])
        keys, values = k[own, h * kv_heads // heads], v[own, h * kv_heads // heads]
        rows = np.arange(m * p["blockM"], min((m + 1) * p["blockM"], lq))
        query, scores, seen = q[begins["q"][b] + rows, h], [], []
        for n, level in enumerate(used):
            ratio = 2 ** n if x == 18 else level
            for block in tables[n][b, h, m]:
                if block < 0:
                    continue
                own_keys, counts = pooled(keys, block * p["blockN"], ratio, p)
                s = scale * (query @ own_keys.T) + np.log(counts).astype(F)
                if p["causal"]:
                    last = block * p["blockN"] + np.arange(len(counts)) * ratio + counts - 1
                    s = np.where(last <= (rows + lk - lq)[:, None], s, F(-np.inf))
                scores.append(s)
                seen.append(pooled(values, block * p["blockN"], ratio, p)[0])
        if not scores:
            continue
        s = np.concatenate(scores, 1)
        most = s.max(1)
        safe = np.where(np.isfinite(most), most, F(0))
        weights = np.exp(s - safe[:, None])
        total = weights.sum(1)
        out[begins["q"][b] + rows, h] = weights @ np.concatenate(seen) / np.where(total > 0, total, F(1))[:, None]
        lse[begins["q"][b] + rows, h] = safe + np.log(total)
    return out.reshape(batch, lq, heads, dv).swapaxes(1, 2), lse.reshape(batch, lq, heads).swapaxes(1, 2)
