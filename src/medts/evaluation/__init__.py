"""Evaluation protocols: metrics, intervals and controls on records not seen in training.

The protocols are classes of `medts.evaluation.protocols`, and one runner measures by any of them
(`medts.evaluation.run`). Settings import no torch; what a protocol computes with it is imported
once it measures.
"""
