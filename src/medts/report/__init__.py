"""Report: what a person looks at. Evaluation computes values; this room turns them into pages.

Pages are Jinja2 templates (`medts.report.page`), recordings are drawn on millimetre paper as SVG
(`medts.report.paper`). Everything here takes arrays and plain values and needs no torch.
"""
