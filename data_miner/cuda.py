"""Computing on the GPUs of this machine, by the driver's own library: what ``verify`` runs in a pod.

Needs neither PyTorch nor a toolkit, so that a failure is the driver's or the container's.
Run it with ``python -m data_miner.cuda``.
"""

from __future__ import annotations

import ctypes
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

from data_miner.errors import MinerError

LIBRARY = "libcuda.so.1"
_BYTES = 1 << 20
_PATTERN = bytes(range(256)) * (_BYTES // 256)
_FILLED, _FILL = _BYTES // 2, 0xA5
_NAME_LENGTH = 128


class CudaError(MinerError):
    """A GPU can't be used; the text says what failed and what to do."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU that has computed."""

    name: str
    memory_bytes: int


def compute(library: str = LIBRARY) -> list[Gpu]:
    """Let each GPU of this machine take memory, change it and give it back.

    Raises:
        CudaError: there is none, or one does not do it.
    """
    try:
        driver = _Driver(ctypes.CDLL(library))
    except OSError as error:
        raise CudaError(
            f"{library} is not in this container ({error}); see to it that nvidia is the container runtime "
            "of its node: ansible-playbook site.yml --tags nvidia"
        ) from error
    driver.call("cuInit", 0)
    count = ctypes.c_int()
    driver.call("cuDeviceGetCount", ctypes.byref(count))
    if count.value == 0:
        raise CudaError("the driver shows no GPU to this container; look at `nvidia-smi` on the node")
    return [_compute_on(driver, number) for number in range(count.value)]


class _Driver:
    """The driver's library, whose errors are exceptions."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            said = ctypes.c_char_p()
            self._library.cuGetErrorName(code, ctypes.byref(said))
            text = said.value.decode() if said.value else "an unknown error"
            raise CudaError(f"{name} failed: {text} ({code}); look for NVRM and Xid in `dmesg` on the node")


def _compute_on(driver: _Driver, number: int) -> Gpu:
    device = ctypes.c_int()
    driver.call("cuDeviceGet", ctypes.byref(device), number)
    name = ctypes.create_string_buffer(_NAME_LENGTH)
    driver.call("cuDeviceGetName", name, _NAME_LENGTH, device)
    memory = ctypes.c_size_t()
    driver.call("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    context = ctypes.c_void_p()
    driver.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    try:
        driver.call("cuCtxSetCurrent", context)
        _use_memory(driver, name.value.decode())
    finally:
        driver.call("cuDevicePrimaryCtxRelease_v2", device)
    return Gpu(name=name.value.decode(), memory_bytes=memory.value)


def _use_memory(driver: _Driver, name: str) -> None:
    """Copy bytes to the GPU, have it overwrite half of them, and compare what comes back."""
    address = ctypes.c_uint64()
    driver.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(_BYTES))
    try:
        driver.call("cuMemcpyHtoD_v2", address, _PATTERN, ctypes.c_size_t(_BYTES))
        driver.call("cuMemsetD8_v2", address, ctypes.c_ubyte(_FILL), ctypes.c_size_t(_FILLED))
        back = ctypes.create_string_buffer(_BYTES)
        driver.call("cuMemcpyDtoH_v2", back, address, ctypes.c_size_t(_BYTES))
    finally:
        driver.call("cuMemFree_v2", address)
    if back.raw != bytes([_FILL]) * _FILLED + _PATTERN[_FILLED:]:
        raise CudaError(f"{name} gave back other bytes than it was to write; its memory may be broken")


def main() -> int:
    """Compute on each GPU, print what they are as JSON, and return the exit code."""
    try:
        found = compute()
    except CudaError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps([asdict(gpu) for gpu in found]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
