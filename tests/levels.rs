//! The levels of `src`: a folder imports from folders of lower levels only, and no files import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each folder of `src` with its level. A new folder gets a line here.
const LEVELS: [(&str, u32); 17] = [
    ("addr", 0),
    ("sync", 0),
    ("error", 1),
    ("wait", 1),
    ("contract", 2),
    ("table", 2),
    ("trace", 3),
    ("wire", 3),
    ("net", 4),
    ("tcp", 4),
    ("snapshot", 5),
    ("bridge", 6),
    ("sim", 6),
    ("lonet", 7),
    ("pipenet", 7),
    ("testing", 7),
    ("adapter", 8),
];

/// A file of `src`, as the path of its module: `net::dial`, or `net` for `net/mod.rs`.
type Module = String;

#[test]
fn each_folder_imports_from_lower_levels_only() {
    let mut wrong = Vec::new();
    for (from, imports) in &imports() {
        for (to, line) in imports {
            let [own, other] = [folder(from), folder(to)];
            if own != other && level(own) <= level(other) {
                wrong.push(format!("{from} (level {}) imports {to} (level {}): {line}", level(own), level(other)));
            }
        }
    }
    assert!(wrong.is_empty(), "imports from the same level or above:\n{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let imports = imports();
    let mut left: BTreeMap<&Module, BTreeSet<&Module>> =
        imports.iter().map(|(from, to)| (from, to.keys().filter(|to| *to != from).collect())).collect();
    // A file without remaining imports is in no circle.
    while let Some(done) = left.iter().find(|(_, to)| to.is_empty()).map(|(from, _)| *from) {
        left.remove(done);
        left.values_mut().for_each(|to| {
            to.remove(done);
        });
    }
    // Neither is a file that no remaining file imports.
    while let Some(done) = left.keys().copied().find(|file| !left.values().any(|to| to.contains(file))) {
        left.remove(done);
    }
    assert!(left.is_empty(), "files that import each other in a circle:\n{left:#?}");
}

#[test]
fn sources_import_from_folders_and_not_from_the_crate_root() {
    let roof: Vec<_> = sources()
        .into_iter()
        .filter(|(module, _)| module != "lib")
        .flat_map(|(module, source)| {
            let items = use_paths(&source).into_iter().filter(|path| path.len() == 2 && path[0] == "crate");
            let items = items.filter(|path| !LEVELS.iter().any(|(folder, _)| *folder == path[1]));
            // Macros are exported at the crate root.
            let items = items.filter(|path| !path[1].starts_with("__virtnet"));
            items.map(|path| format!("{module}: use {}", path.join("::"))).collect::<Vec<_>>()
        })
        .collect();
    assert!(roof.is_empty(), "imports of what lib.rs re-exports:\n{}", roof.join("\n"));
}

/// The imports of each file: for each imported file, the first line that imports it.
fn imports() -> BTreeMap<Module, BTreeMap<Module, String>> {
    let sources = sources();
    let modules: BTreeSet<Module> = sources.iter().map(|(module, _)| module.clone()).collect();
    let mut all = BTreeMap::new();
    for (module, source) in sources.iter().filter(|(module, _)| module != "lib") {
        let mut found = BTreeMap::new();
        for path in use_paths(source) {
            if let Some(to) = target(module, &path, &modules).filter(|to| to != module) {
                found.entry(to).or_insert_with(|| format!("use {}", path.join("::")));
            }
        }
        all.insert(module.clone(), found);
    }
    all
}

/// The module of this crate that a `use` path leads into, if any. Imports of a `mod.rs` from its own files do not
/// count.
fn target(from: &Module, path: &[String], modules: &BTreeSet<Module>) -> Option<Module> {
    let mut at: Vec<&str> = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "super" => {
            let mut at: Vec<&str> = from.split("::").collect();
            at.pop();
            at
        }
        _ => return None,
    };
    for part in &path[1..] {
        if part == "super" {
            at.pop();
            continue;
        }
        let next = [at.join("::").as_str(), part]
            .iter()
            .filter(|part| !part.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join("::");
        if !modules.contains(&next) {
            break;
        }
        at.push(part);
    }
    Some(at.join("::")).filter(|to| !to.is_empty())
}

/// The paths in a source: those of its `use` lines, with each `{…}` expanded, and `crate::…` anywhere else in its code.
/// Those in tests do not count.
fn use_paths(source: &str) -> Vec<Vec<String>> {
    let source = source.split("#[cfg(test)]\n").next().unwrap_or_default();
    let source = source.split("#[cfg(all(test").next().unwrap_or_default();
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    let mut paths = Vec::new();
    for statement in code.split("use ").skip(1).filter_map(|rest| rest.split(';').next()) {
        let statement: String = statement.split_whitespace().collect::<Vec<_>>().join(" ");
        if ["crate::", "super::"].iter().any(|start| statement.starts_with(start)) {
            take_apart(&statement, &mut Vec::new(), &mut paths);
        }
    }
    for (at, _) in code.match_indices("crate::").filter(|(at, _)| !code[..*at].ends_with('$')) {
        let named = |character: char| character.is_alphanumeric() || character == '_' || character == ':';
        let path = code[at..].split(|character| !named(character)).next().unwrap_or_default();
        paths.push(path.split("::").filter(|part| !part.is_empty()).map(String::from).collect());
    }
    paths
}

fn take_apart(tree: &str, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    match tree.split_once('{') {
        Some((head, rest)) => {
            let depth = before.len();
            before.extend(head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(String::from));
            let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
            let (mut level, mut start) = (0, 0);
            for (at, character) in inside.char_indices().chain([(inside.len(), ',')]) {
                match character {
                    '{' => level += 1,
                    '}' => level -= 1,
                    ',' if level == 0 => {
                        let item = inside[start..at].trim();
                        if !item.is_empty() {
                            take_apart(item, before, paths);
                        }
                        start = at + 1;
                    }
                    _ => {}
                }
            }
            before.truncate(depth);
        }
        None => {
            let name = tree.split(" as ").next().unwrap_or_default();
            let parts = name.split("::").map(str::trim).filter(|part| !part.is_empty() && *part != "self");
            paths.push(before.iter().cloned().chain(parts.map(String::from)).collect());
        }
    }
}

/// Each file of `src`, by its module.
fn sources() -> Vec<(Module, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder of src") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() { walk(&path, files) } else { files.push(path) }
        }
    }

    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&src, &mut files);
    files.sort();
    let module = |path: &PathBuf| {
        let path = path.strip_prefix(&src).expect("a file of src").with_extension("");
        let parts: Vec<_> =
            path.iter().map(|part| part.to_str().expect("UTF-8")).filter(|part| *part != "mod").collect();
        parts.join("::")
    };
    let files = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.map(|path| (module(path), fs::read_to_string(path).expect("a readable file"))).collect()
}

