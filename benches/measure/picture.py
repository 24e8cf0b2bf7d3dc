"""The picture: three small charts of bars, sized to be read in a README."""

from statistics import median
from xml.sax.saxutils import escape

from measure.systems import FRESH, KEPT, NULL, OPEN, QUEUE, REUSE, SPARES

WIDTH, LEFT, BAR, STEP, CHART = 760, 200, 16, 23, 34
OURS = {FRESH.name, SPARES.name, REUSE.name}
STYLE = """
  text { font: 14px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .ours { fill: #0969da }
  .peer { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .ours { fill: #4493f8 }
    .peer { fill: #6e7681 }
  }
"""


def picture(run):
    at = run["queries"]["samples"]["0"]["32"]
    order = [FRESH, SPARES, REUSE, OPEN, KEPT, NULL, QUEUE]
    charts = [
        ("Requests/s with one query, 32 at once (more is better)", middle(at, "rate"), "{:,.0f}"),
        (
            "p50 at 20 requests/s, 5 ms to the server each way, in ms (less is better)",
            middle(run["steady"], "p50"),
            "{:.1f}",
        ),
        (
            "From exec to the first answered SQL request, in ms (less is better)",
            {name: median(starts) * 1000 for name, starts in run["cold"].items()},
            "{:,.0f}",
        ),
    ]
    parts, top = [], 8
    for title, values, form in charts:
        names = [system.name for system in order if system.name in values]
        parts.append(f'<text class="title" x="8" y="{top + 16}">{escape(title)}</text>')
        top += 28
        longest = max(values[name] for name in names)
        for name in names:
            length = max(2, values[name] / longest * (WIDTH - LEFT - 90))
            kind = "ours" if name in OURS else "peer"
            label = "sqlscope, " + name if name in OURS else name
            parts.append(f'<text x="{LEFT - 8}" y="{top + 13}" text-anchor="end">{escape(label)}</text>')
            parts.append(f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>')
            parts.append(f'<text x="{LEFT + length + 7:.1f}" y="{top + 13}">{form.format(values[name])}</text>')
            top += STEP
        top += CHART - STEP + 6
    body = "\n".join(f"  {part}" for part in parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}" '
        f'role="img" aria-label="sqlscope beside bare tiberius and the Python system">\n'
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def middle(samples, key):
    return {name: median(sample[key] for sample in of) for name, of in samples.items()}
