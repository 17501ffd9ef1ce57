"""Images that are to be looked at: fetched without being led astray, measured, and described where no model can."""
