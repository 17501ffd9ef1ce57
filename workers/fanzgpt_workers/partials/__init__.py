"""Answers shown while they are made: at best effort, beside the ending, which alone counts."""
