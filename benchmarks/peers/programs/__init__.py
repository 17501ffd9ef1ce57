"""The peers' programs. Each runs in its peer's environment, imports nothing of ours, and uses its peer's fast settings.

All of them read TOPIC from the group GROUP, call OPENAI_BASE_URL with up to IN_FLIGHT calls at once, publish to
`ai.generation.completed` with all acknowledgements, and commit. None has a ledger, limits, prices or metrics.
"""
