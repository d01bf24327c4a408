"""Named access tokens: their file, their checks, and the commands that change them."""

from rover.tokens.tokens import Tokens

__all__ = ["Tokens"]
