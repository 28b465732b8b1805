"""``sdl bench faults``: the 27 faults that a laboratory meets, each provoked for real.

Each scenario is a function that provokes one fault and looks at what happens; it raises
``MisbehaviourError`` where the behaviour is not what is wanted, and returns what was seen
otherwise.
"""
