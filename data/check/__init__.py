"""Checks of a dataset as a whole: its balance, everything that is wrong with it, a contact sheet."""
