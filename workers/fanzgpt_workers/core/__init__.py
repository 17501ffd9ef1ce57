"""Pure decisions and the values they are made of: no asyncio, clock, randomness or I/O."""
