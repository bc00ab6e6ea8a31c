"""Records of a jobs topic, as lib/kafka/record.h has them."""
import struct
import uuid


def announcement(type, ids):
    return b"HX\x01\x01" + struct.pack(">B", len(type)) + type.encode() + struct.pack(">H", len(ids)) + b"".join(uuid.UUID(id).bytes for id in ids)
