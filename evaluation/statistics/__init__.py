"""Intervals and tests over layouts, dependence between layouts, and people's preferences."""
