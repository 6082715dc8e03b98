"""The page of the API's documentation: our own few lines, which load nothing from elsewhere."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

PAGE, SCRIPT = "/api/v1/docs", "/api/v1/docs.js"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Workbench API</title>
<link rel="icon" href="data:,">
<style>
body { margin: 16px auto; max-width: 1000px; padding: 0 16px; font: 13px/20px system-ui, sans-serif; }
h1 { font-size: 18px; } h2 { font-size: 15px; margin: 24px 0 4px; } summary { cursor: pointer; }
code, pre { font: 12px/18px ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
</style>
<script type="module" src="docs.js"></script>
</head>
<body><main><h1>Workbench API</h1><p id="said" role="status">Reading …</p><div id="operations"></div></main></body>
</html>
"""

# The token comes as the workbench's page has it: from the end of the address, or from the tab's memory.
_SCRIPT = """const KEY = "scope-widgets.token";
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, "", location.pathname);
}
const token = sessionStorage.getItem(KEY) ?? "";
const said = document.getElementById("said");
const made = (name, text) => Object.assign(document.createElement(name), { textContent: text });

async function show() {
  const answer = await fetch("openapi.json", { headers: { Authorization: `Bearer ${token}` } });
  if (!answer.ok) {
    const token = "the token of the address that `microscope ui` printed: docs#token=...";
    said.textContent = answer.status === 401 ? `Open this page with ${token}` : `The server answers ${answer.status}.`;
    return;
  }
  const api = await answer.json();
  const named = (schema) => JSON.stringify(schema, null, 2);
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, one] of Object.entries(methods)) {
      const tag = one.tags?.[0] ?? "";
      if (!groups.has(tag)) groups.set(tag, []);
      const entry = document.createElement("details");
      const summary = document.createElement("summary");
      summary.append(made("code", `${method.toUpperCase()} ${path}`), ` ${one.description ?? one.summary ?? ""}`);
      entry.append(summary);
      for (const part of one.parameters ?? []) {
        const needed = part.required ? ", required" : "";
        entry.append(made("pre", `${part.name} (${part.in}${needed}): ${named(part.schema)}`));
      }
      if (one.requestBody) entry.append(made("pre", `body: ${named(one.requestBody.content)}`));
      for (const [status, response] of Object.entries(one.responses ?? {})) {
        entry.append(made("pre", `${status}: ${response.description}\\n${named(response.content ?? {})}`));
      }
      groups.get(tag).push(entry);
    }
  }
  const all = document.getElementById("operations");
  for (const [tag, entries] of groups) all.append(made("h2", tag), ...entries);
  all.append(made("h2", "schemas"));
  for (const [name, schema] of Object.entries(api.components?.schemas ?? {})) {
    const entry = document.createElement("details");
    entry.append(made("summary", name), made("pre", named(schema)));
    all.append(entry);
  }
  said.textContent = `${api.info.title} ${api.info.version}, OpenAPI ${api.openapi}: openapi.json`;
}

show().catch((error) => (said.textContent = String(error)));
"""


async def docs_page(request: Request) -> Response:
    """Answer with the page, which is the same for everybody and knows nothing."""
    return Response(_PAGE, media_type="text/html", headers={"cache-control": "no-cache"})


async def docs_script(request: Request) -> Response:
    """Answer with its script, which asks for openapi.json with the token."""
    return Response(_SCRIPT, media_type="text/javascript", headers={"cache-control": "no-cache"})


def is_public(path: str) -> bool:
    """Return whether a path is the page or its script."""
    return path in (PAGE, SCRIPT)
