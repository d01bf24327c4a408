"""The Protocol Buffers message of Sparkplug B.

Source: Eclipse Sparkplug 3.0.0, section 6.4, "Sparkplug B v1.0 Payload Definition". Unknown fields,
such as data sets, are skipped.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "org.eclipse.tahu.protobuf"
_MESSAGES = {
    "Payload": "1 timestamp uint64, 2 metrics Metric*, 3 seq uint64, 4 uuid string, 5 body bytes",
    "Metric": "1 name string, 2 alias uint64, 3 timestamp uint64, 4 datatype uint32,"
    " 5 is_historical bool, 6 is_transient bool, 7 is_null bool, 9 properties PropertySet,"
    " 10 int_value uint32, 11 long_value uint64, 12 float_value float, 13 double_value double,"
    " 14 boolean_value bool, 15 string_value string, 18 template_value Template",
    "Template": "1 version string, 2 metrics Metric*, 4 template_ref string, 5 is_definition bool",
    "PropertySet": "1 keys string*, 2 values PropertyValue*",
    "PropertyValue": "1 type uint32, 2 is_null bool, 8 string_value string",
}
"""The number, the name and the type of each field; `*` marks a repeated one."""

_TYPES = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "string": FieldDescriptorProto.TYPE_STRING,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
}


_OPTIONAL, _REPEATED = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED


def _message(name: str, fields: str) -> DescriptorProto:
    message = DescriptorProto(name=name)
    for field in fields.split(","):
        number, field_name, kind = field.split()
        kind, star = kind.removesuffix("*"), kind.endswith("*")
        one = message.field.add(
            name=field_name,
            number=int(number),
            label=FieldDescriptorProto.LABEL_REPEATED
            if star
            else FieldDescriptorProto.LABEL_OPTIONAL,
            type=_TYPES.get(kind, FieldDescriptorProto.TYPE_MESSAGE),
        )
        if kind not in _TYPES:
            one.type_name = f".{_PACKAGE}.{kind}"
    return message


def _payload_class() -> Any:
    pool = DescriptorPool()  # its own, as another package may define the same message
    file = FileDescriptorProto(name="sparkplug_b.proto", package=_PACKAGE)
    file.message_type.extend(_message(name, fields) for name, fields in _MESSAGES.items())
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


Payload: Any = _payload_class()
"""The class of the message."""
