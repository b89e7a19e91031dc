"""Modules that run on machines without what Ansible's own bring along.

With each module Ansible sends ``AnsibleModule`` and all that it needs, which the machine compiles anew at
each call; that took longer than most of what is done there. ``library/NAME.py`` holds such a module's
documentation, its ``ARGUMENTS`` and its function ``run``, which needs the standard library and our
``module_utils`` only; ``action_plugins/NAME.py`` makes Ansible send it, with one program that runs it.
"""
