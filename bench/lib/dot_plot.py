"""A dot plot with intervals as SVG: one panel a task, one row a name, one colour a series."""

from xml.sax.saxutils import escape

COLOURS = ["#0b6e99", "#d1731b"]
ROW, PANEL, GAP, LABELS, TOP, BOTTOM = 30, 164, 34, 200, 86, 40


def draw(title, rows, panels, series):
    """`panels`: a list of (name, values), where values[series][row] is (low, mean, high) in percent, or absent.
    Series without a value in a row leave its place empty; the first row is drawn as a line to compare with."""
    width = LABELS + len(panels) * (PANEL + GAP) + 8
    height = TOP + ROW * len(rows) + BOTTOM
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
           'font-family="Helvetica, Arial, DejaVu Sans, sans-serif" font-size="13">',
           f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
           f'<text x="12" y="24" font-size="16" font-weight="600" fill="#222222">{escape(title)}</text>']
    x = LABELS
    for index, name in enumerate(series):
        out.append(f'<circle cx="{x + 5}" cy="44" r="5" fill="{COLOURS[index]}"/>'
                   f'<text x="{x + 15}" y="48" fill="#222222">{escape(name)}</text>')
        x += 40 + 8 * len(name)
    out.append(f'<text x="{x}" y="48" fill="#666666">line: the program as it is; bars: 95 % intervals</text>')
    for index, row in enumerate(rows):
        y = TOP + ROW * index
        if index % 2 == 0:
            out.append(f'<rect x="8" y="{y}" width="{width - 16}" height="{ROW}" fill="#f4f4f2"/>')
        out.append(f'<text x="{LABELS - 12}" y="{y + ROW / 2 + 4}" text-anchor="end" fill="#222222">{escape(row)}</text>')
    for index, (name, values) in enumerate(panels):
        out += panel(LABELS + index * (PANEL + GAP), name, values, rows, series)
    return "\n".join(out + ["</svg>"]) + "\n"


def panel(left, name, values, rows, series):
    points = [value for one in series for value in values.get(one, {}).values()]
    if not points:
        return []
    low, high, step = scale(min(point[0] for point in points), max(point[2] for point in points))
    bottom = TOP + ROW * len(rows)

    def place(value):
        return left + PANEL * (value - low) / (high - low)

    out = [f'<text x="{left + PANEL / 2}" y="{TOP - 8}" text-anchor="middle" font-weight="600" fill="#222222">'
           f'{escape(name)}</text>']
    for tick in range(low, high + 1, step):
        out.append(f'<line x1="{place(tick):.1f}" y1="{TOP}" x2="{place(tick):.1f}" y2="{bottom}" stroke="#d8d8d4"/>'
                   f'<text x="{place(tick):.1f}" y="{bottom + 18}" text-anchor="middle" font-size="12" fill="#666666">'
                   f'{tick}</text>')
    for number, one in enumerate(series):
        colour = COLOURS[number]
        start = values.get(one, {}).get(rows[0])
        if start:
            out.append(f'<line x1="{place(start[1]):.1f}" y1="{TOP}" x2="{place(start[1]):.1f}" y2="{bottom}" '
                       f'stroke="{colour}" stroke-dasharray="4 3" opacity="0.7"/>')
        for index, row in enumerate(rows):
            if row not in values.get(one, {}):
                continue
            least, mean, most = values[one][row]
            y = TOP + ROW * index + ROW * (number + 1) / (len(series) + 1)
            out.append(f'<line x1="{place(least):.1f}" y1="{y:.1f}" x2="{place(most):.1f}" y2="{y:.1f}" '
                       f'stroke="{colour}" stroke-width="2" opacity="0.55"/>'
                       f'<circle cx="{place(mean):.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
    return out


def scale(low, high):
    """Ends and step of an axis in percent."""
    step = 10 if high - low <= 45 else 20
    return max(0, int(low // step * step)), min(100, int(-(-high // step) * step)), step
