"""Ways to language models: the official SDKs, the lean wire adapters, and what calls cost.

`opening` gives the providers of a process; an SDK is imported only when its adapter is opened. What a request body
looks like and how an answer is read stands once per protocol (`chat_completions`, `messages`), so that the two adapters
of a protocol cannot differ in it.
"""
