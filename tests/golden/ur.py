"""Lines and packets of a Universal Robots arm, written out by hand from the reference (5.4)."""

GREETING = b"Connected: Universal Robots Dashboard Server\n"

LOAD = b"load sdl_move.urp\n"
LOADED = b"Loading program: sdl_move.urp\n"
LOADED_FROM = b"Loading program: /programs/sdl_move.urp\n"
NOT_LOADED = (
    b"File not found: sdl_move.urp\n",
    b"Error while loading program: sdl_move.urp\n",
)
PLAY = b"play\n"
STARTED = b"Starting program\n"
NOT_STARTED = b"Failed to execute: play\n"
STOP = b"stop\n"
STOPPED = b"Stopped\n"
RUNNING = b"running\n"
RUNS = (b"Program running: true\n", b"Robot running: True\n")
RUNS_NOT = (b"Program running: false\n", b"Robot running: False\n")
ROBOT_MODE = b"robotmode\n"
MODE_RUNNING = b"Robotmode: RUNNING\n"
SAFETY_STATUS = b"safetystatus\n"
SAFETY_NORMAL = b"Safetystatus: NORMAL\n"
SAFETY_PROTECTIVE = b"Safetystatus: PROTECTIVE_STOP\n"
PROGRAM_STATE = b"programState\n"
STATE_STOPPED = b"STOPPED sdl_move.urp\n"
REMOTE_CONTROL = b"is in remote control\n"
REMOTE = b"true\n"
LOCAL = b"false\n"

OUTPUT_NAMES = ("output_int_register_24", "output_int_register_25", "output_int_register_26")
INPUT_NAMES = (
    "input_int_register_24",
    "input_int_register_25",
    "input_int_register_26",
    "input_int_register_27",
    "input_int_register_28",
)

ASK_VERSION = b"\x00\x05V\x00\x02"
VERSION_TAKEN = b"\x00\x04V\x01"
VERSION_REFUSED = b"\x00\x04V\x00"
ASK_CONTROLLER = b"\x00\x03v"
CONTROLLER = b"\x00\x13v\x00\x00\x00\x05\x00\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x01"
"""5.12.0.1."""
ASK_OUTPUTS = (
    b"\x00\x4fO\x40\x7f\x40\x00\x00\x00\x00\x00"  # 500.0 Hz
    b"output_int_register_24,output_int_register_25,output_int_register_26"
)
OUTPUTS = b"\x00\x15O\x01INT32,INT32,INT32"
OUTPUTS_MISSING = b"\x00\x19O\x00INT32,INT32,NOT_FOUND"
ASK_INPUTS = (
    b"\x00\x70Iinput_int_register_24,input_int_register_25,input_int_register_26,"
    b"input_int_register_27,input_int_register_28"
)
INPUTS = b"\x00\x21I\x02INT32,INT32,INT32,INT32,INT32"
INPUTS_IN_USE = b"\x00\x22I\x00IN_USE,INT32,INT32,INT32,INT32"
START = b"\x00\x03S"
START_TAKEN = b"\x00\x04S\x01"
PAUSE = b"\x00\x03P"
PAUSE_TAKEN = b"\x00\x04P\x01"
SHOWN = b"\x00\x10U\x01\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x01"
"""Recipe 1: job 7 finished, no error, a vial in the gripper."""
MINUS = b"\x00\x10U\x01\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"
"""Recipe 1: -1, 0, 0."""
WRITE = (
    b"\x00\x18U\x02\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x03\x00\x00\x00\x01"
)
"""Recipe 2: job 8, from place 0, slot 7, to place 3, slot 1."""
TEXT = b"\x00\x09M\x02hi\x01x\x01"

ERROR_CODES = (1, 2, 3, 4, 5, 6, 7)
"""What the move program may leave in output register 25 beside 0: empty slot, occupied slot, door
shut, station refused, vial lost, move undone, gripper not empty at the start."""
