"""ONNX in, .lrm out, with proof."""
