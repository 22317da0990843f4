//! Writes the traces that the tests look at, in all formats, into a folder:
//!
//! ```sh
//! cargo run -p virtnet-trace --all-features --example pictures -- FOLDER
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).map_or_else(env::temp_dir, PathBuf::from);
    let traces = [
        ("few", virtnet_trace::few()),
        ("many", virtnet_trace::many()),
        ("failures", virtnet_trace::failures()),
        ("hostile", virtnet_trace::hostile()),
    ];
    for (name, trace) in traces {
        for path in trace.write_files(&folder, name)? {
            println!("{}: {} bytes", path.display(), fs::metadata(&path)?.len());
        }
    }
    Ok(())
}
