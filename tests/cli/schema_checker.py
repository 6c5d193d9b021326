# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds documents against docs/schema: they are accepted, with members that they do not have yet as
well; with any one member left out or of another type they are refused."""
import copy
import json

import jsonschema


def paths_of(value, path=()):
    """The path of each member of the document; of arrays the first element alone is looked at."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield path + (key,)
            yield from paths_of(member, path + (key,))
    elif isinstance(value, list) and value:
        yield from paths_of(value[0], path + (0,))


def at(document, path):
    for step in path:
        document = document[step]
    return document


def changed(document, path, change):
    """A copy of the document in which `change(object, key)` was applied to one member."""
    document = copy.deepcopy(document)
    change(at(document, path[:-1]), path[-1])
    return document


def remove(members, key):
    del members[key]


def retype(members, key):
    members[key] = 1 if isinstance(members[key], (dict, list)) else [members[key]]


def add(members, key):
    members["added_later"] = {"of": ["any", 1, None]}


def shorten(document):
    """The document with at most three rows, so that copies of it are quick to check."""
    return {key: value[:3] if isinstance(value, list) else value for key, value in document.items()}


class Checker:
    def __init__(self, folder):
        self.failures = 0
        self.accepted = 0
        self.refused = 0
        self.validators = {}
        kernels = []
        for name in ("status", "explain", "verify", "monitor", "violations", "slice", "export", "doctor", "bench",
                     "policy-list", "policy-show", "policy-change", "policy-check"):
            schema = json.loads((folder / f"{name}.json").read_text())
            jsonschema.Draft202012Validator.check_schema(schema)
            self.validators[name] = jsonschema.Draft202012Validator(schema)
            if "kernel" in schema["$defs"]:
                kernels.append(schema["$defs"]["kernel"])
        if any(kernel != kernels[0] for kernel in kernels):
            self.fail("the kernel is not described alike in all schemas")

    def fail(self, message):
        print(message)
        self.failures += 1

    def check(self, what, schema, document):
        validator = self.validators[schema]
        errors = list(validator.iter_errors(document))
        for error in errors[:5]:
            self.fail(f"{what}: {list(error.absolute_path)}: {error.message[:200]}")
        self.accepted += not errors
        small = shorten(document)
        for path in paths_of(small):
            for change in (remove, retype):
                if validator.is_valid(changed(small, path, change)):
                    self.fail(f"{what}: {change.__name__} {path}: not refused")
                else:
                    self.refused += 1
            if not validator.is_valid(changed(small, path, add)):
                self.fail(f"{what}: refuses a new member beside {path}")
        wrong_version = dict(small, version=small["version"] + 1)
        if validator.is_valid(wrong_version):
            self.fail(f"{what}: another version is not refused")
