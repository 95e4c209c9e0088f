"""From responses to shares, intervals and orders; tables, text, figures; uses table, design and batch."""
