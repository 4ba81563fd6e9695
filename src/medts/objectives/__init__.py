"""Objectives: what is optimised, with the parts that are thrown away afterwards.

Settings are in `medts.objectives.settings`.
"""
