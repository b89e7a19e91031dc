"""Action plugin machine_left_out: library/machine_left_out.py documents it."""

from __future__ import annotations

from typing import Any, NoReturn

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]
    """Says what Ansible itself says of a host that does not answer."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> NoReturn:
        """Leave the host out.

        Raises:
            AnsibleConnectionFailure: always; with the reason.
        """
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec({"reason": {"type": "str", "required": True}})
        raise AnsibleConnectionFailure(options["reason"])
