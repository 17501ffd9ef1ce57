"""A provider to test against: OpenAI's and Anthropic's HTTP, scripted faults, enforced limits, and its own bill.

It is the second opinion on money. Every call is written to the bill before it is answered, in another process than
the one under test, so that what a caller's ledger says can be compared with what a provider would charge.
"""
