# SPDX-License-Identifier: BSD-3-Clause
"""The plot, as SVG written by hand: for every direction, cipher and number of SAs a panel with two bars for each size, ours
stacked from I/O, raw crypto and what we add."""
from . import report, scene

PANEL_WIDTH, PANEL_HEIGHT, MARGIN, COLUMNS = 300, 220, 50, 4
BAR = 24
COLOURS = {"io": "#9aa5b1", "raw": "#52606d", "overhead": "#1f77b4", "peer": "#e0a458"}
LEGEND = (("io", "I/O"), ("raw", "IPsec-MB alone"), ("overhead", "sallyport above both"), ("peer", "ipsec-secgw"))


def rectangle(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width}" height="{height:.1f}" fill="{colour}"/>'


def label(x, y, words, size=11, anchor="middle"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-family="sans-serif">{words}</text>'


def bars(line, x, base, scale):
    y = base
    for name, cycles in (("io", line.io), ("raw", line.raw), ("overhead", max(0.0, line.overhead))):
        y -= cycles * scale
        yield rectangle(x, y, BAR, cycles * scale, COLOURS[name])
    yield label(x + BAR / 2, y - 3, f"{line.ours:.0f}", 9)
    y = base - line.peer * scale
    yield rectangle(x + BAR + 2, y, BAR, line.peer * scale, COLOURS["peer"])
    yield label(x + BAR * 1.5 + 2, y - 3, f"{line.peer:.0f}", 9)
    yield label(x + BAR + 1, base + 26, f"{line.ratio:.2f}x", 10)


def panel(title, results, left, top):
    lines = [(result.row, report.line_of(result)) for result in results]
    base = top + PANEL_HEIGHT - 40
    scale = (PANEL_HEIGHT - 75) / max(max(line.ours, line.peer) for _, line in lines)
    yield label(left + PANEL_WIDTH / 2, top + 12, title, 12)
    yield f'<line x1="{left}" y1="{base}" x2="{left + PANEL_WIDTH - 20}" y2="{base}" stroke="#333"/>'
    step = (PANEL_WIDTH - 20) / len(lines)
    for number, (row, line) in enumerate(lines):
        x = left + number * step + (step - 2 * BAR) / 2
        yield from bars(line, x, base, scale)
        yield label(x + BAR + 1, base + 13, f"{row.size} B" if row.size != "imix" else "IMIX", 10)


def svg(results):
    """Text of the image; rows without figures are left out."""
    panels = {}
    for result in results:
        if not result.fault:
            row = result.row
            panels.setdefault((row.sas, row.cipher, row.direction), []).append(result)
    columns = min(COLUMNS, max(1, len(panels)))
    width = columns * PANEL_WIDTH + 2 * MARGIN
    height = -(-len(panels) // columns) * PANEL_HEIGHT + 2 * MARGIN
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
             rectangle(0, 0, width, height, "#ffffff"),
             label(MARGIN, 20, "TSC cycles per packet, median; below the bars: ipsec-secgw / sallyport", 13, "start")]
    for number, (name, words) in enumerate(LEGEND):
        parts.append(rectangle(MARGIN + number * 160, 28, 10, 10, COLOURS[name]))
        parts.append(label(MARGIN + number * 160 + 15, 37, words, 11, "start"))
    for number, ((sas, cipher, direction), members) in enumerate(panels.items()):
        title = f"{'encrypt' if direction == 'out' else 'decrypt'}, {scene.CIPHERS[cipher].name}, {sas} SA{'s' if sas > 1 else ''}"
        parts += panel(title, members, MARGIN + number % columns * PANEL_WIDTH, MARGIN + number // columns * PANEL_HEIGHT)
    return "\n".join([*parts, "</svg>"]) + "\n"
