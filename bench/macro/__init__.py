# SPDX-License-Identifier: BSD-3-Clause
"""The macro benchmark: whole gateways as processes on the same packets. bench/compare is its command line."""
