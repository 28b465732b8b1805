"""Dashboard server of a UR arm: one line per command, one line per answer (reference 5.4)."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath
from typing import Protocol

GREETING = "Connected: Universal Robots Dashboard Server"

_ROBOT_MODES = {"POWER_OFF": 3, "RUNNING": 7}
_SAFETY_MODES = {"NORMAL": 1, "PROTECTIVE_STOP": 3, "ROBOT_EMERGENCY_STOP": 7}
_RUNTIME_STATES = {"STOPPED": 1, "PLAYING": 2, "PAUSED": 4}


class Arm(Protocol):
    """What the dashboard commands."""

    def play(self) -> None:
        """Runs the program from its first line."""
        ...

    def halt(self) -> None:
        """Ends the program where it is."""
        ...


class Dashboard:
    """State of the robot as its dashboard tells it.

    Args:
        program: The only program there is, as ``sdl_move.urp``.
        arm: What is commanded.
    """

    def __init__(self, program: str, arm: Arm) -> None:
        self.program = program
        self.loaded = ""
        self.state = "STOPPED"
        """Of the program: ``STOPPED``, ``PLAYING``, ``PAUSED``."""
        self.mode = "RUNNING"
        self.safety = "NORMAL"
        self.remote = True
        self._arm = arm

    @property
    def robot_mode(self) -> int:
        """``robot_mode`` of RTDE."""
        return _ROBOT_MODES[self.mode]

    @property
    def safety_mode(self) -> int:
        """``safety_mode`` of RTDE."""
        return _SAFETY_MODES[self.safety]

    @property
    def runtime_state(self) -> int:
        """``runtime_state`` of RTDE."""
        return _RUNTIME_STATES[self.state]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talks on one connection."""
        writer.write(f"{GREETING}\n".encode("ascii"))
        while True:
            line = (await reader.readuntil(b"\n")).decode("ascii", "replace").strip()
            writer.write(f"{self.answer(line)}\n".encode("ascii", "replace"))
            await writer.drain()
            if line == "quit":
                return

    def answer(self, line: str) -> str:
        """The answer to one line."""
        command, _, argument = line.partition(" ")
        if command == "load":
            return self._load(argument)
        match line:
            case "play":
                return self._play()
            case "stop":
                if self.state == "STOPPED":
                    return "Failed to execute: stop"
                self._arm.halt()
                return "Stopped"
            case "pause":
                if self.state != "PLAYING":
                    return "Failed to execute: pause"
                self.state = "PAUSED"
                return "Pausing program"
            case "running":
                return f"Program running: {str(self.state == 'PLAYING').lower()}"
            case "robotmode":
                return f"Robotmode: {self.mode}"
            case "safetystatus":
                return f"Safetystatus: {self.safety}"
            case "programState":
                return f"{self.state} {self.loaded or '<unnamed>'}"
            case "is in remote control":
                return str(self.remote).lower()
            case "get loaded program":
                if not self.loaded:
                    return "No program loaded"
                return f"Loaded program: /programs/{self.loaded}"
            case "close popup":
                return "closing popup"
            case "quit":
                return "Disconnected"
            case _:
                return f'could not understand: "{line[:80]}"'

    def _load(self, argument: str) -> str:
        if self.state != "STOPPED" or not self.remote:
            return f"Error while loading program: {argument}"
        if argument not in (self.program, str(PurePosixPath("/programs") / self.program)):
            return f"File not found: {argument}"
        self.loaded = self.program
        return f"Loading program: {argument}"

    def _play(self) -> str:
        able = self.loaded and self.remote
        able = able and (self.mode, self.safety) == ("RUNNING", "NORMAL")
        if not able or self.state == "PLAYING":
            return "Failed to execute: play"
        if self.state == "PAUSED":
            self.state = "PLAYING"
        else:
            self._arm.play()
        return "Starting program"
