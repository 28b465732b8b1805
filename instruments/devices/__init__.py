"""Classic ophyd faces of the stations; each wraps a driver core and adds nothing to it."""
