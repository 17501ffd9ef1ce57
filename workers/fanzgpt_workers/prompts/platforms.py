"""What a good post is on each platform, in words for the prompt. An unlisted platform gets the general rule.

The rules guide the model; a post that breaks one is still delivered, since its writer can shorten it.
"""

import re
from collections.abc import Mapping
from typing import Final

_GENERAL: Final = "Keep it short enough to be read at a glance, with at most five hashtags."
_RULES: Final[Mapping[str, str]] = {
    "instagram": "A caption: the hook in the first line, under 125 characters, then at most three short paragraphs and "
    "three to five hashtags at the end. At most 2,200 characters.",
    "tiktok": "A video caption: one or two sentences as one speaks, three to five hashtags. At most 300 characters.",
    "x": "One post of at most 280 characters, hashtags and links included; at most two hashtags.",
    "threads": "One conversational post of at most 500 characters; at most one hashtag.",
    "bluesky": "One post of at most 300 characters; hashtags are optional.",
    "mastodon": "One post of at most 500 characters; hashtags in CamelCase.",
    "facebook": "One to three short paragraphs that invite a reply; at most two hashtags.",
    "linkedin": "A professional tone: a strong first line, short paragraphs, a question at the end; at most three "
    "hashtags. At most 3,000 characters.",
    "youtube": "A description: what it is about in the first two lines; at most three hashtags.",
    "reddit": "Plain and personal, no hashtags, no sales talk.",
    "pinterest": "A pin description with the words people search for; at most 500 characters.",
    "snapchat": "One playful sentence of at most 80 characters; no hashtags.",
    "onlyfans": "A personal note to subscribers that teases what is new; no hashtags. At most 1,000 characters.",
    "telegram": "A channel message: the news first, short paragraphs. At most 4,096 characters.",
}
_ALSO: Final[Mapping[str, str]] = {
    "twitter": "x",
    "xtwitter": "x",
    "twitterx": "x",
    "ig": "instagram",
    "insta": "instagram",
    "fb": "facebook",
    "yt": "youtube",
    "snap": "snapchat",
    "bsky": "bluesky",
}
_NOT_A_LETTER: Final = re.compile(r"[^a-z]")


def rule(platform: str) -> str:
    """The rule for a platform, however its name is written."""
    name = _NOT_A_LETTER.sub("", platform.lower())
    return _RULES.get(_ALSO.get(name, name), _GENERAL)
