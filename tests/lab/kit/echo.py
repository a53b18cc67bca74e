# SPDX-License-Identifier: BSD-3-Clause
"""UDP datagrams of random bytes that come back, compared byte by byte: what a ping's pattern and a checksum can't prove."""

import json
import subprocess

PORT = 7100

SERVER = """
import selectors, socket, sys
selector = selectors.DefaultSelector()
for address in sys.argv[2:]:
    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((address, int(sys.argv[1])))
    selector.register(bound, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        data, peer = key.fileobj.recvfrom(65536)
        key.fileobj.sendto(data, peer)
"""

# Each size goes to all pairs before the first echo is read: one burst of the gateways has packets of many SAs.
CLIENT = """
import json, random, socket, sys
port, pairs, sizes, prefix = int(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4].encode()
sockets = []
for source, destination in pairs:
    bound = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((source, 0))
    bound.connect((destination, port))
    bound.settimeout(2)
    sockets.append(bound)
numbers, wrong = random.Random(1), [[] for _ in pairs]
for size in sizes:
    sent = [(prefix + numbers.randbytes(size))[:size] for _ in pairs]
    for bound, data in zip(sockets, sent):
        bound.send(data)
    for index, (bound, data) in enumerate(zip(sockets, sent)):
        try:
            echo = bound.recv(65536)
        except OSError:
            echo = None
        if echo != data:
            wrong[index].append(size)
print(json.dumps(wrong))
"""


def exchange(client, server, pairs, sizes, prefix=""):
    """For each (address of client, address of server): the sizes whose datagram didn't come back as it went. Each begins with
    `prefix`, as far as it fits."""
    serving = server.namespace.popen("/usr/bin/python3", "-c", SERVER, PORT, *[pair[1] for pair in pairs], stdout=subprocess.PIPE)
    try:
        assert serving.stdout.readline() == "ready\n"
        done = client.namespace.run("/usr/bin/python3", "-c", CLIENT, PORT, json.dumps(pairs), json.dumps(list(sizes)), prefix,
                                    timeout_s=120)
        return json.loads(done.stdout)
    finally:
        serving.kill()
        serving.communicate()