fn folder(module: &Module) -> &str {
    module.split("::").next().expect("a path has a first part")
}

fn level(folder: &str) -> u32 {
    let found = LEVELS.iter().find(|(name, _)| *name == folder);
    found.unwrap_or_else(|| panic!("`{folder}` is in no line of LEVELS, in tests/levels.rs")).1
}

/// Pairs of features whose code refers to each other: one `cfg` names both, or a `cfg` within one feature's code names
/// the other feature. `.ci/run features` checks these together; features of other pairs meet only through Cargo's
/// unification.
const PAIRS: [(&str, &str); 21] = [
    ("alloc", "pipenet"),
    ("alloc", "sim"),
    ("alloc", "trace"),
    ("bridge", "tokio"),
    ("critical-section", "pipenet"),
    ("critical-section", "std"),
    ("edge-nal", "embedded-nal-async"),
    ("json", "trace"),
    ("lonet", "testing"),
    ("lonet", "tokio"),
    ("pipenet", "sim"),
    ("pipenet", "std"),
    ("pipenet", "testing"),
    ("pipenet", "tokio"),
    ("pcapng", "trace"),
    ("pipenet", "trace"),
    ("sim", "std"),
    ("sim", "tokio"),
    ("sim", "trace"),
    ("std", "trace"),
    ("tokio", "trace"),
];

#[test]
fn features_whose_code_refers_to_each_other_are_listed() {
    let listed: BTreeSet<_> = PAIRS.iter().map(|(first, second)| ((*first).to_owned(), (*second).to_owned())).collect();
    let mut found = BTreeSet::new();
    for (module, source) in sources() {
        let gate = ["bridge", "lonet", "pipenet", "sim", "trace"]
            .into_iter()
            .find(|feature| *feature == folder(&module))
            .map(String::from);
        for line in source.lines().filter(|line| line.trim_start().starts_with("#[cfg(")) {
            let named = line.split("feature = \"").skip(1).filter_map(|rest| rest.split('"').next());
            let named: BTreeSet<String> = named.map(String::from).chain(gate.clone()).collect();
            found.extend(
                named.iter().flat_map(|first| {
                    named.range(first.clone()..).skip(1).map(|second| (first.clone(), second.clone()))
                }),
            );
        }
    }
    let missing: Vec<_> = found.difference(&listed).collect();
    assert!(missing.is_empty(), "pairs that are in no line of PAIRS: {missing:?}");
}
