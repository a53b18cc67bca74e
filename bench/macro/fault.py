# SPDX-License-Identifier: BSD-3-Clause
"""What ends a comparison with a sentence for the reader."""


class Fault(Exception):
    """Says what went wrong, where, and what to do."""
