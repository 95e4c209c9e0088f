"""The tidy table of responses, pseudonyms and their keys; uses no other room of the study."""
