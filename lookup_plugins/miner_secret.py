"""Lookup: secrets of the operator, from the environment or .env."""

from __future__ import annotations

DOCUMENTATION = r"""
name: miner_secret
short_description: A secret from the environment or the checkout's .env
description:
  - Returns each named variable from the environment, else from C(.env) in the checkout, else an empty string.
  - Use it with C(no_log).
options:
  _terms:
    description: Names of variables.
    required: true
    type: list
    elements: str
author: [data-miner]
"""

EXAMPLES = r"""
- name: Assert that there is a token
  ansible.builtin.assert:
    that: lookup('miner_secret', 'HF_TOKEN') | length > 0
"""

RETURN = r"""
_raw:
  description: The values.
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from data_miner.errors import MinerError
from miner_cluster.env_file import secret


class LookupModule(LookupBase):  # type: ignore[misc]
    """One value per name."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        """Return the values; '' for those that nothing sets."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [secret(term, os.environ) for term in terms]
        except MinerError as error:
            raise AnsibleLookupError(str(error)) from None
