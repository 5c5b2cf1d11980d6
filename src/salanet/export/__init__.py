"""Models as one ONNX file, as a `torch.export` program, or with weights of half the size."""

from salanet.export.flat import FlatNetwork, flat_inputs
from salanet.export.onnx import Precision, export, require_packages, trace
from salanet.export.smaller import save_float16
from salanet.export.verify import Agreement, verify

__all__ = [
    "Agreement",
    "FlatNetwork",
    "Precision",
    "export",
    "flat_inputs",
    "require_packages",
    "save_float16",
    "trace",
    "verify",
]
