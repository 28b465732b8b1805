"""Lines of the furnace door's controller, written out by hand from the reference (5.7)."""

STATUS = b"Status\n"
OPEN_A = b"Open A\n"
CLOSE_B = b"Close B\n"

SHUT = b"State: STOP;Furnace A: Closed\n"
OPENING = b"State: RUNNING;Furnace A: Closed\n"
OPEN = b"State: STOP;Furnace A: Open\n"
FAULT = b"State: ERROR;Furnace A: Closed\n"
TWO_DOORS = b"State: STOP;Furnace A: Closed;Furnace B: Open\n"
