"""Secrets in every string slot of the OTLP messages, and the search for them in what came out."""

from __future__ import annotations

import base64
import itertools
import json
import time
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
SECRETS = ("alice0", "acmesecret", "acme-bucket")
# What a program puts into its texts, each with a secret in it.
TEXTS = (
    "/home/alice0/project/acmesecret.py:12",
    "s3://acme-bucket/acmesecret/part-0.parquet",
    "postgresql://alice0:acmesecret@db.local:5432/x",
    "C:\\Users\\alice0\\acmesecret.py",
    "run --password acmesecret --token=acmesecret",
    json.dumps({"path": "/Users/alice0/acmesecret", "password": "acmesecret of mine", "rows": 3}),
    json.dumps({"inner": json.dumps({"path": "C:\\Users\\alice0\\acmesecret", "token": "acmesecret"})}),
    "FileNotFoundError: [Errno 2] No such file or directory: '/root/alice0/my project/acmesecret.csv'",
    "https://acme-bucket.s3.eu-west-1.amazonaws.com/alice0?X-Amz-Signature=acmesecret",
    "see %2Fhome%2Falice0%2Facmesecret",
    "Authorization: Bearer acmesecret0acmesecret",
    "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 's3://acme-bucket' OPTIONS('aws.secret_access_key' 'acmesecret')",
    "DataSourceExec: file_groups={2 groups: [[home/alice0/a b.parquet], [acme-bucket/acmesecret]]}, file_type=parquet",
    "Command '['load', '--token', 'acmesecret']' returned 1; retry with --password \"acmesecret's\"",
    "'C:\\\\Users\\\\alice0 acmesecret\\\\x.py' of s3%3A%2F%2Facme-bucket%2Facmesecret",
    "-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nacmesecret\n-----END PRIVATE KEY-----",
    "https://alice0:p@acmesecret@db.local?sv=1&sig=acmesecret Pwd=acmesecret;",
)


def forms(secret: str) -> Iterator[bytes]:
    """Every form in which a secret may stand in bytes: itself, percent-encoded, escaped, and base64 at each offset."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    yield json.dumps(secret)[1:-1].encode()
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + secret.encode())
        yield coded[4 if offset else 0 : -4]  # the middle, which does not depend on what stands around


def leaks(body: bytes) -> list[bytes]:
    """The forms of secrets that stand in the bytes."""
    return [form for secret in SECRETS for form in forms(secret) if form in body]


def string_slots(descriptor: Descriptor, seen: set[str] | None = None) -> set[str]:
    """Every string field of a message and of the messages in it, as ``Message.field``."""
    seen = set() if seen is None else seen
    slots: set[str] = set()
    if descriptor.full_name not in seen:
        seen.add(descriptor.full_name)
        for field in descriptor.fields:
            if field.type == FieldDescriptor.TYPE_STRING:
                slots.add(f"{descriptor.name}.{field.name}")
            elif field.message_type is not None:
                slots |= string_slots(field.message_type, seen)
    return slots


def filled_slots(message: Message) -> dict[str, list[str]]:
    """The string slots of a message that hold something, as ``Message.field``, and what they hold."""
    found: dict[str, list[str]] = {}
    for field, value in message.ListFields():
        for each in cast("list[Any]", value) if field.is_repeated else [value]:
            if field.message_type is not None:
                for slot, texts in filled_slots(each).items():
                    found.setdefault(slot, []).extend(texts)
            elif isinstance(each, str):
                found.setdefault(f"{message.DESCRIPTOR.name}.{field.name}", []).append(each)
    return found


def leaking_slots(message: Message, path: str = "") -> list[str]:
    """Where secrets stand in a message, and what stands there: what a failure has to say."""
    found: list[str] = []
    for field, value in message.ListFields():
        here = f"{path}.{field.name}"
        for each in cast("list[Any]", value) if field.is_repeated else [value]:
            if field.message_type is not None:
                found += leaking_slots(each, here)
            elif isinstance(each, str) and leaks(each.encode()):
                found.append(f"{here}: {each}")
            elif isinstance(each, bytes) and leaks(each):
                found.append(f"{here}: {each!r}")
    return found


DEPTH = 3


class Planter:
    """Makes messages with something in every field: each string slot gets one of the texts, keys among them."""

    def __init__(self, texts: tuple[str, ...] = TEXTS) -> None:
        self._texts = itertools.cycle(texts)
        self._numbers = itertools.count(1)
        self.slots: set[str] = set()

    def messages(self, kind: type[Message]) -> list[Message]:
        """Return messages of that kind, as many as it takes to have each alternative of each `oneof` in one."""
        return self._variants(kind, cast("Descriptor", kind.DESCRIPTOR), DEPTH)

    def _variants(self, kind: type[Message], descriptor: Descriptor, depth: int) -> list[Message]:
        alternatives = [
            [field.name for field in oneof.fields if depth or field.message_type is None]
            for oneof in descriptor.oneofs
            if not oneof.name.startswith("_")
        ]
        variants: list[Message] = []
        count = max([len(names) for names in alternatives], default=1)
        for index in range(count):
            chosen = {names[index % len(names)] for names in alternatives if names}
            variants += self._filled(kind, descriptor, chosen, depth)
        return variants

    def _filled(self, kind: type[Message], descriptor: Descriptor, chosen: set[str], depth: int) -> list[Message]:
        children: dict[str, list[Message]] = {}
        for field in descriptor.fields:
            if field.message_type is not None and (field.containing_oneof is None or field.name in chosen):
                deeper = depth - (descriptor.name == "AnyValue")
                probe = kind()
                holder = getattr(probe, field.name)
                child = cast("type[Message]", type(holder.add() if field.is_repeated else holder))
                children[field.name] = self._variants(child, field.message_type, deeper)
        singular = [len(found) for name, found in children.items() if not descriptor.fields_by_name[name].is_repeated]
        messages: list[Message] = []
        for index in range(max(singular, default=1) + (descriptor.name == "KeyValue")):
            message = kind()
            for field in descriptor.fields:
                if field.name in children:
                    found = children[field.name]
                    if field.is_repeated:
                        getattr(message, field.name).extend(found)
                    else:
                        getattr(message, field.name).CopyFrom(found[index % len(found)])
                elif field.containing_oneof is None or field.name in chosen or field.containing_oneof.name[0] == "_":
                    self._set(message, field, secret_key=index >= max(singular, default=1))
            messages.append(message)
        return messages

    def _set(self, message: Message, field: FieldDescriptor, *, secret_key: bool) -> None:
        number = next(self._numbers)
        value: Any
        if field.type == FieldDescriptor.TYPE_STRING:
            slot = f"{message.DESCRIPTOR.name}.{field.name}"
            self.slots.add(slot)
            plain = slot == "KeyValue.key" and not secret_key
            value = f"plain.key{number}" if plain else next(self._texts)
        elif field.type == FieldDescriptor.TYPE_BYTES:
            value = bytes([number % 255 + 1]) * (16 if field.name == "trace_id" else 8)
        elif field.type == FieldDescriptor.TYPE_BOOL:
            value = True
        elif field.type == FieldDescriptor.TYPE_ENUM:
            value = 1
        elif field.type in {FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT}:
            value = 0.5
        else:
            value = time.time_ns() if "time" in field.name else 1
        if field.name.endswith("strindex"):
            return  # an index into a table that only profiles have
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
