# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that do what no decent client does, each in a process of its own."""

import multiprocessing
import os
import struct
import time

from bus_support import (INTROSPECTABLE, LOG, LOG_OBJECT, MANAGER, NAME, NOBODY, OBJECT, PROPERTIES,
                         manager)
from dbus_client import CALL, DRIVER, NO_REPLY, Connection, Variant, message


def call_bytes(serial, interface, member, signature="", body=(), flags=0, path=OBJECT):
    return message(CALL, serial, signature, body, flags, path=path, destination=NAME,
                   interface=interface, member=member)


def repeated(count, *call, **options):
    """The same call `count` times; only the serial differs, at a fixed place of the header."""
    one = bytearray(call_bytes(1, *call, **options))
    out = bytearray()
    for serial in range(2, count + 2):
        struct.pack_into("<I", one, 8, serial)
        out += one
    return bytes(out)


CALLS = {
    "ListProcesses": lambda n: repeated(n, MANAGER, "ListProcesses", "a{sv}", ({},)),
    "ListThreads": lambda n: repeated(n, MANAGER, "ListThreads", "au", ([],)),
    "GetProcess": lambda n: repeated(n, MANAGER, "GetProcess", "u", (1000,)),
    "Introspect": lambda n: repeated(n, INTROSPECTABLE, "Introspect"),
    "GetAll": lambda n: repeated(n, PROPERTIES, "GetAll", "s", (MANAGER,)),
    "Ping": lambda n: repeated(n, "org.freedesktop.DBus.Peer", "Ping"),
    "wrong signature": lambda n: repeated(n, MANAGER, "ListThreads", "s", ("x" * 100,)),
    "unknown method": lambda n: repeated(n, MANAGER, "Absent"),
    "Reload": lambda n: repeated(n, MANAGER, "Reload"),
    "Subscribe": lambda n: repeated(n, MANAGER, "Subscribe", "as", (["exec"],)),
    "no reply": lambda n: repeated(n, MANAGER, "ListThreads", "au", ([],), flags=NO_REPLY),
    # Messages of a mebibyte each.
    "huge argument": lambda n: repeated(max(1, n // 100), MANAGER, "ListThreads", "au",
                                        ([7] * (1 << 18),)),
    "huge option": lambda n: repeated(max(1, n // 100), MANAGER, "ListProcesses", "a{sv}",
                                      ({"x": Variant("ay", bytes(1 << 20))},)),
    "huge unknown": lambda n: repeated(max(1, n // 100), MANAGER, "Absent", "ay", (bytes(1 << 20),)),
    "huge unit": lambda n: repeated(max(1, n // 100), MANAGER, "SetPolicy", "sa{sv}",
                                    ("x" * (1 << 20), {"mode": Variant("s", "off")})),
    "huge unset": lambda n: repeated(max(1, n // 100), MANAGER, "UnsetPolicy", "s", ("x" * (1 << 20),)),
    "huge extra": lambda n: repeated(max(1, n // 100), PROPERTIES, "Set", "ssvay",
                                     (LOG, "LogLevel", Variant("s", "info"), bytes(1 << 20)),
                                     path=LOG_OBJECT),
    # Each level is looked at, and each dash in the name of a slice is one.
    "deep target": lambda n: repeated(max(1, n // 10), MANAGER, "ShowPolicy", "ay", (b"/x" * 2048,)),
    "dashed target": lambda n: repeated(max(1, n // 10), MANAGER, "ShowPolicy", "ay",
                                        (b"a-" * 2000 + b"a.slice",)),
}


def attack(path, uid, data, reads, started, stop):
    """Sends all of it at once, reading what comes back or not, and stays until it is told to go."""
    connection = Connection(path, uid)
    connection.socket.setblocking(False)
    started.set()
    view = memoryview(data)
    while not stop.is_set():
        idle = True
        if view:
            try:
                view = view[connection.socket.send(view[:1 << 18]):]
                idle = False
            except BlockingIOError:
                pass
        if reads:
            try:
                idle = not connection.socket.recv(1 << 20) and idle
            except BlockingIOError:
                pass
        if idle:
            time.sleep(0.0005)
    os._exit(0) # what it inherited is not its own to close


class Attack:
    """One or several clients of that kind, while the context lasts."""

    def __init__(self, bus, data, reads=False, uid=NOBODY, clients=1):
        self.stop = multiprocessing.Event()
        self.processes = []
        for _ in range(clients):
            started = multiprocessing.Event()
            process = multiprocessing.Process(
                target=attack, args=(bus.socket, uid, data, reads, started, self.stop))
            process.start()
            self.processes.append((process, started))

    def __enter__(self):
        for _, started in self.processes:
            started.wait()
        return self

    def __exit__(self, *unused):
        self.stop.set()
        for process, _ in self.processes:
            process.join()


def seconds_of(call):
    before = time.monotonic()
    call()
    return time.monotonic() - before


def probe(connection, seconds):
    """How long a decent client waits for an answer meanwhile, and for one of the bus itself."""
    ours, driver = [], []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ours.append(seconds_of(lambda: manager(connection, "GetProcess", "u", 1000)))
        driver.append(seconds_of(lambda: connection.call(*DRIVER, "GetId")))
        time.sleep(0.002)
    return ours, driver
