#!/usr/bin/python
"""Ansible module: a person has typed the name of what is about to be lost."""

from __future__ import annotations

DOCUMENTATION = r"""
module: confirmed
short_description: Have a name typed before something can't be undone
description:
  - Asks whoever is at the terminal to type a name, and fails where it is another one. Where nobody is, as in
    a script, nothing is asked; where the name was given beforehand, it only has to be the right one.
options:
  name:
    description: What is to be typed.
    type: str
    required: true
  given:
    description: What was typed beforehand; empty for nothing.
    type: str
    default: ""
  prompt:
    description: What will be lost.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Asks nothing, as nothing will be lost.
author: [data-miner]
"""

EXAMPLES = r"""
- name: Ask whether the data shall be wiped
  confirmed:
    name: "{{ cluster.name }}"
    given: "{{ confirm | default('') }}"
    prompt: The data of all machines will be wiped.
"""

RETURN = r"""
asked:
  description: Whether somebody was asked.
  type: bool
  returned: always
"""

from typing import Any

from ansible.errors import AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.utils.display import Display

from data_miner.errors import MinerError

ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "given": {"type": "str", "default": ""},
    "prompt": {"type": "str", "required": True},
}


class NotConfirmedError(MinerError):
    """The name was not typed."""


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        NotConfirmedError: another name was typed.
    """
    name, typed, asked = params["name"], params["given"], False
    if not typed and not check:
        question = f"{params['prompt']}\nType {name} to go on: "
        try:
            typed, asked = Display().prompt_until(question).decode(errors="replace").strip(), True
        except AnsiblePromptNoninteractive:
            typed = name
        except AnsiblePromptInterrupt as error:
            raise NotConfirmedError("Nothing was done.") from error
    if typed != name and not (check and not typed):
        raise NotConfirmedError(f"Nothing was done: {typed!r} is not {name}, the name of this cluster.")
    return {"changed": False, "asked": asked}
