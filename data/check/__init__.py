"""A dataset looked at as a whole: its balance, everything that is wrong with it, a contact sheet."""
