# SPDX-License-Identifier: BSD-3-Clause
"""Asks sallyportd's HTTP API on its unix socket."""

import http.client
import json
import socket


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout_s):
        super().__init__("localhost", timeout=timeout_s)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def get(socket_path, resource, timeout_s=2.0):
    """The answer as Python values; None when nobody answers."""
    connection = UnixConnection(socket_path, timeout_s)
    try:
        connection.request("GET", resource)
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
