"""Mappings: where tensors live and which commands an operator becomes. One mapping a file."""
