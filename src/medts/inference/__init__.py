"""Inference: load a bundle, predict, embed, explain, stream, export to ONNX."""
