//! The listening socket's file: nobody else's is taken, none is left behind, only our user connects.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

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
    DirBuilder::new().mode(0o700).create(&private).context("cannot make a directory beside it")?;
    let bound = bind_in(&private, path);
    fs::remove_dir(&private).context("cannot remove the directory beside it")?;
    bound
}

fn bind_in(private: &Path, path: &Path) -> Result<UnixListener> {
    let inside = private.join("s");
    let listener = UnixListener::bind(&inside)?;
    fs::set_permissions(&inside, Permissions::from_mode(0o600))?;
    fs::rename(&inside, path)?;
    Ok(listener)
}
