"""How a flight team works in a channel: polls, calls, corrections and moderation."""
