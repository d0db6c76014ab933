"""The model process: one model for all guests, a session for each. Started by `client.connect`, ends by itself."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
import traceback
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener

import cv2
import torch

from workbench import runs
from workbench.errors import WorkbenchError
from workbench.interact.live.protocol import MESSAGE_BYTES, Room, pack, picture_of, sound_of, unpack
from workbench.interact.live.session import Light, Session, load

IDLE = 30.0  # s: a guest who sends nothing for longer has left
PATIENCE = 60.0  # s that a new process waits for its first guest


class Server:
    """Answers the guests of one run until the last has left.

    Parameters
    ----------
    light : Light
    max_guests : int
        Sessions at a time.
    minutes : float
        How long one session may last.
    linger : float
        Seconds without anybody after which the process ends; so a page can be loaded again without loading the model.
    """

    def __init__(self, light: Light, *, max_guests: int = 4, minutes: float = 60, linger: float = 10):
        self.light, self.max_guests, self.minutes, self.linger = light, max_guests, minutes, linger
        self.lock, self.present, self.sessions = threading.Lock(), set(), {}
        self.empty_since, self.ended = time.monotonic() + PATIENCE - linger, False

    def serve(self, room: Room) -> None:
        """Open the socket and answer until the end."""
        key = room.key.read_bytes()
        with Listener(str(room.socket), "AF_UNIX", backlog=16, authkey=key) as listener:
            threading.Thread(target=self._watch, args=(room, key), daemon=True).start()
            while not self.ended:
                try:
                    connection = listener.accept()
                except (AuthenticationError, EOFError, OSError):
                    continue
                with self.lock:
                    if self.ended:
                        break  # whoever knocked this late finds nobody, and starts a new process
                    self.present.add(connection)
                threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _watch(self, room: Room, key: bytes) -> None:
        """Wait until nobody has been here for `linger` seconds, and wake the listener up to end."""
        while not self.ended:
            time.sleep(0.2)
            with self.lock:
                self.ended = not self.present and time.monotonic() - self.empty_since > self.linger
        Client(str(room.socket), "AF_UNIX", authkey=key).close()

    def _attend(self, connection: Connection) -> None:
        """Answer one guest until it leaves, falls silent, or its time is up."""
        try:
            while connection.poll(IDLE if connection in self.sessions else None):
                connection.send_bytes(pack(self._reply(connection, connection.recv_bytes(MESSAGE_BYTES))))
        except (EOFError, OSError):
            pass
        finally:
            with self.lock:
                self.present.discard(connection)
                self.sessions.pop(connection, None)
                self.empty_since = time.monotonic()
            connection.close()

    def _reply(self, connection: Connection, message: bytes) -> dict:
        """Return the answer to a message; whatever is wrong with it becomes words."""
        try:
            header, parts = unpack(message)
            if header.get("ask") == "begin":
                return self._begin(connection, header)
            if header.get("ask") == "count":
                return {"guests": len(self.sessions), "max_guests": self.max_guests}
            return self._step(connection, header, parts)
        except WorkbenchError as error:
            return {"error": str(error)}
        except Exception as error:
            traceback.print_exc()
            return {"error": f"the model process failed: {type(error).__name__}: {error}"}

    def _begin(self, connection: Connection, header: dict) -> dict:
        session = Session(self.light, seconds=header.get("seconds", 3.0))
        with self.lock:
            others = len(self.sessions.keys() - {connection})
            if others >= self.max_guests:
                raise WorkbenchError(
                    f"{others} guests are here, and there is room for {self.max_guests}: try again later"
                )
            self.sessions[connection] = (session, time.monotonic())
        about = {"run": self.light.name, "classes": self.light.classes, "inputs": self.light.inputs}
        return about | {"pid": os.getpid(), "seconds": session.seconds}

    def _step(self, connection: Connection, header: dict, parts: list[bytes]) -> dict:
        if connection not in self.sessions:
            raise WorkbenchError("no session was begun")
        session, began = self.sessions[connection]
        if time.monotonic() - began > 60 * self.minutes:
            self.sessions.pop(connection)
            raise WorkbenchError(f"this session has lasted {self.minutes:g} minutes, the limit: start again")
        given = dict(zip(header.get("has", ()), parts, strict=True))
        sample_rate = header.get("sample_rate", 16000)
        picture = picture_of(given["picture"]) if "picture" in given else None
        sound = sound_of(given["sound"], sample_rate) if "sound" in given else None
        return session.step(float(header["time"]), picture, sound, sample_rate=sample_rate)


def main() -> None:
    """Load a run's model and serve it."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("run")
    for name, kind in (("guests", int), ("minutes", float), ("linger", float)):
        words.add_argument(f"--{name}", type=kind)
    given = words.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        run = runs.load(given.run)
        server = Server(load(run).warm(), max_guests=given.guests, minutes=given.minutes, linger=given.linger)
        server.serve(Room(run))
    except WorkbenchError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
