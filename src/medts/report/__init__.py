"""HTML reports and SVG figures of evaluations and recordings; values come from `evaluation`.

Pages are Jinja2 templates (`medts.report.page`), recordings are drawn on millimetre paper as SVG
(`medts.report.paper`). Everything here takes arrays and plain values and needs no torch.
"""
