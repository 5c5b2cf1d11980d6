"""Models as one ONNX file, or as a `torch.export` program."""

from salanet.export.flat import FlatNetwork, flat_inputs
from salanet.export.onnx import export, trace
from salanet.export.verify import Agreement, verify

__all__ = ["Agreement", "FlatNetwork", "export", "flat_inputs", "trace", "verify"]
