"""Evaluation protocols, one module each: settings, and the class that measures.

No module here imports torch, scikit-learn or `scipy.signal` on import, so that the command line
lists protocols and their settings quickly.
"""
