//! README's links, which a registry's page shows outside of any repository.

use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const README: &str = include_str!("../README.md");
/// Where the files of the published package can be read.
const SOURCE: &str = "https://docs.rs/crate/virtnet/latest/source/";

#[test]
fn links_lead_to_pages_or_to_files_of_the_package() {
    let mut list = Command::new(env!("CARGO"));
    list.args(["package", "--list", "--allow-dirty", "-p", "virtnet"]).current_dir(ROOT);
    let listed = String::from_utf8(list.output().unwrap().stdout).unwrap();
    let inline = README.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
    let below = README.lines().filter(|line| line.starts_with('[')).filter_map(|line| line.split_once("]: "));
    let links: Vec<_> = inline.chain(below.map(|(_, link)| link)).collect();
    assert!(links.iter().any(|link| link.starts_with(SOURCE)), "{links:?}");
    for link in links {
        match link.strip_prefix(SOURCE) {
            Some(file) => assert!(listed.lines().any(|line| line == file), "{file} is not in the package:\n{listed}"),
            None if link.starts_with("https://") => {}
            // A registry finds pictures where the repository is known.
            None => assert!(link.ends_with(".svg") && Path::new(ROOT).join(link).exists(), "{link}"),
        }
    }
}
