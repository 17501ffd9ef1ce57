"""How much one user may ask within a window, exactly, however many replicas there are."""
