//! `features.md`, and the other tables of features, against `Cargo.toml`.

use std::collections::{BTreeMap, BTreeSet};

const MANIFEST: &str = include_str!("../Cargo.toml");
const FEATURES: &str = include_str!("../features.md");
const README: &str = include_str!("../README.md");
const LIB: &str = include_str!("../src/lib.rs");

/// The description of a feature.
#[derive(Debug, Default, PartialEq)]
struct Feature {
    default: bool,
    turns_on: BTreeSet<String>,
    dependencies: BTreeSet<String>,
}

#[test]
fn every_feature_is_described_as_it_is_declared() {
    assert_eq!(described(), declared());
}

#[test]
fn every_feature_has_a_section_and_nothing_else_has() {
    let sections = FEATURES.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'));
    assert_eq!(set(sections), declared().into_keys().collect());
}

#[test]
fn every_dependency_is_described() {
    let (optional, always): (Vec<_>, Vec<_>) =
        dependencies().into_iter().partition(|(_, value)| value.contains("optional = true"));
    let of_features = declared().into_values().flat_map(|feature| feature.dependencies).collect();
    assert_eq!(set(optional.iter().map(|(name, _)| *name)), of_features, "each optional dependency has a feature");

    let section = section(FEATURES, "## Always");
    assert_eq!(listed(section), set(always.iter().map(|(name, _)| *name)));
}

#[test]
fn readme_and_crate_docs_list_every_feature() {
    let declared: BTreeSet<_> = declared().into_keys().collect();
    assert_eq!(listed(section(README, "## Features")), declared);

    let docs: String =
        LIB.lines().filter_map(|line| line.strip_prefix("//!")).map(|line| format!("{line}\n")).collect();
    let docs = docs.replace("\n ", "\n");
    assert_eq!(listed(section(&docs, "# Features")), declared);
}

/// The features declared in the manifest.
fn declared() -> BTreeMap<String, Feature> {
    let entries = table(MANIFEST, |section| section == "features");
    let defaults = set(entries.iter().filter(|(name, _)| *name == "default").flat_map(|(_, value)| strings(value)));
    let features = entries.into_iter().filter(|(name, _)| *name != "default").map(|(name, value)| {
        let (dependencies, turns_on): (Vec<_>, Vec<_>) = strings(&value).partition(|item| item.starts_with("dep:"));
        let dependencies = set(dependencies.iter().filter_map(|item| item.strip_prefix("dep:")));
        (name.to_owned(), Feature { default: defaults.contains(name), turns_on: set(turns_on), dependencies })
    });
    features.collect()
}

/// The rows of the first table of `features.md`.
fn described() -> BTreeMap<String, Feature> {
    let features = rows(section(FEATURES, "# ")).map(|row| {
        let name = code(&row[0]).concat();
        let default = match row[1].as_str() {
            "yes" => true,
            "no" => false,
            other => panic!("{name}: default is yes or no, not {other:?}"),
        };
        (name, Feature { default, turns_on: list(&row[2]), dependencies: list(&row[3]) })
    });
    features.collect()
}

/// The dependencies of a build without models.
fn dependencies() -> Vec<(&'static str, String)> {
    table(MANIFEST, |section| match section.strip_prefix("target.") {
        Some(section) => section.ends_with(".dependencies") && !section.starts_with("'cfg(loom)'"),
        None => section == "dependencies",
    })
}

/// The entries of a manifest's sections, each value on one line.
fn table(manifest: &'static str, wanted: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
    let mut entries: Vec<(&str, String)> = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let open = |value: &str| value.matches(['[', '{']).count() > value.matches([']', '}']).count();
        match entries.last_mut() {
            Some((_, value)) if inside && open(value) => value.push_str(line),
            _ => match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                Some(section) => inside = wanted(section),
                None if inside && !line.is_empty() => {
                    let (name, value) = line.split_once('=').expect("an entry has a name and a value");
                    entries.push((name.trim(), value.trim().to_owned()));
                }
                None => {}
            },
        }
    }
    entries
}

/// The text below the heading that starts with `heading`, up to the next heading of the same rank.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = if text.starts_with(heading) {
        0
    } else {
        text.find(&format!("\n{heading}")).unwrap_or_else(|| panic!("no heading {heading:?}")) + 1
    };
    let below = &text[start..];
    let below = below.split_once('\n').map_or("", |(_, below)| below);
    below.split_once("\n#").map_or(below, |(section, _)| section)
}

/// The rows of the tables in a text, without their header rows.
fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    let lines = text.lines().filter(|line| line.starts_with('|'));
    let body = lines.skip_while(|line| !line.starts_with("|--")).skip(1);
    body.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// The names in the first cells of the tables in a text.
fn listed(text: &str) -> BTreeSet<String> {
    rows(text).flat_map(|row| code(&row[0])).collect()
}

fn list(cell: &str) -> BTreeSet<String> {
    code(cell).into_iter().collect()
}

/// The parts of a text between backticks.
fn code(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The parts of a text between quotation marks.
fn strings(value: &str) -> impl Iterator<Item = &str> {
    value.split('"').skip(1).step_by(2)
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}
