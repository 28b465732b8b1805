"""Instruments: driver cores, ophyd faces over them, short plans, the RunEngine as a resource."""
