//! How many files and connections this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than this is never needed; tables of files cost the kernel memory.
const ENOUGH: u64 = 65_536;

/// Raises the limit as far as it may be: 1024, as shells have it, is used up by a crowd at the API.
pub fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if limit.current.is_none_or(|current| current >= most) {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum }) {
        Ok(()) => tracing::debug!(files = most, "more files may be open"),
        Err(e) => tracing::warn!("the limit on open files stays as it is: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_as_high_as_it_may_be() {
        allow_files();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert!(current.is_none_or(|current| current >= maximum.unwrap_or(ENOUGH).min(ENOUGH)));
    }
}
