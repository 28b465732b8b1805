"""Registers of Eurotherm controllers, worked out by hand from the reference (5.1)."""

# A program to 900 degC at 5 degC/min, 2 h, in gas event 0, then 2 degC/min to 25 degC.
GENERAL_MINUTES = {8330: 1, 8331: 1}
"""Ramps and dwells in minutes."""
SEGMENTS_2400 = {
    8336: [1, 9000, 50, 0, 0],
    8344: [3, 0, 1200, 0, 0],
    8352: [1, 250, 20, 0, 0],
    8360: [0, 0, 0, 0, 0],
}
"""Type, target in tenths, rate in tenths per min or dwell in tenths of a min, end type, event."""
FLOATS_EPC = {
    0xC122: [0x4461, 0x0000],  # 900.0, target of segment 1
    0xC124: [0x40A0, 0x0000],  # 5.0 per min
    0xC134: [0x42F0, 0x0000],  # 120.0 min, duration of segment 2
    0xC142: [0x41C8, 0x0000],  # 25.0
    0xC144: [0x4000, 0x0000],  # 2.0 per min
}
"""The same numbers as float32 at 0x8000 + 2 * address."""

MODE_RESET, MODE_RUN, MODE_HOLD, MODE_COMPLETE = 1, 2, 4, 16
SENSOR_BREAK = 1 << 5
"""In the status word, register 75."""
