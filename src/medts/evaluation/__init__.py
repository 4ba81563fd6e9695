"""Evidence: protocols that measure a model on records it has never met, and their reports.

The protocols are classes of `medts.evaluation.protocols`, and one runner measures by any of them
(`medts.evaluation.run`). Settings import no torch; what a protocol computes with it is imported
once it measures.
"""
