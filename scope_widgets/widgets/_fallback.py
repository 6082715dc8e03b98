"""A still life of a view for hosts that cannot run it: GitHub, nbconvert, VS Code offline."""

from __future__ import annotations

from html import escape

_NOTE = "A still picture: the view itself needs a running notebook, or its page saved with .to_html()."


def fallback_html(title: str, table: tuple[list[str], list[list[str]]] | None, picture: str | None) -> str:
    """Return a still life of a view: inline styles only, no scripts, everything escaped."""
    cell = 'style="padding:1px 8px;text-align:right;font-variant-numeric:tabular-nums"'
    parts = [f"<figure style='margin:0'><figcaption><b>{escape(title)}</b></figcaption>"]
    if picture:
        parts.append(f'<img alt="{escape(title)}" src="data:image/png;base64,{picture}">')
    if table:
        header, rows = table
        parts.append("<table><thead><tr>")
        parts += [f"<th {cell}>{escape(name)}</th>" for name in header]
        parts.append("</tr></thead><tbody>")
        for row in rows:
            parts.append("<tr>" + "".join(f"<td {cell}>{escape(text)}</td>" for text in row) + "</tr>")
        parts.append("</tbody></table>")
    return "".join(parts) + f"<small>{_NOTE}</small></figure>"
