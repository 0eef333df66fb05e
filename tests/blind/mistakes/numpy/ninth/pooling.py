"""Pooled tokens of a key block, which the kernels in numpy share."""
import numpy as np

F = np.float32


def pooled(tokens, block, level, p):
    """The rows of a key block at a level: their means, counts and last positions."""
    bn, length = p["blockN"], len(tokens)
    places = np.arange(block * bn, (block + 1) * bn).reshape(-1, level)
    repeats = p["tail"] == "replicate" and level > 1
    real = np.ones_like(places, bool) if repeats else places < length
    there = real.any(axis=1)
    places, real = places[there], real[there]
    counts = real.sum(axis=1)
    weights = real[..., None].astype(F)
    means = (tokens[np.minimum(places, length - 1)] * weights).sum(axis=1, dtype=F) / counts[:, None].astype(F)
    return means, counts, places[:, 0] + counts - 1
