"""The settings as a table, for `rover settings` and docs/settings.md."""

from __future__ import annotations

from dataclasses import fields

from rover.setting_fields import default_text, unit_of, variable_of
from rover.settings import CONFIG_VARIABLE, Settings


def settings_table() -> str:
    """Every setting as a Markdown table."""
    rows = [
        "| variable | default | what it is |",
        "| --- | --- | --- |",
        f"| `{CONFIG_VARIABLE}` | `rover.toml`, if it exists | configuration file, with all other "
        "settings and more |",
    ]
    for info in fields(Settings):
        text = default_text(info)
        default = info.metadata["unset"] or (f"`{text}`" if text else "none")
        cell = f"{default} {unit_of(info)}".rstrip()
        rows.append(f"| `{variable_of(info)}` | {cell} | {info.metadata['help']} |")
    return "\n".join(rows)
