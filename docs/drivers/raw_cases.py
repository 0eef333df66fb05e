"""Reads and writes the raw format of `deno task export --format raw` with Python's own modules only."""
import array
import json
import os
import struct

CODES = {"f32": "f", "f64": "d", "i32": "i"}


def numbers(dtype, data):
    """The numbers of a tensor's bytes; float16 and bfloat16 become Python floats."""
    if dtype == "f16":
        return [x for (x,) in struct.iter_unpack("<e", data)]
    if dtype == "bf16":
        return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]
    return list(array.array(CODES[dtype], data))


def read_case(path):
    """The tensors of a case by name, as (dtype, shape, numbers), and its metadata with parameters decoded."""
    with open(path) as file:
        described = json.load(file)
    tensors = {}
    for name, entry in described["tensors"].items():
        with open(os.path.join(os.path.dirname(path), entry["file"]), "rb") as file:
            tensors[name] = (entry["dtype"], entry["shape"], numbers(entry["dtype"], file.read()))
    metadata = dict(described["metadata"])
    metadata["parameters"] = json.loads(metadata["parameters"])
    return tensors, metadata


def write_outputs(path, tensors, case=None):
    """Writes outputs, name to (shape, numbers), as float32 beside a JSON of the same name as the case's."""
    stem = os.path.splitext(os.path.basename(path))[0]
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    described = {}
    for name, (shape, values) in tensors.items():
        file_name = f"{stem}.{name}.bin"
        with open(os.path.join(os.path.dirname(path), file_name), "wb") as file:
            array.array("f", values).tofile(file)
        described[name] = {"file": file_name, "dtype": "f32", "shape": shape}
    with open(path, "w") as file:
        json.dump({"metadata": {"case": case} if case else {}, "tensors": described}, file)
