"""The local study server: database of sessions and answers, pages, security, export, forgetting."""
