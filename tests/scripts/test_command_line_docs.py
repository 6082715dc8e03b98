"""docs/command_line.md is what the parsers say."""

import json
import re

import jsonschema

from scripts import command_line_docs


def test_the_page_is_current():
    written = command_line_docs.TARGET.read_text(encoding="utf-8")
    assert written == command_line_docs.page(), "run python -m scripts.command_line_docs"


def test_its_schemas_are_schemas():
    blocks = re.findall(r"```json\n(.*?)\n```", command_line_docs.page(), re.DOTALL)
    assert len(blocks) == len(command_line_docs.make_parser()[1]) + 1
    for block in blocks:
        jsonschema.Draft202012Validator.check_schema(json.loads(block))
