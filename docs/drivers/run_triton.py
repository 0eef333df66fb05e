"""Runs the kernels released with the paper on exported cases: python run_triton.py CASES OUTPUTS new|legacy|causal [FILE]

It needs torch, numpy, triton and the released package psa_triton where Python finds it. `new` reads segments and key
blocks of 128, 64 or 32 tokens; `legacy` reads levels and key blocks of 128; `causal` is the kernel of the example for
Qwen2.5-VL: FILE is its psa_kernel_causal.py, and it runs causal cases and others. What a kernel is not made for is left
out, and OUTPUTS/declares.json says why.
"""
import importlib.util
import sys

from case_files import arranged_inputs, run_cases, torch_entry, torch_tensor


def cannot(parameters, kernel):
    """(option, value, why) of a case that the released kernel can not run, or None."""
    options = parameters["options"]
    if parameters["dtype"] not in ("f16", "bf16"):
        return "dtype", parameters["dtype"], "the kernels take f16 and bf16"
    if parameters["headDim"] not in (64, 128):
        return "headDim", parameters["headDim"], "the head dimension has to be 64 or 128"
    if parameters["valueDim"] != parameters["headDim"]:
        return "valueDim", parameters["valueDim"], "values have to be as wide as keys"
    if parameters["causal"] and kernel != "causal":
        return "causal", True, "the kernel is not causal"
    for level in options["levels"]:
        if level > 8:
            return "levels", level, "there are no levels above 8"
    if parameters["blockN"] not in ((128, 64, 32) if kernel == "new" else (128,)):
        return "blockN", parameters["blockN"], "the kernel's key blocks have other sizes"
    block = parameters["blockM"]
    if block < 16 or block & (block - 1):
        return "blockM", block, "query blocks have to be a power of two"
    if options["lastBlock"] == "pooled exact":
        return "lastBlock", "pooled exact", "a short last block is padded with its last token before pooling"
    wanted = ("Lq = Lk",) if parameters["causal"] else ("Lq = Lk", "Lq < Lk")
    if options["lengths"] not in wanted:
        why = "positions of queries and keys have to be the same" if parameters["causal"] else "rows are counted by keys"
        return "lengths", options["lengths"], why
    return None


def factory_of(kernel, file):
    """The released function that makes a kernel of block sizes."""
    if kernel == "causal":
        spec = importlib.util.spec_from_file_location("released_causal", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.sparse_attention_factory
    from psa_triton.kernels import psa_sparse_attention, psa_sparse_attention_legacy

    return psa_sparse_attention if kernel == "new" else psa_sparse_attention_legacy


def runner(kernel, file):
    """What run_cases calls."""
    factory = factory_of(kernel, file)

    def run(tensors, parameters):
        import torch

        q, k, v, undo = arranged_inputs(tensors, "cuda")
        queries, block, group = q.shape[2], parameters["blockM"], q.shape[1] // k.shape[1]
        k, v = (x.repeat_interleave(group, dim=1).contiguous() for x in (k, v))
        # Rows are counted by keys: whole blocks of queries keep the kernel from writing behind its output.
        q = torch.nn.functional.pad(q, (0, 0, 0, -queries % block)).contiguous()
        more = {"causal": parameters["causal"]} if kernel == "causal" else {}
        attention = factory(block, parameters["tile"], parameters["blockN"], **more)
        mask = torch_tensor(tensors["segments" if kernel == "new" else "levels"], "cuda").contiguous()
        out = attention(q, k, v, mask, parameters.get("scale"))
        return {"out": torch_entry(undo(out[:, :, :queries]))}

    return run


def main(cases, outputs, kernel, file=None):
    contract = "aligned" if kernel == "new" else None
    run_cases(cases, outputs, runner(kernel, file), lambda parameters: cannot(parameters, kernel), contract)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5) or sys.argv[3] not in ("new", "legacy", "causal"):
        sys.exit(__doc__)
    if (sys.argv[3] == "causal") != (len(sys.argv) == 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
