"""The page of an API, made from its OpenAPI description: plain HTML that needs nothing else."""

from __future__ import annotations

import html
import json
from typing import Any

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1a1a1a;background:#fff}
code,pre{font:14px/1.45 ui-monospace,monospace}
pre{background:#f4f4f5;padding:.8rem;overflow:auto;border-radius:6px}
details{border:1px solid #ddd;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}summary b{display:inline-block;min-width:4.5rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .6rem;
border-bottom:1px solid #e5e5e5;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#151517;color:#eee}pre{background:#222226}
details{border-color:#3a3a40}td,th{border-color:#333}a{color:#8ab4ff}}
"""


def docs_page(schema: dict[str, Any]) -> str:
    """Return the page of an OpenAPI description.

    Args:
        schema: what FastAPI's `openapi` returns.
    """
    groups: dict[str, list[str]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            group = (operation.get("tags") or ["other"])[0]
            groups.setdefault(group, []).append(_operation(path, method, operation))
    title = f"{_text(schema['info']['title'])} {_text(schema['info']['version'])}"
    body = "".join(f"<h2>{_text(name)}</h2>{''.join(parts)}" for name, parts in groups.items())
    schemas = schema.get("components", {}).get("schemas", {})
    forms = "".join(_schema(name, one) for name, one in sorted(schemas.items()))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style><h1>{title}</h1>"
        f"<p>{_text(schema['info'].get('description', ''))} "
        'As a file: <a href="/openapi.json">openapi.json</a>.</p>'
        f"<h2>Start</h2><pre>{_text(_START)}</pre>{body}<h2>Schemas</h2>{forms}</html>"
    )


_START = """curl -F file=@me.jpg localhost:8080/v1/uploads           # {"id": "file_...", ...}
curl -F file=@me.wav localhost:8080/v1/uploads
curl localhost:8080/v1/jobs -H 'Content-Type: application/json' -d '{"kind": "generate",
  "input": {"image": "file_...", "audio": "file_...", "prompt": "she smiles"}}'
curl localhost:8080/v1/jobs/job_...                      # position, stage, percent, result
curl -N localhost:8080/v1/jobs/job_.../events            # the same as it changes"""


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    summary = _text((operation.get("description") or operation.get("summary", "")).split("\n")[0])
    rows = "".join(
        f"<tr><td><code>{_text(one['name'])}</code></td><td>{_text(one['in'])}</td>"
        f"<td>{_text(_kind(one.get('schema', {})))}</td>"
        f"<td>{_text(one.get('description', ''))}</td></tr>"
        for one in operation.get("parameters", ())
    )
    table = f"<table><tr><th>name<th>in<th>type<th></tr>{rows}</table>" if rows else ""
    bodies = operation.get("requestBody", {}).get("content", {})
    body = "".join(
        f"<p>Body: <code>{_text(kind)}</code> {_linked(one.get('schema', {}))}</p>"
        for kind, one in bodies.items()
    )
    answers = ", ".join(operation.get("responses", {}))
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{_text(path)}</code> {summary}</summary>"
        f"<p>{_text(operation.get('description', ''))}</p>{table}{body}"
        f"<p>Answers: {_text(answers)}</p></details>"
    )


def _schema(name: str, schema: dict[str, Any]) -> str:
    needed = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{_text(key)}</code></td><td>{_text(_kind(value))}</td>"
        f"<td>{'needed' if key in needed else _default(value)}</td>"
        f"<td>{_text(_about(value))}</td></tr>"
        for key, value in schema.get("properties", {}).items()
    )
    about = _text(schema.get("description", ""))
    return (
        f'<details id="{_text(name)}"><summary><code>{_text(name)}</code> {about}</summary>'
        f"<table><tr><th>field<th>type<th>default<th></tr>{rows}</table></details>"
    )


def _linked(schema: dict[str, Any]) -> str:
    """Return the type of a value, as a link where it is described below."""
    kind = _text(_kind(schema))
    return f'<a href="#{kind}">{kind}</a>' if "$ref" in schema else kind


def _default(schema: dict[str, Any]) -> str:
    return _text(json.dumps(schema["default"])) if schema.get("default") is not None else ""


def _about(schema: dict[str, Any]) -> str:
    """Return what is said of a value, or of the one that it may be besides null."""
    inner = [one["description"] for one in schema.get("anyOf", ()) if "description" in one]
    return schema.get("description") or " or ".join(inner)


def _kind(schema: dict[str, Any]) -> str:
    """Return the type of a value in a few words."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        kinds = [_kind(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "from"), ("maximum", "to"), ("exclusiveMaximum", "below"))
        if key in schema
    ]
    return " ".join([schema.get("type", "any"), *bounds])


def _text(value: object) -> str:
    return html.escape(str(value))
