# SPDX-License-Identifier: BSD-3-Clause
"""Which rows the table has. Pure values."""
from . import feed, scene, secgw
from .scene import Row

DIRECTIONS = ("out", "in")
CIPHERS = tuple(scene.CIPHERS)
SIZES = (64, 512, 1400, "imix")
SAS = (1, 100, 1000, 10000, 100000)
MANY_SAS_SIZES = (64, 1400)


def compared_rows(directions, ciphers, sizes, sas):
    """Those that both gateways can carry."""
    return [Row(direction, cipher, size, count, feed.packets_for(count, size))
            for count in sas if count <= secgw.MAX_SAS
            for cipher in ciphers for size in sizes for direction in directions]


def many_sas_triples(directions, ciphers, sizes, sas):
    """[(one SA, one SA with that many hosts behind its peer, many SAs)] for us alone. All have a feed of the same length,
    because a longer feed costs more by itself: its packets come from farther away. The hosts are there because packets that
    go to one destination cost less than others, whoever's SA they take."""
    return [tuple(Row(direction, cipher, size, its_sas, feed.packets_for(count, size), hosts)
                  for its_sas, hosts in ((1, 1), (1, count), (count, 1)))
            for count in sas if count > secgw.MAX_SAS
            for cipher in ciphers for size in sizes if size in MANY_SAS_SIZES for direction in directions]
