# SPDX-License-Identifier: GPL-2.0-or-later
"""As much of the D-Bus protocol as the tests need, on a bare socket: so that they can also do what no
decent client does. Types: integers, strings, bytes for `ay`, lists, tuples for structs, dicts, and
Variant. Format: https://dbus.freedesktop.org/doc/dbus-specification.html"""

import collections
import os
import socket
import struct
import time

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY, NO_AUTO_START, INTERACTIVE = 1, 2, 4
FIXED = {"y": ("B", 1), "n": ("h", 2), "q": ("H", 2), "i": ("i", 4), "u": ("I", 4), "b": ("I", 4),
         "x": ("q", 8), "t": ("Q", 8), "d": ("d", 8)}
ALIGN = {"a": 4, "s": 4, "o": 4, "g": 1, "v": 1, "(": 8, "{": 8} | {c: n for c, (_, n) in FIXED.items()}
HEADER = {1: "o", 2: "s", 3: "s", 4: "s", 5: "u", 6: "s", 7: "s", 8: "g", 9: "u"}
NAMES = {1: "path", 2: "interface", 3: "member", 4: "error", 5: "reply_to", 6: "destination",
         7: "sender", 8: "signature", 9: "unix_fds"}
DRIVER = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")

Variant = collections.namedtuple("Variant", "signature value")


class DBusError(Exception):
    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


def split(signature):
    """The complete types that a signature consists of."""
    types, start, depth = [], 0, 0
    for i, c in enumerate(signature):
        depth += (c in "({") - (c in ")}")
        if depth == 0 and c != "a":
            types.append(signature[start:i + 1])
            start = i + 1
    return types


def pad(out, alignment):
    out.extend(b"\0" * (-len(out) % alignment))


def marshal(out, kind, value):
    code = kind[0]
    pad(out, ALIGN[code])
    if code in FIXED:
        out += struct.pack("<" + FIXED[code][0], value)
    elif code in "sog":
        data = value.encode() if isinstance(value, str) else value
        out += struct.pack("<B" if code == "g" else "<I", len(data)) + data + b"\0"
    elif code == "v":
        marshal(out, "g", value.signature)
        marshal(out, value.signature, value.value)
    elif code == "a":
        element = kind[1:]
        length_at = len(out)
        out += b"\0\0\0\0"
        pad(out, ALIGN[element[0]])
        start = len(out)
        if element == "y":
            out += value
        else:
            for item in value.items() if element[0] == "{" else value:
                marshal(out, element, item)
        struct.pack_into("<I", out, length_at, len(out) - start)
    else:
        for part, item in zip(split(kind[1:-1]), value, strict=True):
            marshal(out, part, item)


def unmarshal(data, at, kind):
    code = kind[0]
    at += -at % ALIGN[code]
    if code in FIXED:
        value, = struct.unpack_from("<" + FIXED[code][0], data, at)
        return bool(value) if code == "b" else value, at + FIXED[code][1]
    if code in "sog":
        size = 1 if code == "g" else 4
        length = int.from_bytes(data[at:at + size], "little")
        return data[at + size:at + size + length].decode(), at + size + length + 1
    if code == "v":
        signature, at = unmarshal(data, at, "g")
        value, at = unmarshal(data, at, signature)
        return value, at
    if code == "a":
        element = kind[1:]
        length, = struct.unpack_from("<I", data, at)
        at += 4
        at += -at % ALIGN[element[0]]
        end = at + length
        if element == "y":
            return bytes(data[at:end]), end
        items = []
        while at < end:
            item, at = unmarshal(data, at, element)
            items.append(item)
        return dict(items) if element[0] == "{" else items, at
    items = []
    for part in split(kind[1:-1]):
        item, at = unmarshal(data, at, part)
        items.append(item)
    return tuple(items), at


def message(kind, serial, signature="", body=(), flags=0, **fields):
    """The bytes of a message. `fields` are named as in NAMES."""
    content = bytearray()
    for part, value in zip(split(signature), body, strict=True):
        marshal(content, part, value)
    numbers = {name: number for number, name in NAMES.items()}
    if signature:
        fields["signature"] = signature
    header = [(numbers[name], Variant(HEADER[numbers[name]], value))
              for name, value in fields.items()]
    out = bytearray(struct.pack("<cBBBII", b"l", kind, flags, 1, len(content), serial))
    marshal(out, "a(yv)", header)
    pad(out, 8)
    return bytes(out + content)


