"""MT-SICS and Quantos lines, written out by hand from the reference (5.2).

The weight field is ten characters wide and right-justified: ``S S     100.00 g`` in the manual.
Quantos answers repeat the command without its last parameter; ``61 1`` is a command of its own, so
``QRA 61 1 I 13`` (the public drivers index the answer so: word 3 the status, word 4 the code). A
queried value stands before the status: ``QRD 2 3 7 3 A``.
"""

MANUAL_STABLE = b"S S     100.00 g\r\n"
STABLE = b"S S   12.34567 g\r\n"
DYNAMIC = b"S D   12.34567 g\r\n"
NEGATIVE = b"S S   -0.01250 g\r\n"
NOT_EXECUTABLE = b"S I\r\n"
OVERLOAD = b"S +\r\n"
UNDERLOAD = b"S -\r\n"
BROKEN = b"S S Error 10b\r\n"
SERIAL = b'I4 A "SIM0000001"\r\n'
SYNTAX = b"ES\r\n"
TRANSMISSION = b"ET\r\n"
ZEROED = b"Z A\r\n"
TARED = b"T S   12.34567 g\r\n"

OPEN_DOOR = b"QRA 60 7 3\r\n"
CLOSE_DOOR = b"QRA 60 7 2\r\n"
DOOR_MOVED = b"QRA 60 7 A\r\n"
ASK_DOOR = b"QRD 2 3 7\r\n"
DOOR_CLOSED = b"QRD 2 3 7 2 A\r\n"
DOOR_OPEN = b"QRD 2 3 7 3 A\r\n"
LOCK_PIN = b"QRA 60 2 4\r\n"
PIN_MOVED = b"QRA 60 2 A\r\n"
TARGET_300 = b"QRD 1 1 5 300.0\r\n"
TARGET_TAKEN = b"QRD 1 1 5 A\r\n"
TARGET_TOO_LARGE = b"QRD 1 1 5 250001\r\n"
TARGET_REFUSED = b"QRD 1 1 5 L\r\n"
TOLERANCE_2 = b"QRD 1 1 6 2\r\n"
TOLERANCE_TAKEN = b"QRD 1 1 6 A\r\n"
TOLERANCE_REFUSED = b"QRD 1 1 6 L\r\n"
START = b"QRA 61 1\r\n"
STARTED = b"QRA 61 1 B\r\n"
DOSED = b"QRA 61 1 A\r\n"
NOT_MOUNTED = b"QRA 61 1 I 1\r\n"
BUSY = b"QRA 61 1 I 2\r\n"
NOT_ALLOWED = b"QRA 61 1 I 5\r\n"
NO_FLOW = b"QRA 61 1 I 7\r\n"
STOPPED = b"QRA 61 1 I 8\r\n"
SAMPLER_BLOCKED = b"QRA 61 1 I 13\r\n"
