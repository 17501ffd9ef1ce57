"""Speech: what may be asked for, the stand-in where nobody speaks, and where what was spoken is kept."""
