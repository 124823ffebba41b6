"""Keeps this process, and those that it starts, from using AMX.

On processors with AMX, XNNPACK takes its int8 kernels for AMX, whose tiles are 64
channels wide: networks with narrow layers run slower on them than on those for
AVX512-VNNI, which are also nearer to what phones have. There is no option for it, but a
process has to ask Linux for AMX, and a seccomp filter can refuse that.
"""

import ctypes
import struct
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM = 158, 0x1023  # numbers of x86-64 Linux
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # with EPERM
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
# Code, distance to jump if true and if false, operand; 0 and 16 are the places of the
# system call's number and of its first argument.
_FILTER = (
    (_LOAD, 0, 0, 0),
    (_JUMP_IF_EQUAL, 0, 3, _ARCH_PRCTL),
    (_LOAD, 0, 0, 16),
    (_JUMP_IF_EQUAL, 0, 1, _ARCH_REQ_XCOMP_PERM),
    (_RETURN, 0, 0, _REFUSE),
    (_RETURN, 0, 0, _ALLOW),
)


def withhold_amx() -> None:
    """Refuses AMX to this process and its children, for good.

    Has to be called before TensorFlow or LiteRT first runs anything.

    Raises:
      OSError: this is not Linux on x86-64, or the filter was not taken.
    """
    if sys.platform != "linux" or struct.calcsize("P") != 8:
        raise OSError("AMX can be withheld on 64-bit Linux only")
    code = b"".join(struct.pack("HBBI", *line) for line in _FILTER)
    lines = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxQ", len(_FILTER), ctypes.addressof(lines))
    system = ctypes.CDLL(None, use_errno=True)
    system.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if system.prctl(_PR_SET_SECCOMP, _MODE_FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel did not take the seccomp filter")
