"""Experiments: the settings of a preset (schema.py) and the presets that ship with the suite (*.yaml)."""
