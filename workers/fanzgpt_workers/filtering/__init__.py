"""The content filter: terms that neither a request nor an answer may contain, however they are dressed up."""
