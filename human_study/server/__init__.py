"""The local study server: store, security, site, what runs when a participant answers; uses table, design and batch."""
