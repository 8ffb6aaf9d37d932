"""A plot with two logarithmic axes as SVG."""

from __future__ import annotations

from math import ceil, floor, log10

WIDTH, HEIGHT, LEFT, TOP, RIGHT = 660, 420, 64, 24, 36
FONT = 'font-family="system-ui, sans-serif" font-size="12" fill="#475569"'
COLOURS = ("#2563eb", "#d97706", "#059669", "#7c3aed", "#dc2626", "#0f766e")
DASHES = ("none", "7 3", "2 3", "9 3 2 3", "12 3", "1 4")
"""Lines that lie upon each other, and readers who see no colours, need more than a colour."""


def plot(lines: dict[str, list[tuple[int, float]]], title: str, x_name: str, y_name: str) -> str:
    """Return the plot; values are above zero."""
    xs = [log10(x) for points in lines.values() for x, _ in points]
    ys = [log10(y) for points in lines.values() for _, y in points]
    low_x, high_x, low_y, high_y = floor(min(xs)), ceil(max(xs)), floor(min(ys)), ceil(max(ys))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - low_x) / (high_x - low_x) * (WIDTH - LEFT - RIGHT)
        down = (high_y - y) / (high_y - low_y) * (HEIGHT - TOP - 64)
        return round(LEFT + across, 1), round(TOP + 16 + down, 1)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {FONT}>',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="{TOP}" font-size="14" fill="#0f172a">{title}</text>',
    ]
    for power in range(low_x, high_x + 1):
        (x, top), (_, bottom) = place(power, high_y), place(power, low_y)
        out.append(f'<path d="M{x} {top}V{bottom}" stroke="#e2e8f0"/>')
        out.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{10**power:,}</text>')
    for power in range(low_y, high_y + 1):
        (left, y), (right, _) = place(low_x, power), place(high_x, power)
        out.append(f'<path d="M{left} {y}H{right}" stroke="#e2e8f0"/>')
        out.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{10.0**power:g}</text>')
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        dash = f'stroke-dasharray="{DASHES[number % len(DASHES)]}"'
        drawn = " ".join("{},{}".format(*place(log10(x), log10(y))) for x, y in points)
        out.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2" {dash}/>')
        out += [
            '<circle cx="{}" cy="{}" r="3" fill="{}"/>'.format(*place(log10(x), log10(y)), colour) for x, y in points
        ]
        x, y = LEFT + 12, TOP + 36 + 18 * number
        out.append(f'<path d="M{x} {y - 4}h28" stroke="{colour}" stroke-width="2" {dash}/>')
        out.append(f'<text x="{x + 36}" y="{y}" fill="{colour}">{name}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{x_name}</text>')
    out.append(
        f'<text x="16" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 16 {HEIGHT / 2})">{y_name}</text>'
    )
    return "\n".join([*out, "</svg>\n"])
