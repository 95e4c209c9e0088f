"""Result tables of other platforms, read and taken in; uses table, design and batch."""
