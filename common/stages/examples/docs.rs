//! Writes the pages on stage types: `cargo run -p stages --example docs -- DIRECTORY`.

use std::{io, path::PathBuf};

fn main() -> io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("name the folder to write to"));
    };
    for (name, text) in stages::documentation::pages() {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
