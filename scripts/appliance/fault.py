# SPDX-License-Identifier: BSD-3-Clause
"""Why a gateway can't start or stop: one line that says what, where and what to do."""


class Fault(Exception):
    def __init__(self, message, hint=""):
        super().__init__(f"{message} ({hint})" if hint else message)
