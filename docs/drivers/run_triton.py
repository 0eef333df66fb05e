"""Runs the kernels released with the paper on exported cases: python run_triton.py CASES OUTPUTS [new|legacy]

It needs torch, numpy, triton and the released package psa_triton, and cases in f16 or bf16. `new` reads segments and key
blocks of 128, 64 or 32 tokens; `legacy` reads levels and key blocks of 128. Cases that a kernel is not made for are left
out, with the reason; verify then calls them missing, so export with a filter, such as --filter "attention D=64".
"""
import struct
import sys

from case_files import arranged_inputs, run_cases, torch_entry, torch_tensor


def reason_to_skip(parameters, tensors, kernel):
    """Why the released kernel can not run a case, or None."""
    levels = {level for (level,) in struct.iter_unpack("<i", tensors["levels"][2])}
    queries, keys, block = parameters["seqQ"], parameters["seqK"], parameters["blockM"]
    if tensors["q"][0] not in ("F16", "BF16"):
        return "the kernels take f16 and bf16"
    if parameters["headDim"] not in (64, 128) or parameters["valueDim"] != parameters["headDim"]:
        return "the head dimension has to be 64 or 128, for values as well"
    if parameters["causal"]:
        return "these kernels are not causal"
    if not levels <= {0, 1, 2, 4, 8}:
        return "levels above 8"
    if parameters["blockN"] not in ((128, 64, 32) if kernel == "new" else (128,)):
        return f"key blocks of {parameters['blockN']}"
    if block < 16 or block & (block - 1):
        return f"query blocks of {block}"
    if queries > keys or (queries < keys and queries % block):
        return "rows of queries are counted by the number of keys"
    return None


def runner(kernel):
    """What run_cases calls."""
    from psa_triton.kernels import psa_sparse_attention, psa_sparse_attention_legacy

    def run(tensors, parameters):
        q, k, v, undo = arranged_inputs(tensors, "cuda")
        group = q.shape[1] // k.shape[1]
        k, v = (x.repeat_interleave(group, dim=1).contiguous() for x in (k, v))
        factory = psa_sparse_attention if kernel == "new" else psa_sparse_attention_legacy
        attention = factory(parameters["blockM"], parameters["tile"], parameters["blockN"])
        mask = torch_tensor(tensors["segments" if kernel == "new" else "levels"], "cuda")
        return {"out": torch_entry(undo(attention(q.contiguous(), k, v, mask, parameters.get("scale"))))}

    return run


def main(cases, outputs, kernel="new"):
    run_cases(cases, outputs, runner(kernel), lambda *case: reason_to_skip(*case, kernel))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["new"], ["legacy"]):
        sys.exit(__doc__)
    main(*sys.argv[1:])