class Message:
    def __init__(self, kind, flags, serial, fields, body):
        self.kind, self.flags, self.serial, self.body = kind, flags, serial, body
        for number, name in NAMES.items():
            setattr(self, name, fields.get(number))

    def value(self):
        """What a method returned; its error as an exception."""
        if self.kind == ERROR:
            raise DBusError(self.error, self.body[0] if self.body else "")
        return self.body[0] if len(self.body) == 1 else self.body


class Connection:
    """A client of the bus at the socket `path`, of the user `uid` if root makes it."""

    def __init__(self, path, uid=None, timeout=30, hello=True, descriptors=False):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.timeout = timeout
        before = os.geteuid()
        if uid is not None and uid != before:
            os.seteuid(uid)
        try:
            self.socket.connect(path)
            claimed = str(os.geteuid()).encode().hex().encode()
            ask = b"NEGOTIATE_UNIX_FD\r\n" if descriptors else b""
            self.socket.sendall(b"\0AUTH EXTERNAL " + claimed + b"\r\n" + ask + b"BEGIN\r\n")
        finally:
            os.seteuid(before)
        for expected in (b"OK ", b"AGREE_UNIX_FD") if descriptors else (b"OK ",):
            line = b""
            while not line.endswith(b"\r\n"):
                line += self.socket.recv(1)
            if not line.startswith(expected):
                raise ConnectionError(line)
        self.serial = 0
        self.buffer = bytearray()
        self.waiting = collections.deque()
        self.name = self.call(*DRIVER, "Hello") if hello else None

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def next_serial(self):
        self.serial += 1
        return self.serial

    def send(self, destination, path, interface, member, signature="", *body, flags=0):
        """Sends a method call and does not wait."""
        serial = self.next_serial()
        fields = {"interface": interface} if interface else {}
        self.socket.sendall(message(CALL, serial, signature, body, flags, path=path, member=member,
                                    destination=destination, **fields))
        return serial

    def reply(self, call, signature="", *body):
        self.socket.sendall(message(RETURN, self.next_serial(), signature, body, NO_REPLY,
                                    reply_to=call.serial, destination=call.sender))

    def reply_error(self, call, name, text):
        self.socket.sendall(message(ERROR, self.next_serial(), "s", (text,), NO_REPLY,
                                    reply_to=call.serial, destination=call.sender, error=name))

    def emit(self, path, interface, member, signature="", *body):
        self.socket.sendall(message(SIGNAL, self.next_serial(), signature, body, NO_REPLY, path=path,
                                    interface=interface, member=member))

    def read(self, timeout=None):
        """The next message from the socket; None if there is none in time."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            if len(self.buffer) >= 16:
                body, _, fields = struct.unpack_from("<III", self.buffer, 4)
                header = 16 + fields + -fields % 8
                if len(self.buffer) >= header + body:
                    return self.take(header, body)
            left = deadline - time.monotonic()
            self.socket.settimeout(max(left, 0.000001))
            try:
                data = self.socket.recv(1 << 18)
            except (TimeoutError, BlockingIOError):
                return None
            finally:
                self.socket.settimeout(self.timeout)
            if not data:
                raise ConnectionError("the bus has closed the connection")
            self.buffer += data

    def take(self, header, body):
        data = bytes(self.buffer[:header + body])
        del self.buffer[:header + body]
        kind, flags = data[1], data[2]
        serial, = struct.unpack_from("<I", data, 8)
        fields = dict(unmarshal(data, 12, "a(yv)")[0])
        content, at, values = data[header:], 0, []
        for part in split(fields.get(8, "")):
            value, at = unmarshal(content, at, part)
            values.append(value)
        return Message(kind, flags, serial, fields, values)

    def next(self, wanted, timeout=None):
        """The first message that `wanted` holds for, now or within the time; None if there is none."""
        for i, known in enumerate(self.waiting):
            if wanted(known):
                del self.waiting[i]
                return known
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while (left := deadline - time.monotonic()) > 0 and (got := self.read(left)):
            if wanted(got):
                return got
            self.waiting.append(got)
        return None

    def result(self, serial, timeout=None):
        """The value of the call `serial`."""
        got = self.next(lambda m: m.reply_to == serial, timeout)
        if got is None:
            raise TimeoutError("no reply")
        return got.value()

    def call(self, *arguments, flags=0, timeout=None):
        return self.result(self.send(*arguments, flags=flags), timeout)

    def signal(self, member, timeout=None):
        got = self.next(lambda m: m.kind == SIGNAL and m.member == member, timeout)
        return got and got.body

    def match(self, rule):
        self.call(*DRIVER, "AddMatch", "s", rule)

    def own(self, name):
        if self.call(*DRIVER, "RequestName", "su", name, 4) != 1:
            raise DBusError("org.freedesktop.DBus.Error.NameExists", name)
