//! Writes the pictures of README into `docs/`, and the pages that they are from into a folder of choice:
//!
//! ```sh
//! cargo run -p virtnet-trace --all-features --example pictures -- FOLDER
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).map_or_else(env::temp_dir, PathBuf::from);
    fs::create_dir_all(&folder)?;
    for (name, trace) in
        [("few", virtnet_trace::few()), ("many", virtnet_trace::many()), ("failures", virtnet_trace::failures())]
    {
        let (mut page, view) = (String::new(), trace.view().reads(true));
        view.write_html(&mut page)?;
        let path = folder.join(name).with_extension("html");
        fs::write(&path, page)?;
        println!("{}: {} events", path.display(), view.events().count());
    }
    Ok(())
}
