"""The actions of people: an append-only log of JSON lines in the data folder."""

from rover.audit.file import AuditFile
from rover.audit.log import AuditLog, append_record

__all__ = ["AuditFile", "AuditLog", "append_record"]
