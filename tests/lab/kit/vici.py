# SPDX-License-Identifier: BSD-3-Clause
"""One request to a charon over VICI (strongSwan's src/libcharon/plugins/vici/README.md): what swanctl can't do, which unloads
every connection that its file lacks."""

import socket
import struct

REQUEST, RESPONSE = 0, 1
SECTION_START, SECTION_END, KEY_VALUE, LIST_START, LIST_ITEM, LIST_END = range(1, 7)


def _key(kind, name):
    return bytes((kind, len(name))) + name.encode()


def _value(text):
    return struct.pack(">H", len(text)) + text.encode()


def _encode(section):
    out = b""
    for name, value in section.items():
        if isinstance(value, dict):
            out += _key(SECTION_START, name) + _encode(value) + bytes((SECTION_END,))
        elif isinstance(value, list):
            out += _key(LIST_START, name) + b"".join(bytes((LIST_ITEM,)) + _value(item) for item in value) + bytes((LIST_END,))
        else:
            out += _key(KEY_VALUE, name) + _value(value)
    return out


def load_connection(vici_socket, name, connection):
    """Adds or replaces one connection, whose other ones stay."""
    message = bytes((REQUEST, len("load-conn"))) + b"load-conn" + _encode({name: connection})
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(10)
        channel.connect(str(vici_socket))
        channel.sendall(struct.pack(">I", len(message)) + message)
        (length,) = struct.unpack(">I", channel.recv(4, socket.MSG_WAITALL))
        answer = channel.recv(length, socket.MSG_WAITALL)
    assert answer[0] == RESPONSE and b"success" + _value("yes") in answer, answer
