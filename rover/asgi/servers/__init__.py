"""Workarounds and facts that concern one server each. A file can be deleted with its reason."""
