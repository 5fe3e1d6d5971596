//! The listening socket's file: nobody else's is taken, none is left behind, only our user connects.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Bytes of a path in `sockaddr_un`, without the zero behind it (unix(7)).
const LONGEST_PATH: usize = 107;
/// The socket's name until it is our user's alone.
const INSIDE: &str = "s";

/// The listening socket; removed with this value.
pub(crate) struct ControlSocket(pub(crate) PathBuf);

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            log::warn!("cannot remove {}: {error}", self.0.display());
        }
    }
}

/// Binds in a directory that only we can enter, so that at no time anybody else can connect.
pub(crate) fn bind(path: &Path) -> Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => bail!("there is a file that is no socket"),
        Ok(_) if UnixStream::connect(path).is_ok() => bail!("another server does"),
        _ => {}
    }
    let mut private = path.as_os_str().to_owned();
    private.push(format!(".{}", std::process::id()));
    let private = PathBuf::from(private);
    let (bytes, longer) = (path.as_os_str().len(), private.join(INSIDE).as_os_str().len());
    if longer > LONGEST_PATH {
        let most = LONGEST_PATH - (longer - bytes);
        bail!("the path has {bytes} bytes, and one of a socket has at most {most}");
    }
    DirBuilder::new().mode(0o700).create(&private).context("cannot make a directory beside it")?;
    let bound = bind_in(&private, path);
    fs::remove_dir(&private).context("cannot remove the directory beside it")?;
    bound
}

fn bind_in(private: &Path, path: &Path) -> Result<UnixListener> {
    let inside = private.join(INSIDE);
    let listener = UnixListener::bind(&inside)?;
    fs::set_permissions(&inside, Permissions::from_mode(0o600))?;
    fs::rename(&inside, path)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_too_long_is_told_with_how_long_it_may_be() {
        let directory = std::env::temp_dir();
        let name = |length: usize| {
            let before = directory.join("").as_os_str().len();
            directory.join("x".repeat(length - before))
        };
        let error = bind(&name(200)).unwrap_err().to_string();
        let most = error.rsplit_once("at most ").and_then(|(_, most)| most.parse().ok());
        let most: usize = most.unwrap_or_else(|| panic!("{error}"));
        assert!(bind(&name(most + 1)).is_err());
        bind(&name(most)).expect("what it says fits");
        fs::remove_file(name(most)).unwrap();
    }
}
