# SPDX-License-Identifier: BSD-3-Clause
"""Runs one whole gateway: dataplane, charon and sallyportd, with everything they own in one run directory."""
