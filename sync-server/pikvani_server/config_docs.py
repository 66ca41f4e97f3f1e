"""Prints the configuration as a commented TOML file, read off the sentences under its fields."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap

import msgspec

from pikvani_server.config import Config


def field_docs(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The sentence under each field of a struct's source, empty where there is none."""
    body = ast.parse(textwrap.dedent(inspect.getsource(struct))).body[0]
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    name = ""
    for statement in body.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            docs[name] = ""
        elif name and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            docs[name] = str(statement.value.value)
            name = ""
    return docs


def describe_config() -> str:
    """Every key with its meaning and default, as TOML."""
    config = Config()
    lines: list[str] = []
    sections: list[str] = []
    for name in config.__struct_fields__:
        value = getattr(config, name)
        if isinstance(value, msgspec.Struct):
            doc = (inspect.getdoc(type(value)) or "").splitlines()[0]
            sections += ["", f"# {doc}", f"[{name}]", *_keys(value)]
        else:
            lines += [f"# {field_docs(Config)[name]}", f"{name} = {json.dumps(value)}"]
    return "\n".join(lines + sections)


def _keys(section: msgspec.Struct) -> list[str]:
    docs = field_docs(type(section))
    lines = []
    for name in section.__struct_fields__:
        lines += [f"# {docs[name]}", f"{name} = {json.dumps(getattr(section, name))}"]
    return lines
