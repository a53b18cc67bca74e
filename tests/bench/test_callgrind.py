# SPDX-License-Identifier: BSD-3-Clause
"""The instruction count's reader on a file written by hand."""
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import callgrind  # noqa: E402

# gateway calls crypto twice: 7 + 20 instructions of its own here, 3 there.
FILE = """\
# callgrind format
version: 1
creator: callgrind-3.19.0
cmd:  gateway outbound
desc: Trigger: Program termination

positions: line
events: Ir
summary: 1030

ob=(1) /opt/gateway
fl=(1) worker.cpp
fn=(1) poll
10 4
+2 3
cob=(2) /usr/lib/libcrypto.so.1
cfi=(2) ???
cfn=(2) encrypt
calls=2 0
* 1000
-1 20

ob=(2)
fl=(2)
fn=(2)
0 600
0 400

ob=(1)
fl=(1)
fn=(3) flush
* 3

totals: 1030
"""


def test_self_cost_is_counted_by_object_and_calls_only_where_they_lead():
    assert callgrind.by_object(FILE.splitlines()) == {"/opt/gateway": 30, "/usr/lib/libcrypto.so.1": 1000}


def test_as_many_columns_are_positions_as_the_header_says():
    with_addresses = re.sub(r"(?m)^(?=[-+*\d])", "0x1 ", FILE.replace("positions: line", "positions: instr line"))
    assert callgrind.by_object(with_addresses.splitlines()) == {"/opt/gateway": 30, "/usr/lib/libcrypto.so.1": 1000}


@pytest.mark.parametrize("of, to", [("summary: 1030", "summary: 1031"), ("events: Ir", "events: Cy Ir"), ("calls=2 0\n", "")])
def test_a_file_that_does_not_add_up_gives_no_figure(of, to):
    with pytest.raises(callgrind.FormatError):
        callgrind.by_object(FILE.replace(of, to).splitlines())
