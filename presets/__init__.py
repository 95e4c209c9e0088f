"""Experiments: what a preset may say (schema.py) and the presets that ship with the suite (*.yaml)."""
