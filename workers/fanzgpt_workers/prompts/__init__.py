"""Versioned prompts and the checks of their answers: one template per generation type.

A template is a file of two blocks, `system` and `user`. The system block holds what never changes, so that providers
can cache it; what people wrote stands in the user block, between delimiters that it cannot contain.
"""
