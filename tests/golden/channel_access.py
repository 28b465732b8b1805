"""Channel Access messages written out by hand from the protocol specification."""

from __future__ import annotations

VERSION = bytes.fromhex("0000 0000 0000 000d 00000000 00000000")
"""CA_PROTO_VERSION, priority 0, minor version 13."""

HOST_NAME = bytes.fromhex("0015 0008 0000 0000 00000000 00000000") + b"lab\0\0\0\0\0"
CLIENT_NAME = bytes.fromhex("0014 0008 0000 0000 00000000 00000000") + b"sdl\0\0\0\0\0"

CREATE_CHANNEL = bytes.fromhex("0012 0010 0000 0000 00000007 0000000d") + b"SDL:F1:RBV\0\0\0\0\0\0"
"""CA_PROTO_CREATE_CHAN for client channel 7."""
CHANNEL_CREATED = bytes.fromhex("0012 0000 0006 0001 00000007 00000003")
"""DBR_DOUBLE, one value, client channel 7, server channel 3."""
CHANNEL_ABSENT = bytes.fromhex("001a 0000 0000 0000 00000007 00000000")
ACCESS_RIGHTS = bytes.fromhex("0016 0000 0000 0000 00000007 00000003")

READ_DOUBLE = bytes.fromhex("000f 0000 0014 0001 00000003 00000009")
"""CA_PROTO_READ_NOTIFY of DBR_TIME_DOUBLE from server channel 3, request 9."""
READ_STRING = bytes.fromhex("000f 0000 000e 0001 00000003 00000009")
DOUBLE_READ = bytes.fromhex(
    "000f 0018 0014 0001 00000001 00000009"  # ECA_NORMAL, request 9
    "0000 0000 3b9aca00 1dcd6500 00000000"  # no alarm, 1e9 s, 0.5e9 ns, padding
    "4074c00000000000"
)
"""332.0"""
DOUBLE_INVALID = bytes.fromhex(
    "000f 0018 0014 0001 00000001 00000009 0001 0003 3b9aca00 00000000 00000000 7ff8000000000000"
)
"""NaN in the severity INVALID, status READ."""
STRING_READ = bytes.fromhex(
    "000f 0038 000e 0001 00000001 00000009 0000 0000 3b9aca00 00000000"
) + b"RUNNING".ljust(44, b"\0")
"""The value is 40 bytes, the payload padded to eight."""

WRITE_DOUBLE = bytes.fromhex("0013 0008 0006 0001 00000003 0000000a 4074c00000000000")
"""CA_PROTO_WRITE_NOTIFY of 332.0 to server channel 3, request 10."""
WRITE_STRING = bytes.fromhex("0013 0028 0000 0001 00000003 0000000a") + b"air".ljust(40, b"\0")
WRITTEN = bytes.fromhex("0013 0000 0006 0001 00000001 0000000a")
WRITE_REFUSED = (
    bytes.fromhex("000b 0020 0000 0000 00000007 000000a0")
    + WRITE_DOUBLE[:16]
    + b"too hot".ljust(16, b"\0")
)
"""CA_PROTO_ERROR about request 10, ECA_PUTFAIL."""
