//! `gen8emu screenshot`: asks a server for the picture on its screen.

use anyhow::{Context, Result};

use crate::cli::ScreenshotArgs;
use crate::control::picture::{Taken, Wanted};

/// Lets the server write the file, and says what is in it.
pub(crate) fn command(arguments: &ScreenshotArgs) -> Result<()> {
    let file = std::path::absolute(&arguments.file).context("there is no working directory")?;
    let wanted = Wanted { file, pipe: arguments.pipe };
    let taken: Taken = control_client::ask(&arguments.control, "screenshot", &wanted)?;
    let file = arguments.file.display();
    println!("{file}: {}x{} from pipe {}", taken.width, taken.height, taken.pipe);
    Ok(())
}
