"""Segmentation without PyTorch: NumPy and the native kernels, or ONNX Runtime.

from salanet.edge import Segmenter

labels = Segmenter("model.safetensors").predict(xyz, rgb=rgb)
"""

from salanet.edge.segmenter import Segmenter

__all__ = ["Segmenter"]
