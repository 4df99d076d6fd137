//! A seccomp filter without io_uring, for processes that tests start: the kernel answers its three calls with EPERM, as
//! under the default profiles of containers.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// `io_uring_setup`, `_enter` and `_register`: the same numbers on all architectures that the server runs on.
const CALLS: [u32; 3] = [425, 426, 427];

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Makes the process that a command starts live without io_uring.
pub fn forbid_io_uring(command: &mut Command) {
    let filter = filter();
    // SAFETY: between fork and exec only two system calls are made, on memory that is there already.
    unsafe {
        command.pre_exec(move || install(&filter));
    }
}

fn step(code: u16, k: u32, jump_if: u8) -> libc::sock_filter {
    libc::sock_filter {
        code,
        jt: jump_if,
        jf: 0,
        k,
    }
}

fn filter() -> [libc::sock_filter; 6] {
    let [setup, enter, register] = CALLS;
    [
        // The number of the call is the first word of what a filter sees.
        step(LOAD_WORD, 0, 0),
        step(JUMP_IF_EQUAL, setup, 3),
        step(JUMP_IF_EQUAL, enter, 2),
        step(JUMP_IF_EQUAL, register, 1),
        step(RETURN, libc::SECCOMP_RET_ALLOW, 0),
        step(RETURN, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0),
    ]
}

fn install(filter: &[libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program, which lives until the call returns.
    let outcome = unsafe {
        match libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) {
            0 => libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ),
            failed => failed,
        }
    };
    match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
