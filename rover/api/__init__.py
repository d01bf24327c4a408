"""The description of the HTTP API: operations, the schemas of their bodies, and two documents."""

from rover.api.asyncapi import asyncapi_document
from rover.api.openapi import openapi_document
from rover.api.operation import Answer, Body, Channel, Described, Operation

__all__ = [
    "Answer",
    "Body",
    "Channel",
    "Described",
    "Operation",
    "asyncapi_document",
    "openapi_document",
]
