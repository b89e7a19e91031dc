"""Machine-wide values that a lab changes, until the last lab is removed or this machine boots."""

from __future__ import annotations

#: what several machines with Kubernetes need at least
LEAST = {
    "fs.inotify.max_user_instances": 1024,
    "fs.inotify.max_user_watches": 262_144,
}
#: what kubelets and the preparation for SeaweedFS set
FROM_WITHIN = ("kernel.panic", "kernel.panic_on_oops", "vm.dirty_expire_centisecs", "vm.overcommit_memory")
