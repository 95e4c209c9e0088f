"""Layouts and photographs. One file per dataset; torch-free."""
