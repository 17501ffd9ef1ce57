"""`python -m fanzgpt_stack.emulator` is `fanzgpt emulator`."""

from fanzgpt_stack.emulator.cli import app

if __name__ == "__main__":
    app(prog_name="fanzgpt emulator")
