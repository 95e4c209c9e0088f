"""One file per published dataset of photographs, and own folders; uses the readers of `data`."""
