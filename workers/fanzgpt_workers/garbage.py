"""When Python looks for garbage: seldom, and only among what was made since the start."""

import gc
from typing import Final

# Of the interpreter's own 700. Whatever is in flight is made of live objects, and looking through them at every seven
# hundred more was a third of the CPU of a generation; reference counts free nearly everything without it.
YOUNG_OBJECTS: Final = 20_000
OLDER_ROUNDS: Final = 20


def look_for_garbage_seldom() -> None:
    """Leave out of every later search what is there now (modules, settings, wiring), and search less often.

    For a process that is wired and about to work. Cycles made later are still found, at most 20,000 containers after
    they were made; what is there now is never freed again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, OLDER_ROUNDS, OLDER_ROUNDS)
