"""Modbus TCP frames, written out by hand from the protocol: request, then its answer."""

READ_PV = bytes.fromhex("0001 0000 0006 01 03 0001 0001")
PV_21_4 = bytes.fromhex("0001 0000 0005 01 03 02 00d6")
"""214: 21.4 degC with one decimal."""

READ_TWO_INPUTS = bytes.fromhex("0002 0000 0006 01 04 0064 0002")
TWO_INPUTS = bytes.fromhex("0002 0000 0007 01 04 04 0258 0007")

WRITE_REGISTER = bytes.fromhex("0003 0000 0006 01 06 0064 0258")
"""Its answer is an echo."""

WRITE_FLOAT = bytes.fromhex("0004 0000 000b 01 10 c122 0002 04 4461 0000")
"""900.0 as float32 to the target of segment 1: 0x8000 + 2 * 8337 = 0xC122, high word first."""
FLOAT_WRITTEN = bytes.fromhex("0004 0000 0006 01 10 c122 0002")

WRITE_COIL = bytes.fromhex("0005 0000 0006 01 05 0000 ff00")
"""Its answer is an echo."""
WRITE_COILS = bytes.fromhex("0006 0000 0009 01 0f 0000 000a 02 cd 01")
"""Ten coils: 1 0 1 1 0 0 1 1, 1 0."""
COILS_WRITTEN = bytes.fromhex("0006 0000 0006 01 0f 0000 000a")
READ_COILS = bytes.fromhex("0007 0000 0006 01 01 0000 000a")
COILS = bytes.fromhex("0007 0000 0005 01 01 02 cd 01")
READ_CONTACT = bytes.fromhex("0008 0000 0006 01 02 0000 0001")
CONTACT_ON = bytes.fromhex("0008 0000 0004 01 02 01 01")

ILLEGAL_FUNCTION = bytes.fromhex("0009 0000 0003 01 ab 01")
"""To function 0x2b."""
ILLEGAL_ADDRESS = bytes.fromhex("000a 0000 0003 01 83 02")
ILLEGAL_VALUE = bytes.fromhex("000b 0000 0003 01 86 03")
DEVICE_FAILURE = bytes.fromhex("000c 0000 0003 01 85 04")
BUSY = bytes.fromhex("000d 0000 0003 01 90 06")
