"""A documentation as Markdown, as a summary, and as an HTML page with live views."""
