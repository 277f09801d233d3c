"""onnxruntime's attention layers."""
from __future__ import annotations
