//! Writes the pictures of README into `docs`, and with a folder, the traces that the tests look at in all formats there:
//!
//! ```sh
//! cargo run -p virtnet-trace --all-features --example pictures [FOLDER]
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (name, picture) in virtnet_trace::pictures() {
        fs::write(docs.join(name), picture)?;
    }
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else { return Ok(()) };
    let traces = [
        ("few", virtnet_trace::few()),
        ("many", virtnet_trace::many()),
        ("failures", virtnet_trace::failures()),
        ("faults", virtnet_trace::faults()),
        ("hostile", virtnet_trace::hostile()),
        ("two_networks", virtnet_trace::two_networks()),
    ];
    for (name, trace) in traces {
        for path in trace.write_files(&folder, name)? {
            println!("{}: {} bytes", path.display(), fs::metadata(&path)?.len());
        }
    }
    Ok(())
}
