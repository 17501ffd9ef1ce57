"""Dead letters as a person deals with them: found, read, sent again, set aside for good."""
