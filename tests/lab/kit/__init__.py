# SPDX-License-Identifier: BSD-3-Clause
"""The lab: gateways, hosts and the WAN between them in network namespaces of one machine."""
