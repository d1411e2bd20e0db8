//! What a worker may do: it dies with the sidecar, gains no rights, starts no program, and sees of the disk what GStreamer and TLS need,
//! and the folder of its recording. What the kernel does not know of this is left out, and said in the log.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus,
    Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use super::message::Job;
use crate::error::{Error, ErrorKind, Result};

/// Programs, libraries, fonts, certificates and how names are looked up; never a configuration of ours.
const READ: &[&str] = &[
    "/bin",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    "/etc/ca-certificates",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/pki",
    "/etc/resolv.conf",
    "/etc/ssl",
    "/lib",
    "/lib64",
    "/nix/store",
    "/opt",
    "/proc",
    "/run/systemd/resolve",
    "/sys/devices",
    "/sys/fs/cgroup",
    "/usr",
    "/var/cache/fontconfig",
    "/var/lib/ca-certificates",
];
/// Variables that name files or folders, several with colons between them.
const NAMED: &[&str] =
    &["GST_PLUGIN_PATH", "GST_PLUGIN_SYSTEM_PATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"];
/// Below the home directory.
const AT_HOME: &[&str] = &[".fonts", ".local/share/fonts", ".cache/fontconfig", ".config/fontconfig"];

/// Open files, sockets among them: a large room takes a tenth of it.
const FILES: u64 = 4096;

/// System calls that no recording needs, and whoever took one over would.
const REFUSED: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kill,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
];

/// Binds its life to the process that started it, and gives up what it never needs. Called first, before there are threads.
pub(super) fn bind(parent: i32) -> Result<()> {
    let failed = |what: &str, e: rustix::io::Errno| Error::new(ErrorKind::Internal, format!("{what}: {e}"));
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| failed("a worker outlives the sidecar", e))?;
    // It may have died before that.
    if getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return Err(Error::new(ErrorKind::Unavailable, "the sidecar is gone"));
    }
    rustix::thread::set_no_new_privs(true).map_err(|e| failed("no_new_privs", e))?;
    // A core would hold what was said.
    limit(Resource::Core, 0);
    Ok(())
}

fn limit(resource: Resource, most: u64) {
    if let Err(error) = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }) {
        tracing::warn!(?resource, %error, "a limit of the worker cannot be set");
    }
}

/// From now on it sees its own recording only. Called before there are threads: each inherits it.
pub(super) fn enter(job: &Job) {
    limit(Resource::Nofile, FILES);
    // Memory is watched; this is for what grows faster than anybody looks.
    limit(Resource::Data, job.memory.saturating_mul(2));
    if let Err(error) = see_only(job) {
        tracing::warn!(%error, "the worker is not kept from other files (landlock)");
    }
    if let Err(error) = refuse() {
        tracing::warn!(%error, "the worker is not kept from system calls (seccomp)");
    }
}

fn see_only(job: &Job) -> std::result::Result<(), Box<dyn std::error::Error>> {
    // Files up to truncation (Linux 6.2), as far as this kernel knows them.
    let abi = ABI::V3;
    let folder = job.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let read: Vec<PathBuf> = READ
        .iter()
        .map(PathBuf::from)
        .chain(NAMED.iter().filter_map(std::env::var_os).flat_map(paths))
        .chain(std::env::var_os("HOME").into_iter().flat_map(|home| at_home(Path::new(&home))))
        .chain(job.site.ca_file.clone())
        .collect();
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(read, AccessFs::from_read(abi)))?
        .add_rule(PathBeneath::new(PathFd::new(folder)?, AccessFs::from_all(abi)))?
        .restrict_self()?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err("this kernel has no landlock".into()),
    }
}

fn paths(named: OsString) -> Vec<PathBuf> {
    std::env::split_paths(&named).collect()
}

fn at_home(home: &Path) -> Vec<PathBuf> {
    AT_HOME.iter().map(|below| home.join(below)).collect()
}

fn refuse() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let rules = REFUSED.iter().map(|call| (*call, vec![])).collect();
    let denied = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, denied, arch)?.try_into()?;
    seccompiler::apply_filter(&filter)?;
    Ok(())
}
